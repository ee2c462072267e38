/**
 * `npm test`: installs what the tests need, runs the rings in order and ends with the counts. `npm test -- unit kernel`
 * runs those rings only; `npm test -- --plan` says what would be installed and run, and does nothing.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDependencies, staleReason } from './dependencies.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * The rings named on the command line, in their own order; all when none is.
 * @param {readonly string[]} names
 * @param {readonly string[]} known
 */
function chosenRings(names, known) {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown) throw new Error(`There is no ring ${unknown}. The rings: ${known.join(', ')}.`);
  return names.length === 0 ? known : known.filter((ring) => names.includes(ring));
}

/** @param {readonly import('./rings.mjs').Result[]} results */
function printCounts(results) {
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    results.reduce((total, result) => total + result[key], 0);
  console.log('');
  for (const { label, passed, failed, skipped, seconds } of results) {
    const rest = skipped > 0 ? `, ${skipped} skipped` : '';
    console.log(`${label.padEnd(24)} ${passed} passed, ${failed} failed${rest} in ${seconds.toFixed(1)} s`);
  }
  const skipped = sum('skipped');
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return sum('failed') === 0;
}

async function main() {
  const args = process.argv.slice(2);
  const plan = args.includes('--plan');
  const reason = staleReason(ROOT);
  if (plan && reason) return console.log(`Would run npm ci (${reason}); the rest of the plan needs its packages.`);
  ensureDependencies(ROOT);
  const { RINGS, runRing, stepsFor, testAdapters } = await import('./rings.mjs');
  const { findChromium } = await import('./chromium.mjs');
  const { runSteps } = await import('./provision.mjs');
  const rings = chosenRings(
    args.filter((arg) => arg !== '--plan'),
    RINGS,
  );
  const steps = stepsFor(rings, findChromium);
  if (plan) {
    for (const { why, command } of steps) console.log(`Would run what ${why}: ${command.join(' ')}`);
    return console.log(`Would run the rings: ${rings.join(', ')}.`);
  }
  runSteps(steps, ROOT);
  const chromium = findChromium();
  const gpu = rings.includes('kernel') || rings.includes('model');
  const adapters = gpu ? testAdapters(chromium) : [];
  const results = [];
  for (const ring of rings) results.push(...(await runRing(ring, { chromium, adapters })));
  process.exitCode = printCounts(results) ? 0 : 1;
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  console.log('\n0 passed, 1 failed');
  process.exitCode = 1;
});
