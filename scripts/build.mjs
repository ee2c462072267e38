/**
 * Builds what is older than its sources: the page (dist/page), the library (dist/lethe.js with its types) and the
 * command (dist/cli/lethe.js). Run it with names to choose, `node scripts/build.mjs page`; as Vitest's global set-up it
 * makes sure of the page.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** @typedef {'page' | 'lib' | 'cli'} Target */

const CONFIGS = ['vite.config.ts', 'tsconfig.json', 'package.json', 'package-lock.json'];
const VITE = ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'];

/** @type {Record<Target, { inputs: string[], commands: string[][] }>} */
const TARGETS = {
  page: { inputs: ['src', 'shaders', 'public', ...CONFIGS], commands: [VITE] },
  lib: {
    inputs: ['src', 'shaders', 'tsconfig.build.json', ...CONFIGS],
    commands: [
      [...VITE, '--mode', 'lib'],
      [...VITE, '--mode', 'headless'],
      ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
    ],
  },
  cli: { inputs: ['src', 'shaders', ...CONFIGS], commands: [[...VITE, '--mode', 'cli']] },
};

/**
 * Time of the last change at or below a path, in milliseconds. A folder counts too: its time tells of files removed.
 * @param {string} path
 * @returns {number}
 */
function newest(path) {
  if (!existsSync(path)) return 0;
  const entry = statSync(path);
  if (!entry.isDirectory()) return entry.mtimeMs;
  const children = readdirSync(path).filter((name) => !name.endsWith('.test.ts'));
  return Math.max(entry.mtimeMs, ...children.map((name) => newest(join(path, name))));
}

/**
 * True when a target was never built or its sources changed since.
 * @param {Target} target
 */
export function isStale(target) {
  const stamp = join(ROOT, 'dist', '.built', target);
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  return TARGETS[target].inputs.some((input) => newest(join(ROOT, input)) > built);
}

/**
 * Builds a target if it is stale.
 * @param {Target} target
 * @returns {boolean} whether it was built
 * @throws {Error} when the build fails
 */
export function ensureBuilt(target) {
  if (!isStale(target)) return false;
  const started = new Date();
  console.log(`Building: ${target}.`);
  for (const command of TARGETS[target].commands) {
    const env = { ...process.env, NODE_ENV: 'production' };
    const { status } = spawnSync(process.execPath, command, { cwd: ROOT, env, stdio: 'inherit' });
    if (status !== 0) throw new Error(`Building ${target} failed: ${command.join(' ')}. The lines above say why.`);
  }
  const stamp = join(ROOT, 'dist', '.built', target);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  // The start of the build, so that a source changed meanwhile makes the target stale again.
  utimesSync(stamp, started, started);
  console.log(`Built ${target} in ${((Date.now() - started.getTime()) / 1000).toFixed(1)} s.`);
  return true;
}

/** Vitest's global set-up of the app ring. */
export function setup() {
  ensureBuilt('page');
}

/** @param {string} name @returns {name is Target} */
function isTarget(name) {
  return name in TARGETS;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(TARGETS);
  try {
    for (const name of names) {
      if (!isTarget(name)) throw new Error(`There is no target ${name}: there are ${Object.keys(TARGETS).join(', ')}.`);
      if (!ensureBuilt(name)) console.log(`${name} is up to date.`);
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
