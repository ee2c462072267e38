/** `npm run check`: one line a rule, and below it the places that break it. A test makes each rule fail. */
import { spawn } from 'node:child_process';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cycles, layers, noDom, noFetch, noGpuTypes } from './layer_rules.mjs';
import { links, twins } from './shader_rules.mjs';
import { fileLengths, functions, lineWidths, names, openings, unfinished } from './shape_rules.mjs';
import { readSources } from './source_tree.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SHOWN_PROBLEMS = 40;

/** @typedef {import('./source_tree.mjs').SourceFile} SourceFile */
/** @typedef {(files: readonly SourceFile[], root: string) => string[] | Promise<string[]>} Rule */

/**
 * A line of a tool's output without the mark-up for GitHub, which is Biome's one form with a problem a line.
 * @param {string} line
 * @param {string} root
 */
function plain(line, root) {
  const match = /^::\w+ title=([^,]*),file=([^,]*),line=(\d+)[^:]*::(.*)$/.exec(line);
  return match ? `${relative(root, match[2])}:${match[3]}: ${match[1]}: ${match[4]}` : line;
}

/**
 * A rule that is another program's: its lines are the problems when it fails.
 * @param {string} program path of a script below this project's node_modules
 * @param {string[]} args
 * @returns {Rule}
 */
function tool(program, args) {
  return (_files, root) =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(ROOT, 'node_modules', program), ...args], { cwd: root });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (data) => {
          output += data;
        });
      }
      child.on('error', reject);
      child.on('close', (status) => {
        const lines = output.split('\n').flatMap((line) => (line.trim() === '' ? [] : [plain(line, root)]));
        resolve(status === 0 ? [] : lines.length > 0 ? lines : [`ended with ${status}`]);
      });
    });
}

/** @type {Record<string, Rule>} */
export const RULES = {
  types: tool('typescript/bin/tsc', ['--noEmit', '--pretty', 'false', '-p', '.']),
  'lint and format': tool('@biomejs/biome/bin/biome', [
    'check',
    '--reporter=github',
    '--max-diagnostics=1000',
    '--error-on-warnings',
  ]),
  layers,
  cycles,
  'no network outside store': noFetch,
  'no GPU types above model and cache': noGpuTypes,
  'no DOM below the page': noDom,
  'twins and hosts of shaders': twins,
  'every variant links': links,
  'length of files': fileLengths,
  'width of lines': lineWidths,
  'size of functions': functions,
  'names of files': names,
  'opening of files': openings,
  'nothing unfinished': unfinished,
};

/**
 * Runs every rule on a tree and prints a line for each.
 * @param {string} root
 * @returns {Promise<{ rule: string, problems: string[] }[]>}
 */
export async function runChecks(root) {
  const files = readSources(root);
  const started = Object.entries(RULES).map(([rule, run]) => ({ rule, run: Promise.resolve(run(files, root)) }));
  const results = [];
  for (const { rule, run } of started) {
    const problems = await run;
    console.log(problems.length === 0 ? `ok    ${rule}` : `FAIL  ${rule}: ${problems.length}`);
    for (const problem of problems.slice(0, SHOWN_PROBLEMS)) console.log(`      ${problem}`);
    if (problems.length > SHOWN_PROBLEMS) console.log(`      and ${problems.length - SHOWN_PROBLEMS} more`);
    results.push({ rule, problems });
  }
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = await runChecks(ROOT);
  const failed = results.filter(({ problems }) => problems.length > 0).length;
  console.log(`\n${results.length - failed} rules kept, ${failed} broken`);
  process.exitCode = failed === 0 ? 0 : 1;
}
