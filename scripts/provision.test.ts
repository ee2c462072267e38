import { describe, expect, test } from 'vitest';
import { isSoftware, isUsable } from './adapters.mjs';
import { chromiumSteps, debianMirror, lavapipeSteps, type Machine } from './provision.mjs';

const DEB822 = [
  'Types: deb\nURIs: http://security.test/debian\nSuites: bookworm-security\nComponents: main\n',
  'Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n',
].join('\n');
const ONE_LINE = 'deb [arch=amd64] http://mirror.test/debian bookworm main contrib\n';

function machine(facts: Partial<Machine> = {}): Machine {
  const bookworm = { platform: 'linux', distribution: 'debian', codename: 'bookworm' } as const;
  return { ...bookworm, apt: true, rights: 'root', sources: DEB822, ...facts };
}

const linesOf = (steps: { command: string[] }[]) => steps.map(({ command }) => command.join(' '));

describe('lavapipe', () => {
  test('on Debian 12 comes from the backports of the mirror in use', () => {
    const steps = lavapipeSteps(machine());
    expect(steps).toHaveLength(3);
    expect(steps[0]?.input).toMatch(/\] http:\/\/mirror\.test\/debian bookworm-backports main\n$/);
    expect(linesOf(steps)[2]).toMatch(/install .*-t bookworm-backports mesa-vulkan-drivers/);
  });

  test('adds no source that is there already', () => {
    const steps = lavapipeSteps(
      machine({ sources: `${DEB822}\ndeb http://mirror.test/debian bookworm-backports main\n` }),
    );
    expect(linesOf(steps).map((line) => /apt-get .*(update|install)/.exec(line)?.[1])).toEqual(['update', 'install']);
  });

  test('elsewhere comes from the distribution itself', () => {
    const steps = lavapipeSteps(machine({ distribution: 'ubuntu', codename: 'noble' }));
    expect(linesOf(steps).join('\n')).not.toContain('backports');
    expect(steps).toHaveLength(2);
  });

  test('is installed by a sudo that asks nothing', () => {
    for (const line of linesOf(lavapipeSteps(machine({ rights: 'sudo' })))) expect(line).toMatch(/^sudo -n /);
  });

  test('without rights, apt or Linux is an error that says what to do', () => {
    expect(() => lavapipeSteps(machine({ rights: 'none' }))).toThrow(/as root: apt-get update && apt-get install -t/);
    expect(() => lavapipeSteps(machine({ apt: false }))).toThrow(/Install your distribution's Mesa/);
    expect(() => lavapipeSteps(machine({ platform: 'darwin' }))).toThrow(/a machine with a GPU/);
    expect(() => lavapipeSteps(machine({ sources: '' }))).toThrow(/name no mirror/);
  });
});

describe('Chromium', () => {
  test("is Debian's package where it can be installed", () => {
    expect(linesOf(chromiumSteps(machine())).at(-1)).toMatch(/apt-get .*install .*chromium/);
  });

  test.each([
    machine({ rights: 'none' }),
    machine({ distribution: 'ubuntu' }),
    machine({ platform: 'darwin', apt: false }),
  ])("else is Playwright's: %j", (where) => {
    expect(linesOf(chromiumSteps(where)).at(-1)).toMatch(/playwright-core.cli\.js install (--with-deps )?chromium$/);
  });
});

test('the mirror is found in both forms of source list', () => {
  expect(debianMirror(DEB822, 'bookworm')).toBe('http://mirror.test/debian');
  expect(debianMirror(ONE_LINE, 'bookworm')).toBe('http://mirror.test/debian');
  expect(debianMirror(ONE_LINE, 'trixie')).toBeNull();
});

describe('an adapter', () => {
  const facts = { vendor: '', architecture: '', device: '', description: '', f16: false, subgroups: false };
  const mesa = (version: string) => ({
    ...facts,
    device: 'llvmpipe',
    description: `llvmpipe: Mesa ${version} (LLVM 15)`,
  });

  test.each([
    ['none', null, false],
    ['Debian 12 own lavapipe', mesa('22.3.6'), false],
    ['Mesa 23.0', mesa('23.0.4'), false],
    ['Mesa 23.1', mesa('23.1.0'), true],
    ['Mesa 25', mesa('25.0.7-2~bpo12+1'), true],
    ['a real GPU with an old Mesa', { ...facts, device: 'AMD Radeon', description: 'radv: Mesa 22.3.6' }, true],
    ['SwiftShader', { ...facts, architecture: 'swiftshader' }, true],
  ])('%s', (_, given, usable) => {
    expect(isUsable(given)).toBe(usable);
  });

  test('is software or not', () => {
    expect(isSoftware(mesa('25.0'))).toBe(true);
    expect(isSoftware({ ...facts, architecture: 'swiftshader' })).toBe(true);
    expect(isSoftware({ ...facts, device: 'AMD Radeon' })).toBe(false);
  });
});
