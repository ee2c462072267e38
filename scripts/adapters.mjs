/**
 * Finds the adapters on which the GPU rings run: the machine's own GPU, lavapipe and SwiftShader. It only looks;
 * `provision.mjs` installs.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The oldest Mesa whose lavapipe Dawn accepts. */
const OLDEST_MESA = [23, 1];

/**
 * @typedef {object} AdapterFacts
 * @property {string} vendor
 * @property {string} architecture
 * @property {string} device
 * @property {string} description
 * @property {boolean} f16
 * @property {boolean} subgroups
 */

/**
 * @typedef {object} TestAdapter
 * @property {string} name what the run is labelled with
 * @property {string | null} icd Vulkan driver file that selects it; null leaves the choice to the machine
 * @property {AdapterFacts} facts
 */

/**
 * The adapter that Dawn gives with this driver file (null: with none named); null when there is none.
 * @param {string | null} icd
 * @returns {AdapterFacts | null}
 */
export function probeAdapter(icd) {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'probe_adapter.mjs');
  const env = adapterEnv(icd);
  const { stdout } = spawnSync(process.execPath, [script], { env, encoding: 'utf8', timeout: 60_000 });
  const line = stdout?.trim().split('\n').at(-1);
  return line ? JSON.parse(line) : null;
}

/**
 * This environment with the adapter chosen.
 * @param {string | null} icd
 * @returns {NodeJS.ProcessEnv}
 */
export function adapterEnv(icd) {
  return icd === null ? { ...process.env } : { ...process.env, VK_ICD_FILENAMES: icd, VK_DRIVER_FILES: icd };
}

/** @param {AdapterFacts | null} facts */
export function isSoftware(facts) {
  return (
    facts !== null &&
    /llvmpipe|lavapipe|swiftshader/i.test(`${facts.description} ${facts.device} ${facts.architecture}`)
  );
}

/**
 * False for no adapter, and for a lavapipe that is too old.
 * @param {AdapterFacts | null} facts
 */
export function isUsable(facts) {
  if (facts === null) return false;
  const version = /Mesa (\d+)\.(\d+)/.exec(facts.description);
  if (!isSoftware(facts) || !version) return true;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > OLDEST_MESA[0] || (major === OLDEST_MESA[0] && minor >= OLDEST_MESA[1]);
}

/** One line about an adapter. @param {AdapterFacts} facts */
export function describeAdapter(facts) {
  const has = (/** @type {boolean} */ yes, /** @type {string} */ what) => `${yes ? '' : 'no '}${what}`;
  const name = facts.description || facts.device || facts.architecture || facts.vendor;
  return `${name} (${facts.device || facts.vendor}; ${has(facts.f16, 'f16')}, ${has(facts.subgroups, 'subgroups')})`;
}

/** Where Linux distributions keep the driver files. */
const ICD_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];

/** Path of lavapipe's driver file; null when it is not installed. */
export function findLavapipe() {
  for (const folder of ICD_FOLDERS.filter((path) => existsSync(path))) {
    const file = readdirSync(folder).find((name) => /^lvp_icd.*\.json$/.test(name));
    if (file) return join(folder, file);
  }
  return null;
}

/**
 * Path of the SwiftShader driver file that comes with a Chromium; null when it comes with none.
 * @param {string | null} chromium path of the browser
 */
export function findSwiftShader(chromium) {
  const own = chromium && existsSync(chromium) ? [dirname(realpathSync(chromium))] : [];
  const folders = [...own, '/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome'];
  const paths = folders.map((folder) => join(folder, 'vk_swiftshader_icd.json'));
  return paths.find((path) => existsSync(path)) ?? null;
}
