import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { RULES } from './check.mjs';
import { moduleFaults } from './shader_rules.mjs';
import { readSources } from './source_tree.mjs';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

/** A tree of sources with these files, in a temporary folder. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'lethe-check-'));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

async function problemsOf(rule: string, files: Readonly<Record<string, string>>): Promise<string[]> {
  const root = tree(files);
  const run = RULES[rule];
  if (!run) throw new Error(`there is no rule ${rule}`);
  return await run(readSources(root), root);
}

const BIOME = '{ "root": true, "formatter": { "indentStyle": "space" }, "javascript": {} }\n';
const TSCONFIG = '{ "compilerOptions": { "strict": true, "noEmit": true, "types": [] }, "include": ["src"] }\n';
const SPEC = 'export const linkKernel = (kernel, variant) => kernel.link(variant);\n';
const ENTRY = '@compute @workgroup_size(1)\nfn main() {}\n';
const kernels = (link: string) =>
  `export const allKernels = [{ name: 'scale', variants: ['plain'], link: () => { ${link} } }];\n`;

interface Case {
  readonly rule: string;
  readonly bad: Readonly<Record<string, string>>;
  readonly says: RegExp;
  readonly good: Readonly<Record<string, string>>;
}

const CASES: readonly Case[] = [
  {
    rule: 'types',
    bad: { 'tsconfig.json': TSCONFIG, 'src/util/a.ts': "export const a: number = 'one';\n" },
    says: /a\.ts\(1,14\).*not assignable/,
    good: { 'tsconfig.json': TSCONFIG, 'src/util/a.ts': 'export const a: number = 1;\n' },
  },
  {
    rule: 'lint and format',
    bad: { 'biome.json': BIOME, 'src/util/a.ts': 'export const a: any = 1;\n' },
    says: /a\.ts:1: lint\/suspicious\/noExplicitAny/,
    good: { 'biome.json': BIOME, 'src/util/a.ts': 'export const a = 1;\n' },
  },
  {
    rule: 'lint and format',
    bad: { 'biome.json': BIOME, 'src/util/a.ts': 'export const a  =  1\n' },
    says: /a\.ts:1: format/,
    good: { 'biome.json': BIOME, 'src/util/a.ts': 'export const a = 1;\n' },
  },
  {
    rule: 'layers',
    bad: { 'src/kernels/a.ts': "import '../model/b.ts';\n" },
    says: /a\.ts:1: .*level 2.*level 3/,
    good: { 'src/model/b.ts': "import '../kernels/a.ts';\nimport '../cache/c.ts';\n" },
  },
  {
    rule: 'layers',
    bad: { 'src/gpu/a.ts': "const b = await import('../formats/b.ts');\n" },
    says: /src\/gpu \(level 1\) may not import src\/formats/,
    good: { 'src/gpu/a.test.ts': "const b = await import('../formats/b.ts');\n" },
  },
  {
    rule: 'layers',
    bad: { 'src/engine/a.ts': "new Worker(new URL('../worker/host.ts', import.meta.url));\n" },
    says: /src\/engine \(level 4\) may not import src\/worker/,
    good: {
      'src/app/a.ts': "new Worker(new URL('../worker/host.ts', import.meta.url));\n",
      'src/text/b.test.ts': "new URL('../../', import.meta.url);\n",
    },
  },
  {
    rule: 'layers',
    bad: { 'shaders/a.ref.ts': "import type { Elem } from '../src/gpu/linker.ts';\n" },
    says: /a CPU twin shares nothing/,
    good: { 'shaders/a.ref.ts': "import { toF16 } from '../src/util/f16.ts';\n" },
  },
  {
    rule: 'layers',
    bad: { 'src/engine/a.ts': "import text from '../../shaders/a.wgsl?raw';\n" },
    says: /only kernels, model and cache import shaders/,
    good: { 'src/kernels/a.ts': "import text from '../../shaders/a.wgsl?raw';\n" },
  },
  {
    rule: 'layers',
    bad: { 'src/common/a.ts': "import '../util/b.ts';\n" },
    says: /no layer src\/common/,
    good: { 'src/lib.ts': "export { create } from './engine/create.ts';\n" },
  },
  {
    rule: 'cycles',
    bad: {
      'src/util/a.ts': "export * from './b.ts';\n",
      'src/util/b.ts': "import type { C } from './c.ts';\n",
      'src/util/c.ts': "import './a.ts';\n",
    },
    says: /a\.ts -> src\/util\/b\.ts -> src\/util\/c\.ts -> src\/util\/a\.ts/,
    good: { 'src/util/a.ts': "export * from './b.ts';\nimport './c.ts';\n", 'src/util/b.ts': "import './c.ts';\n" },
  },
  {
    rule: 'no network outside store',
    bad: { 'src/formats/a.ts': "const load = { get: fetch };\nawait globalThis.fetch('x');\n" },
    says: /a\.ts:1: fetch/,
    good: { 'src/store/a.ts': "await fetch('x');\n", 'src/text/b.ts': "// fetch(it)\nstore.fetch('x');\n" },
  },
  {
    rule: 'no GPU types above model and cache',
    bad: { 'src/engine/a.ts': 'export function run(device: GPUDevice): void {}\n' },
    says: /a\.ts:1: GPUDevice/,
    good: { 'src/model/a.ts': 'export function run(device: GPUDevice): void {}\n' },
  },
  {
    rule: 'no DOM below the page',
    bad: { 'src/worker/a.ts': "document.querySelector('p');\n" },
    says: /a\.ts:1: document/,
    good: { 'src/app/a.ts': "document.querySelector('p');\n", 'src/text/b.ts': 'page.document();\n' },
  },
  {
    rule: 'twins and hosts of shaders',
    bad: { 'shaders/scale.wgsl': ENTRY, 'src/kernels/scale.ts': 'export {};\n' },
    says: /scale\.wgsl: shaders\/scale\.ref\.ts is missing/,
    good: {
      'shaders/scale.wgsl': ENTRY,
      'shaders/scale_subgroup.wgsl': ENTRY,
      'shaders/scale.ref.ts': '',
      'shaders/lib/sum.wgsl': '',
      'src/kernels/scale.ts': ['scale', 'scale_subgroup', 'lib/sum']
        .map((name, index) => `import text${index} from '../../shaders/${name}.wgsl?raw';\n`)
        .join(''),
      'src/kernels/scale.test.ts': '',
    },
  },
  {
    rule: 'twins and hosts of shaders',
    bad: { 'shaders/scale.ref.ts': 'export {};\n' },
    says: /scale\.ref\.ts: shaders\/scale\.wgsl is missing/,
    good: {
      'shaders/lib/rows.ref.ts': 'export {};\n',
      'shaders/lib/rows_plain.wgsl': '',
      'src/kernels/a.ts': "import '../../shaders/lib/rows_plain.wgsl?raw';\n",
    },
  },
  {
    rule: 'twins and hosts of shaders',
    bad: { 'shaders/lib/rows.ref.ts': 'export {};\n' },
    says: /rows\.ref\.ts: no fragment/,
    good: {},
  },
  {
    rule: 'every variant links',
    bad: { 'src/kernels/index.ts': kernels("throw new Error('no such part')"), 'src/kernels/spec.ts': SPEC },
    says: /scale "plain": no such part/,
    good: { 'src/kernels/index.ts': kernels(`return ${JSON.stringify(ENTRY)}`), 'src/kernels/spec.ts': SPEC },
  },
  {
    rule: 'every variant links',
    bad: {
      'src/kernels/index.ts': kernels(`return ${JSON.stringify(ENTRY)}`),
      'src/kernels/spec.ts': SPEC,
      'shaders/rest.wgsl': ENTRY,
    },
    says: /rest\.wgsl: allKernels .* has no kernel rest/,
    good: { 'src/kernels/index.ts': kernels(`return ${JSON.stringify(ENTRY)}`), 'src/kernels/spec.ts': SPEC },
  },
  {
    rule: 'length of files',
    bad: { 'src/util/a.ts': '\n'.repeat(401) },
    says: /401 lines/,
    good: { 'src/util/a.ts': '\n'.repeat(400) },
  },
  {
    rule: 'width of lines',
    bad: { 'src/util/a.ts': `// ${'x'.repeat(118)}\n` },
    says: /a\.ts:1: 121 columns/,
    good: { 'src/util/a.ts': `// ${'x'.repeat(117)}\n` },
  },
  {
    rule: 'size of functions',
    bad: { 'src/util/a.ts': `export const f = () => {${'\n'.repeat(70)}};\n` },
    says: /a\.ts:1: a function of 71 lines/,
    good: { 'src/util/a.test.ts': `describe.each([1])('f', () => {${'\n'.repeat(70)}});\n` },
  },
  {
    rule: 'size of functions',
    bad: { 'src/util/a.ts': 'class A {\n  f(a: 1, b: 1, c: 1, d: 1, e: 1): void {}\n}\n' },
    says: /a\.ts:2: a function of 5 positional arguments/,
    good: { 'src/util/a.ts': 'export function f(a: 1, b: 1, c: 1, d: 1): void {}\n' },
  },
  { rule: 'names of files', bad: { 'src/util/aB.ts': '' }, says: /aB\.ts/, good: { 'src/util/a_b.ref.ts': '' } },
  {
    rule: 'opening of files',
    bad: { 'src/util/a.ts': 'export {};\n' },
    says: /a\.ts: does not open/,
    good: { 'src/util/a.ts': '/** What it is. */\nexport {};\n', 'shaders/a.wgsl': '// What it is.\n' },
  },
  {
    rule: 'nothing unfinished',
    bad: { 'src/util/a.test.ts': ['test.', "skip('later', () => {});\n"].join('') },
    says: /a\.test\.ts:1: test/,
    good: { 'src/util/a.test.ts': "test('now', () => {});\n" },
  },
];

describe.each(CASES)('$rule', ({ rule, bad, says, good }) => {
  test(`says ${String(says)}`, async () => {
    expect((await problemsOf(rule, bad)).join('\n')).toMatch(says);
  });
  test('lets a good tree pass', async () => {
    expect(await problemsOf(rule, good)).toEqual([]);
  });
});

test('every rule has a case', () => {
  expect([...new Set(CASES.map(({ rule }) => rule))].sort()).toEqual(Object.keys(RULES).sort());
});

test.each([
  ['fn helper() {}\n', /0 entry points/],
  [`const A = 1;\nenable f16;\n${ENTRY}`, /enable comes after/],
  [`alias elem = f16;\n${ENTRY}`, /f16 is used and not enabled/],
  [`fn sum() { return subgroupAdd(1); }\n${ENTRY}`, /subgroups are used and not enabled/],
  [`fn sum() {}\nconst sum = 1;\n${ENTRY}`, /sum is declared twice/],
  [
    `@group(0) @binding(0) var<storage> a: u32;\n@group(0) @binding(0) var<uniform> b: u32;\n${ENTRY}`,
    /share a binding/,
  ],
])('a module %j is refused', (text, says) => {
  expect(moduleFaults(text).join('\n')).toMatch(says);
});

test('a module with a comment about f16 passes', () => {
  expect(moduleFaults(`// f16 is not used here.\nenable subgroups;\n${ENTRY}`)).toEqual([]);
});
