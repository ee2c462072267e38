/**
 * The package as npm would publish it, and projects of others that install it. It packs what the build made and
 * publishes nothing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ROOT } from '../../scripts/build.mjs';

/** Milliseconds for the packages of one project, on a slow network. */
const INSTALL_TIMEOUT_MS = 240_000;

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

export interface Packed {
  /** Path of the `.tgz`. */
  readonly tarball: string;
  /** What it holds, as paths inside the package. */
  readonly files: readonly string[];
  /** The tarball, unpacked. */
  readonly folder: string;
  remove(): void;
}

/** Builds the library and the command where they are stale, and packs them. */
export function pack(): Packed {
  ensureBuilt('lib');
  ensureBuilt('cli');
  const home = mkdtempSync(join(tmpdir(), 'lethe-packed-'));
  // What `prepack` would build was built above, but for the page, which is not packed.
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', home];
  const told: unknown = JSON.parse(execFileSync(npm, args, { cwd: ROOT, encoding: 'utf8' }));
  const [{ filename, files }] = told as [{ filename: string; files: { path: string }[] }];
  const tarball = join(home, filename);
  execFileSync('tar', ['xzf', tarball, '-C', home]);
  return {
    tarball,
    files: files.map(({ path }) => path).sort(),
    folder: join(home, 'package'),
    remove: () => rmSync(home, { recursive: true }),
  };
}

export interface Project {
  readonly folder: string;
  /** Runs a program of Node's; its output is in the error when it fails. */
  run(script: string, ...args: readonly string[]): string;
  /** Runs a script of the project's `package.json`. */
  runScript(name: string): string;
  remove(): void;
}

function run(command: string, args: readonly string[], folder: string): string {
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1' };
  // With a mode from outside, the test runner's or the shell's, Next.js mixes React's two builds.
  delete (env as NodeJS.ProcessEnv).NODE_ENV;
  const options = { cwd: folder, env, encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error || status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `ended with ${status}`}\n${stdout}\n${stderr}`);
  }
  return stdout;
}

/**
 * A copy of a project with its packages installed, this one from the tarball.
 * @param from the project's folder, with a `package.json` that depends on `lethe`
 */
export function install(from: string, { tarball }: Packed): Project {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-project-'));
  const skipped = /[\\/](node_modules|dist|out|\.next)$/;
  cpSync(from, folder, { recursive: true, filter: (path) => !skipped.test(path) });
  const path = join(folder, 'package.json');
  const facts: { dependencies: Record<string, string> } = JSON.parse(readFileSync(path, 'utf8'));
  facts.dependencies.lethe = `file:${tarball}`;
  writeFileSync(path, JSON.stringify(facts));
  run(npm, ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'], folder);
  return {
    folder,
    run: (script, ...args) => run(process.execPath, [script, ...args], folder),
    runScript: (name) => run(npm, ['run', name], folder),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
