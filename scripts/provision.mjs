/**
 * Plans and runs the installation of what the tests need beyond npm: a recent lavapipe where there is no GPU, and a
 * Chromium. A plan is a value, so that `npm test -- --plan` can show it and a test can check it. It changes nothing
 * without the right to (root or a sudo that asks nothing): then it says what to run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Machine
 * @property {NodeJS.Platform} platform
 * @property {string} distribution os-release's ID, empty elsewhere than on Linux
 * @property {string} codename os-release's VERSION_CODENAME
 * @property {boolean} apt whether apt-get is there
 * @property {'root' | 'sudo' | 'none'} rights
 * @property {string} sources the texts of apt's source lists
 */

/**
 * @typedef {object} Step
 * @property {string} why
 * @property {string[]} command
 * @property {string} [input] what the command reads
 * @property {boolean} [mayFail] go on when it fails: the step after it tells
 */

/** The release of Debian whose own Mesa is too old, and from where a newer one comes. */
const OLD_DEBIAN = 'bookworm';
const BACKPORTS = 'bookworm-backports';
/** Waits for another installation to end, and writes no progress bars. */
const APT_OPTIONS = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0'];
const DEBIAN_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** @returns {Machine} */
export function thisMachine() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const field = (/** @type {string} */ name) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  const works = (/** @type {string[]} */ [command, ...args]) =>
    spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  const root = process.getuid?.() === 0;
  return {
    platform: process.platform,
    distribution: field('ID'),
    codename: field('VERSION_CODENAME'),
    apt: process.platform === 'linux' && works(['apt-get', '--version']),
    rights: root ? 'root' : works(['sudo', '-n', 'true']) ? 'sudo' : 'none',
    sources: readSources(),
  };
}

function readSources() {
  const folder = '/etc/apt/sources.list.d';
  const listed = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const files = ['/etc/apt/sources.list', ...listed].filter(
    (path) => /\.(list|sources)$/.test(path) && existsSync(path),
  );
  return files.map((path) => readFileSync(path, 'utf8')).join('\n');
}

/**
 * The mirror from which this Debian takes its main packages, from either form of source list; null when none is found.
 * @param {string} sources
 * @param {string} codename
 */
export function debianMirror(sources, codename) {
  for (const paragraph of sources.split(/\n\s*\n/)) {
    const uri = /^URIs:\s*(\S+)/m.exec(paragraph)?.[1];
    const suites = /^Suites:\s*(.*)$/m.exec(paragraph)?.[1]?.split(/\s+/) ?? [];
    if (uri && suites.includes(codename)) return uri;
  }
  return new RegExp(`^deb\\s+(?:\\[[^\\]]*\\]\\s+)?(\\S+)\\s+${codename}\\s`, 'm').exec(sources)?.[1] ?? null;
}

/**
 * @param {Machine} machine
 * @param {string[]} command
 */
function asRoot(machine, command) {
  return machine.rights === 'sudo' ? ['sudo', '-n', ...command] : command;
}

/**
 * @param {Machine} machine
 * @param {string} why
 * @param {string[]} packages and options before them
 * @returns {Step[]}
 */
function aptSteps(machine, why, packages) {
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', '-y', ...APT_OPTIONS];
  return [
    // A list of some other package source may be out of reach; the installation tells whether that matters.
    { why: 'reads the package lists', command: asRoot(machine, [...apt, 'update']), mayFail: true },
    { why, command: asRoot(machine, [...apt, 'install', '--no-install-recommends', ...packages]) },
  ];
}

/**
 * How to get a lavapipe that Dawn accepts.
 * @param {Machine} machine
 * @returns {Step[]}
 * @throws {Error} that says what to run, where this program may not or cannot
 */
export function lavapipeSteps(machine) {
  const need = 'The GPU tests need a GPU or a lavapipe of Mesa 23.1 or newer, and Dawn found neither.';
  if (machine.platform !== 'linux') throw new Error(`${need} Run them on a machine with a GPU that supports WebGPU.`);
  const backports = machine.distribution === 'debian' && machine.codename === OLD_DEBIAN;
  const packages = [...(backports ? ['-t', BACKPORTS] : []), 'mesa-vulkan-drivers', 'libvulkan1'];
  if (!machine.apt)
    throw new Error(`${need} Install your distribution's Mesa Vulkan drivers (lavapipe) and the Vulkan loader.`);
  if (machine.rights === 'none') {
    const first = backports ? `add ${BACKPORTS} to apt's sources, then as root: ` : 'run as root: ';
    throw new Error(`${need} To install it, ${first}apt-get update && apt-get install ${packages.join(' ')}`);
  }
  /** @type {Step[]} */
  const steps = [];
  if (backports && !machine.sources.includes(BACKPORTS)) {
    const mirror = debianMirror(machine.sources, OLD_DEBIAN);
    if (!mirror) throw new Error(`${need} apt's sources name no mirror of ${OLD_DEBIAN}: add ${BACKPORTS} to them.`);
    steps.push({
      why: `adds ${BACKPORTS} to apt's sources, since the Mesa of ${OLD_DEBIAN} is too old`,
      command: asRoot(machine, ['tee', '/etc/apt/sources.list.d/lethe-backports.list']),
      input: `deb [signed-by=${DEBIAN_KEYS}] ${mirror} ${BACKPORTS} main\n`,
    });
  }
  return [...steps, ...aptSteps(machine, 'installs lavapipe', packages)];
}

/**
 * How to get a Chromium: Debian's package, else Playwright's download.
 * @param {Machine} machine
 * @returns {Step[]}
 */
export function chromiumSteps(machine) {
  // Ubuntu's package of that name only installs a snap.
  if (machine.apt && machine.distribution === 'debian' && machine.rights !== 'none') {
    return aptSteps(machine, 'installs Chromium', ['chromium', 'fonts-liberation']);
  }
  const cli = join('node_modules', 'playwright-core', 'cli.js');
  const libraries = machine.apt && machine.rights !== 'none' ? ['--with-deps'] : [];
  const command = [process.execPath, cli, 'install', ...libraries, 'chromium'];
  return [{ why: "downloads Playwright's Chromium", command }];
}

/**
 * Runs steps in order, saying what each does and how long it took.
 * @param {readonly Step[]} steps
 * @param {string} cwd
 * @throws {Error} when one fails that may not
 */
export function runSteps(steps, cwd) {
  for (const { why, command, input, mayFail } of steps) {
    const words = command.join(' ');
    console.log(`npm test ${why}: ${words}`);
    const started = Date.now();
    const [program, ...args] = command;
    const options = input === undefined ? {} : { input };
    const stdin = input === undefined ? 'ignore' : 'pipe';
    const { status } = spawnSync(program, args, { cwd, ...options, stdio: [stdin, 'inherit', 'inherit'] });
    console.log(`  ${status === 0 ? 'done' : 'failed'} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    if (status !== 0 && !mayFail) throw new Error(`What ${why} failed: ${words}. Its message above says why.`);
  }
}
