/** The packed package, as who installs it sees it: what it holds, its types, its size, an import on a server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../../scripts/build.mjs';
import { closure, gzipBytes, specifiers } from './closure.ts';
import { install, type Packed, type Project, pack } from './tarball.ts';

/**
 * KiB of gzip that each entry may weigh: what comes at once, and what may come in all, the worker included and 8 for
 * the client of the Hugging Face hub, which comes when the hub is asked. Who makes one heavier says here by how much.
 */
const BUDGETS: Readonly<Record<string, { readonly first: number; readonly all: number }>> = {
  '.': { first: 8, all: 119 },
  './element': { first: 1, all: 193 },
  './headless': { first: 110, all: 117 },
  './ai-sdk': { first: 10, all: 121 },
  './prompt-api': { first: 18, all: 122 },
};

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

let packed: Packed;
let manifest: Manifest;
let project: Project;

beforeAll(() => {
  packed = pack();
  manifest = JSON.parse(readFileSync(join(packed.folder, 'package.json'), 'utf8'));
  const from = mkdtempSync(join(tmpdir(), 'lethe-consumer-'));
  writeFileSync(join(from, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies: {} }));
  project = install(from, packed);
  rmSync(from, { recursive: true });
});

afterAll(() => {
  project?.remove();
  packed?.remove();
});

test('publint has nothing to say', async () => {
  const tarball = Uint8Array.from(readFileSync(packed.tarball)).buffer;
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  expect(messages.map((message) => formatMessage(message, pkg ?? {}))).toEqual([]);
});

test('the types of every entry are the right ones', () => {
  const attw = join(ROOT, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
  // ESM only: `require` of an ES module is Node's own business.
  const told = project.run(attw, packed.tarball, '--profile', 'esm-only', '--no-definitely-typed', '-f', 'json');
  const { analysis } = JSON.parse(told);
  expect(Object.keys(analysis.entrypoints).sort()).toEqual(
    Object.keys(manifest.exports)
      .filter((entry) => !entry.endsWith('.json'))
      .sort(),
  );
});

test('a strict project compiles against the types, libraries included', () => {
  const importing = (entries: readonly string[]): string =>
    entries
      .map((entry, index) => `import * as entry${index} from 'lethe${entry.slice(1)}';\nconsole.log(entry${index});`)
      .join('\n');
  // The types of the AI SDK's own provider package lack those of `json-schema`.
  const borrowed = ['./ai-sdk'];
  const own = Object.keys(manifest.exports).filter((entry) => !borrowed.includes(entry));
  const chat = `import { createEngine, type ChatMessage } from 'lethe';
const messages: ChatMessage[] = [{ role: 'user', content: 'Why do rivers meander?' }];
const engine = await createEngine({ model: '/model/' });
for await (const chunk of await engine.chat.completions.create({ messages, stream: true })) {
  const words: string | null | undefined = chunk.choices[0]?.delta.content;
  console.log(words);
}
// @ts-expect-error A message has a role.
engine.chat.completions.create({ messages: [{ content: 'x' }] });
export {};
`;
  writeFileSync(join(project.folder, 'all.ts'), importing(own));
  writeFileSync(join(project.folder, 'borrowed.ts'), importing(borrowed));
  writeFileSync(join(project.folder, 'chat.ts'), chat);
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const shared = ['--noEmit', '--strict', '--target', 'es2023', '--lib', 'esnext,dom,dom.iterable,dom.asynciterable'];
  for (const [module, resolution] of [
    ['esnext', 'bundler'],
    ['node16', 'node16'],
  ]) {
    const options = [...shared, '--module', module, '--moduleResolution', resolution];
    project.run(tsc, ...options, 'all.ts', 'chat.ts');
    project.run(tsc, ...options, '--skipLibCheck', 'borrowed.ts');
  }
});

test('it holds the built files and nothing else', () => {
  const papers = /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
  const built = /^dist\/(\w+\.js|chunks\/[\w-]+\.js|cli\/lethe\.js|types\/.*\.d\.ts)$/;
  expect(packed.files.filter((path) => !papers.test(path) && !built.test(path))).toEqual([]);
  const reached = Object.values(manifest.exports).flatMap((entry) => [...closure(packed.folder, entry.default, true)]);
  const scripts = packed.files.filter((path) => /^dist\/(chunks\/)?[\w-]+\.js$/.test(path));
  expect([...new Set(reached)].sort()).toEqual(scripts);
});

test('what it imports it depends on', () => {
  const named = packed.files
    .filter((path) => /\.(js|d\.ts)$/.test(path))
    .flatMap((path) => {
      const { first, later } = specifiers(path, readFileSync(join(packed.folder, path), 'utf8'));
      return [...first, ...later].filter((specifier) => !/^(\.|node:)/.test(specifier));
    })
    .map((specifier) => (/^(@[^/]+\/)?[^/]+/.exec(specifier) ?? [''])[0]);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !(name in manifest.dependencies))).toEqual([]);
});

test('every entry keeps to its budget', () => {
  expect(Object.keys(BUDGETS).sort()).toEqual(Object.keys(manifest.exports).sort());
  const sizes = Object.entries(manifest.exports).map(([entry, { default: path }]) => {
    const kib = (all: boolean) => gzipBytes(packed.folder, closure(packed.folder, path, all)) / 1024;
    return { entry, first: kib(false), all: kib(true) };
  });
  for (const { entry, first, all } of sizes) {
    console.log(`${entry.padEnd(14)} ${first.toFixed(1)} KiB at once, ${all.toFixed(1)} KiB in all`);
  }
  const heavy = sizes.filter(({ entry, first, all }) => first > BUDGETS[entry].first || all > BUDGETS[entry].all);
  expect(heavy).toEqual([]);
});

test('on a server every import is without consequence', () => {
  const script = `
    const before = Object.getOwnPropertyNames(globalThis);
    globalThis.fetch = () => { throw new Error('a request was made'); };
    for (const entry of ${JSON.stringify(Object.keys(manifest.exports))}) await import('lethe' + entry.slice(1));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const fresh = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name));
    const open = process.getActiveResourcesInfo().filter((kind) => !/TTY|Pipe/.test(kind));
    console.log(JSON.stringify({ fresh, open }));`;
  const told = project.run('--input-type=module', '-e', script);
  expect(JSON.parse(told)).toEqual({ fresh: [], open: [] });
});

test('the command starts where the package is installed', () => {
  const command = join('node_modules', 'lethe', 'dist', 'cli', 'lethe.js');
  expect(project.run(command, '--help')).toMatch(/^ *lethe convert /m);
});
