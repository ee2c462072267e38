/**
 * The Python of the retrofit ring: a virtual environment of its own with the pinned packages. Where it cannot be made
 * (no Python, no network) the ring is skipped, counted and told, since nothing in the page or the package needs it.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PYTEST = 'pytest>=8,<10';

/** Folder of the environment, relative to the root; ignored by git. */
const FOLDER = join('.cache', 'retrofit');

/**
 * @param {string} command
 * @param {string[]} args
 */
function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** The first Python that is new enough, or null. */
function findPython() {
  const enough = 'import sys; sys.exit(sys.version_info < (3, 10))';
  return ['python3', 'python'].find((name) => works(name, ['-c', enough])) ?? null;
}

/**
 * Makes the environment or brings it up to date.
 * @param {string} root
 * @returns {{ python: string, reason: null } | { python: null, reason: string }} the interpreter, or why there is none
 */
export function preparePython(root) {
  const requirements = join(root, 'retrofit', 'requirements.txt');
  const folder = join(root, FOLDER);
  const python = process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python');
  const stamp = join(folder, 'requirements.sha256');
  const wanted = createHash('sha256').update(readFileSync(requirements)).update(PYTEST).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return { python, reason: null };
  const own = findPython();
  if (!own) return { python: null, reason: 'there is no Python 3.10 or newer' };
  mkdirSync(folder, { recursive: true });
  if (!works(own, ['-m', 'venv', folder])) {
    return { python: null, reason: `${own} -m venv fails (on Debian: install python3-venv)` };
  }
  console.log(`Installing PyTorch and transformers into ${FOLDER}, which takes minutes the first time.`);
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements, PYTEST];
  const { status } = spawnSync(python, install, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) return { python: null, reason: 'pip could not install retrofit/requirements.txt' };
  writeFileSync(stamp, wanted);
  return { python, reason: null };
}
