/** The rings of tests: which there are, how each is run and how its results are counted. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adapterEnv,
  describeAdapter,
  findLavapipe,
  findSwiftShader,
  isSoftware,
  isUsable,
  probeAdapter,
} from './adapters.mjs';
import { ROOT } from './build.mjs';
import { runChecks } from './check.mjs';
import { chromiumSteps, lavapipeSteps, thisMachine } from './provision.mjs';
import { preparePython } from './python.mjs';

/** In the order in which they run: the quick ones first. */
export const RINGS = ['check', 'unit', 'retrofit', 'kernel', 'model', 'app', 'package'];

/** @typedef {{ label: string, passed: number, failed: number, skipped: number, seconds: number }} Result */
/** @typedef {import('./adapters.mjs').TestAdapter} TestAdapter */

/**
 * What must be installed before these rings can run.
 * @param {readonly string[]} rings
 * @param {() => string | null} findChromium
 */
export function stepsFor(rings, findChromium) {
  const machine = thisMachine();
  const gpu = rings.includes('kernel') || rings.includes('model');
  // SwiftShader comes with Chromium, so the kernel ring wants one too.
  const browser = ['kernel', 'app', 'package'].some((ring) => rings.includes(ring));
  const steps = [
    ...(gpu && !isUsable(probeAdapter(null)) ? lavapipeSteps(machine) : []),
    ...(browser && findChromium() === null ? chromiumSteps(machine) : []),
  ];
  // Both may read the package lists; once is enough.
  const commands = steps.map(({ command }) => command.join(' '));
  return steps.filter((_, index) => commands.indexOf(commands[index]) === index);
}

/**
 * The adapters of the kernel ring, the first also being that of the model ring: the machine's GPU if it has one,
 * lavapipe, SwiftShader.
 * @param {string | null} chromium
 * @returns {TestAdapter[]}
 * @throws {Error} when an installed one does not work, and when there is only SwiftShader
 */
export function testAdapters(chromium) {
  /** @type {TestAdapter[]} */
  const adapters = [];
  const add = (/** @type {string} */ name, /** @type {string | null} */ icd) => {
    const facts = probeAdapter(icd);
    if (!facts) throw new Error(`Dawn finds no adapter with ${icd}. node scripts/probe_adapter.mjs says why.`);
    if (isUsable(facts)) adapters.push({ name, icd, facts });
  };
  const own = probeAdapter(null);
  if (own && !isSoftware(own)) add('GPU', null);
  const lavapipe = findLavapipe();
  if (lavapipe) add('lavapipe', lavapipe);
  const swiftShader = findSwiftShader(chromium);
  if (swiftShader) add('SwiftShader', swiftShader);
  if (!adapters.some(({ name }) => name !== 'SwiftShader')) {
    throw new Error('There is still no GPU and no usable lavapipe: Dawn finds no adapter with Mesa 23.1 or newer.');
  }
  return adapters;
}

/**
 * Counts with a failure where a program failed without telling of one, or ran no test at all.
 * @param {{ passed: number, failed: number, skipped: number }} counts
 * @param {number | null} status the program's exit code
 */
function loudly(counts, status) {
  const { passed, failed, skipped } = counts;
  const silent = failed === 0 && (status !== 0 || passed + skipped === 0);
  return silent ? { ...counts, failed: 1 } : counts;
}

/**
 * Counts from Vitest's JSON report. A file that could not be loaded, an error outside the tests and a ring without
 * tests are failures, though Vitest counts no failed test for them.
 * @param {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: { status: string, assertionResults: { status: string }[] }[] } | null} report null: none was written
 * @param {number | null} status exit code of Vitest
 */
export function countReport(report, status) {
  if (!report) return { passed: 0, failed: 1, skipped: 0 };
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const passed = report.numPassedTests;
  const skipped = report.numPendingTests + report.numTodoTests;
  const failed = report.numFailedTests + unloaded.length;
  return loudly({ passed, failed, skipped }, status);
}

/**
 * Counts from pytest's JUnit report.
 * @param {string | null} xml null: none was written
 * @param {number | null} status exit code of pytest
 */
export function countJunit(xml, status) {
  const suite = xml === null ? null : /<testsuite [^>]*>/.exec(xml)?.[0];
  if (!suite) return { passed: 0, failed: 1, skipped: 0 };
  const field = (/** @type {string} */ name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = field('failures') + field('errors');
  const skipped = field('skipped');
  return loudly({ passed: field('tests') - failed - skipped, failed, skipped }, status);
}

/**
 * Runs a test program that writes a report to a file, and gives its exit code and the report's text.
 * @param {(output: string) => { command: string, args: string[], env?: NodeJS.ProcessEnv }} program
 */
function runReporting(program) {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-test-'));
  const output = join(folder, 'report');
  const { command, args, env = process.env } = program(output);
  const { status } = spawnSync(command, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const report = existsSync(output) ? readFileSync(output, 'utf8') : null;
  rmSync(folder, { recursive: true });
  return { status, report };
}

/**
 * Runs one Vitest project.
 * @param {string} ring
 * @param {string} label
 * @param {NodeJS.ProcessEnv} env
 * @returns {Result}
 */
function runVitest(ring, label, env) {
  console.log(`\n== ${label}`);
  const started = Date.now();
  const vitest = join('node_modules', 'vitest', 'vitest.mjs');
  const colour = process.stdout.isTTY ? {} : { NO_COLOR: '1' };
  const { status, report } = runReporting((output) => ({
    command: process.execPath,
    args: [
      ...[vitest, 'run', '--project', ring],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${output}`],
    ],
    env: { ...env, ...colour },
  }));
  const counts = countReport(report === null ? null : JSON.parse(report), status);
  return { label, ...counts, seconds: (Date.now() - started) / 1000 };
}

/** @returns {Promise<Result>} */
async function runCheckRing() {
  console.log('\n== check');
  const started = Date.now();
  const results = await runChecks(ROOT);
  const failed = results.filter(({ problems }) => problems.length > 0).length;
  const seconds = (Date.now() - started) / 1000;
  return { label: 'check', passed: results.length - failed, failed, skipped: 0, seconds };
}

/** @returns {Result} */
function runRetrofitRing() {
  const label = 'retrofit';
  console.log(`\n== ${label}`);
  const started = Date.now();
  const { python, reason } = preparePython(ROOT);
  if (python === null) console.log(`Skipped: ${label}, since ${reason}.`);
  let counts = { passed: 0, failed: 0, skipped: 1 };
  if (python !== null) {
    const args = ['-m', 'pytest', '-q', 'retrofit'];
    const { status, report } = runReporting((output) => ({
      command: python,
      args: [...args, `--junitxml=${output}`],
    }));
    counts = countJunit(report, status);
  }
  return { label, ...counts, seconds: (Date.now() - started) / 1000 };
}

/**
 * Runs one ring, on each adapter that it wants.
 * @param {string} ring
 * @param {{ chromium: string | null, adapters: readonly TestAdapter[] }} found
 * @returns {Promise<Result[]>}
 */
export async function runRing(ring, { chromium, adapters }) {
  if (ring === 'check') return [await runCheckRing()];
  if (ring === 'retrofit') return [runRetrofitRing()];
  if (ring === 'unit') return [runVitest('unit', 'unit', process.env)];
  if (ring === 'app' || ring === 'package') {
    return [runVitest(ring, ring, { ...process.env, LETHE_CHROMIUM: chromium ?? '' })];
  }
  const wanted = ring === 'kernel' ? adapters : adapters.slice(0, 1);
  const results = wanted.map(({ name, icd, facts }) => {
    console.log(`\n${name} is ${describeAdapter(facts)}.`);
    return runVitest(ring, `${ring} on ${name}`, adapterEnv(icd));
  });
  if (ring === 'kernel' && !wanted.some(({ name }) => name === 'SwiftShader')) {
    console.log(
      '\nSkipped: kernel on SwiftShader, since the Chromium found here comes without its Vulkan driver file.',
    );
    results.push({ label: 'kernel on SwiftShader', passed: 0, failed: 0, skipped: 1, seconds: 0 });
  }
  return results;
}
