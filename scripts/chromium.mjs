/** Finds a Chromium that runs, and says with which arguments tests start it. It downloads nothing. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium as playwrightChromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome.exe'];

const FIXED_PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/**
 * Arguments for a headless Chromium with WebGPU. SwiftShader is named, because without a GPU Chromium offers no adapter
 * unless told to; and nothing may be looked up on the network.
 */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--no-first-run',
  '--disable-quic',
  '--disable-sync',
  '--disable-component-update',
  '--disable-background-networking',
];

/**
 * True when the program starts: Ubuntu's `chromium-browser` without its snap does not.
 * @param {string} path
 */
function runs(path) {
  if (!existsSync(path)) return false;
  // On Windows `--version` opens a window.
  return process.platform === 'win32' || spawnSync(path, ['--version'], { timeout: 30_000 }).status === 0;
}

/**
 * The Chromium that the tests use: LETHE_CHROMIUM, else one on PATH, else one in its usual place, else Playwright's.
 * @returns {string | null}
 * @throws {Error} when LETHE_CHROMIUM names something that does not run
 */
export function findChromium() {
  const named = process.env.LETHE_CHROMIUM;
  if (named) {
    if (runs(named)) return named;
    throw new Error(`LETHE_CHROMIUM is ${named}, which does not run. Correct it or leave it unset.`);
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const onPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...onPath, ...FIXED_PLACES, playwrightChromium.executablePath()].find(runs) ?? null;
}

/**
 * For Playwright's `chromium.launch`.
 * @throws {Error} when there is no Chromium
 */
export function launchOptions() {
  const executablePath = findChromium();
  if (!executablePath)
    throw new Error('There is no Chromium. Install one, or run npm test, which does; or set LETHE_CHROMIUM.');
  return { executablePath, args: CHROMIUM_ARGS };
}
