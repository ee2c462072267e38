import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { staleReason } from './dependencies.mjs';
import { countJunit, countReport } from './rings.mjs';

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((test) => ({ status: test })),
});

function report(facts: Partial<NonNullable<Parameters<typeof countReport>[0]>>) {
  return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [], ...facts };
}

describe('the counts of a ring', () => {
  test('are those of the report', () => {
    const given = report({
      numPassedTests: 3,
      numFailedTests: 1,
      numPendingTests: 2,
      numTodoTests: 1,
      testResults: [file('failed', 'passed', 'failed')],
    });
    expect(countReport(given, 1)).toEqual({ passed: 3, failed: 1, skipped: 3 });
  });

  test('take a file that could not be loaded for a failure', () => {
    const given = report({ numPassedTests: 3, testResults: [file('passed', 'passed'), file('failed')] });
    expect(countReport(given, 1)).toEqual({ passed: 3, failed: 1, skipped: 0 });
  });

  test('take an error outside the tests, no report and no tests for a failure', () => {
    expect(countReport(report({ numPassedTests: 3 }), 1)).toEqual({ passed: 3, failed: 1, skipped: 0 });
    expect(countReport(null, null)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(countReport(report({}), 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe('the counts of pytest', () => {
  const suite = (facts: string) => `<?xml version="1.0"?><testsuites><testsuite name="pytest" ${facts}></testsuite>`;

  test('are those of its report', () => {
    const xml = suite('errors="1" failures="2" skipped="3" tests="10" time="1.2"');
    expect(countJunit(xml, 1)).toEqual({ passed: 4, failed: 3, skipped: 3 });
  });

  test('take no report, no tests and a failure outside the tests for a failure', () => {
    expect(countJunit(null, 2)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(countJunit(suite('errors="0" failures="0" skipped="0" tests="0"'), 5).failed).toBe(1);
    expect(countJunit(suite('errors="0" failures="0" skipped="0" tests="3"'), 3).failed).toBe(1);
  });
});

describe('installed packages', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'lethe-packages-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const one = { version: '1.0.0', integrity: 'sha512-one' };
  const lock = { '': {}, 'node_modules/one': one, 'node_modules/elsewhere': { version: '2.0.0', optional: true } };

  function install(packages: Readonly<Record<string, unknown>>): void {
    mkdirSync(join(root, 'node_modules', 'one'), { recursive: true });
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));
  }

  test.each([
    ['are what the lockfile says, less the optional ones', { 'node_modules/one': one }, null],
    ['are of another version', { 'node_modules/one': { ...one, version: '0.9.0' } }, /one is 0.9.0/],
    ['are of other contents', { 'node_modules/one': { ...one, integrity: 'sha512-two' } }, /one is 1.0.0/],
    ['lack one', {}, /one is missing/],
  ])('%s', (_, packages, want) => {
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: lock }));
    install(packages);
    if (want) expect(staleReason(root)).toMatch(want);
    else expect(staleReason(root)).toBeNull();
  });

  test('are missing', () => {
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: lock }));
    expect(staleReason(root)).toBe('node_modules is missing');
  });
});
