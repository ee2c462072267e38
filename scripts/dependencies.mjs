/**
 * Installs the packages of the lockfile when node_modules is missing or holds something else. It compares contents, not
 * times: a checkout changes every time without changing a package.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, devOptional?: boolean, link?: boolean }} Locked
 */

/**
 * The packages of a lockfile by folder.
 * @param {string} path
 * @returns {Map<string, Locked>}
 */
function readLock(path) {
  const { packages } = JSON.parse(readFileSync(path, 'utf8'));
  return new Map(Object.entries(packages));
}

/**
 * Why the installed packages are not those of the lockfile; null when they are.
 * @param {string} root folder of package.json
 * @returns {string | null}
 */
export function staleReason(root) {
  const installedPath = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return 'node_modules is missing';
  const installed = readLock(installedPath);
  for (const [folder, wanted] of readLock(join(root, 'package-lock.json'))) {
    if (folder === '') continue;
    const found = installed.get(folder);
    // An optional package of another platform is rightly absent.
    if (!found && (wanted.optional || wanted.devOptional)) continue;
    if (!found) return `${folder} is missing`;
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) {
      return `${folder} is ${found.version}, the lockfile says ${wanted.version}`;
    }
    if (!existsSync(join(root, folder))) return `${folder} is missing`;
  }
  return null;
}

/**
 * Makes node_modules what the lockfile says.
 * @param {string} root folder of package.json
 * @throws {Error} when npm fails
 */
export function ensureDependencies(root) {
  const reason = staleReason(root);
  if (!reason) return;
  console.log(`Installing the packages of the lockfile (${reason}).`);
  // npm is a .cmd file on Windows, which only a shell starts.
  const windows = process.platform === 'win32';
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: 'inherit',
    shell: windows,
  });
  if (status !== 0) throw new Error('npm ci failed. Its message above says why; then run the command again.');
}
