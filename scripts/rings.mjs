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
import { countJunit, preparePython } from './python.mjs';

/** In the order in which they run: the quick ones first. */
export const RINGS = ['check', 'unit', 'retrofit', 'kernel', 'model', 'app'];

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
  const browser = rings.includes('kernel') || rings.includes('app');
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
  const silent = failed === 0 && (status !== 0 || passed + skipped === 0);
  return { passed, failed: silent ? 1 : failed, skipped };
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
  const folder = mkdtempSync(join(tmpdir(), 'lethe-test-'));
  const output = join(folder, 'report.json');
  const started = Date.now();
  const vitest = join('node_modules', 'vitest', 'vitest.mjs');
  const args = ['run', '--project', ring, '--reporter=default', '--reporter=json', `--outputFile.json=${output}`];
  const colour = process.stdout.isTTY ? {} : { NO_COLOR: '1' };
  const { status } = spawnSync(process.execPath, [vitest, ...args], {
    cwd: ROOT,
    env: { ...env, ...colour },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const report = existsSync(output) ? JSON.parse(readFileSync(output, 'utf8')) : null;
  rmSync(folder, { recursive: true });
  return { label, ...countReport(report, status), seconds: (Date.now() - started) / 1000 };
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
  console.log('\n== retrofit');
  const started = Date.now();
  const elapsed = () => (Date.now() - started) / 1000;
  const { python, reason } = preparePython(ROOT);
  if (python === null) {
    console.log(`Skipped: retrofit, since ${reason}.`);
    return { label: 'retrofit', passed: 0, failed: 0, skipped: 1, seconds: elapsed() };
  }
  const folder = mkdtempSync(join(tmpdir(), 'lethe-test-'));
  const output = join(folder, 'report.xml');
  const { status } = spawnSync(python, ['-m', 'pytest', '-q', 'retrofit', `--junitxml=${output}`], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const report = existsSync(output) ? readFileSync(output, 'utf8') : null;
  rmSync(folder, { recursive: true });
  return { label: 'retrofit', ...countJunit(report, status), seconds: elapsed() };
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
  if (ring === 'app') return [runVitest('app', 'app', { ...process.env, LETHE_CHROMIUM: chromium ?? '' })];
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
