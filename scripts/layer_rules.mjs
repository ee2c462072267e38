/**
 * Who may know whom: imports point downward, nothing imports itself in a circle, and what is said never to happen in a
 * layer does not happen there.
 */
import { isNode, walk } from './source_tree.mjs';

/** @typedef {import('./source_tree.mjs').SourceFile} SourceFile */
/** @typedef {import('./source_tree.mjs').Node} Node */

/** @type {Record<string, number>} */
const LEVELS = {
  src: 8,
  'src/app': 7,
  'src/widget': 7,
  'src/cli': 7,
  'src/facades': 6,
  'src/ui': 6,
  'src/worker': 5,
  'src/engine': 4,
  'src/model': 3,
  'src/cache': 3,
  'src/kernels': 2,
  'src/gpu': 1,
  'src/formats': 1,
  'src/text': 1,
  'src/store': 1,
  'src/util': 0,
};

/** The one level whose folders know each other: the forward pass and its cache. */
const SHARED_LEVEL = 3;

/** Folders beside `src` that sources may import, and who may. */
const SHADER_USERS = new Set(['src/kernels', 'src/model', 'src/cache']);

/**
 * Why one import is not allowed; null when it is.
 * @param {SourceFile} file
 * @param {string} target path
 */
function layerFault(file, target) {
  const to = target.split('/').slice(0, -1).slice(0, 2).join('/');
  if (file.folder.startsWith('shaders')) {
    const allowed = to.startsWith('shaders') || to === 'src/util';
    return allowed || file.isTest ? null : 'a CPU twin shares nothing with the host code but src/util';
  }
  if (to.startsWith('shaders')) {
    if (SHADER_USERS.has(file.folder)) return null;
    return 'only kernels, model and cache import shaders';
  }
  const [from, level] = [LEVELS[file.folder], LEVELS[to]];
  if (from === undefined) return `src has no layer ${file.folder}; say its level in scripts/layer_rules.mjs`;
  if (level === undefined) return `${to} is no layer of src`;
  if (file.folder === to || level < from) return null;
  // A test may bring two folders of one level together.
  if (level === from && (level === SHARED_LEVEL || file.isTest)) return null;
  return `${file.folder} (level ${from}) may not import ${to} (level ${level})`;
}

/** @param {readonly SourceFile[]} files */
export function layers(files) {
  return files
    .filter((file) => file.isScript && /^(src|shaders)\//.test(file.path))
    .flatMap((file) =>
      file.imports.flatMap(({ path, line }) => {
        const fault = layerFault(file, path);
        return fault ? [`${file.path}:${line}: ${path}: ${fault}`] : [];
      }),
    );
}

/**
 * Every circle of imports, once, type-only imports included.
 * @param {readonly SourceFile[]} files
 */
export function cycles(files) {
  const scripts = files.filter((file) => file.isScript);
  const graph = new Map(
    scripts.map((file) => [file.path, file.imports.filter(({ kind }) => kind === 'import').map(({ path }) => path)]),
  );
  /** @type {Set<string>} */
  const done = new Set();
  /** @type {string[]} */
  const problems = [];
  const visit = (/** @type {string} */ path, /** @type {string[]} */ trail) => {
    if (trail.includes(path)) problems.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    if (trail.includes(path) || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return problems;
}

/**
 * Places where an identifier matching `pattern` is meant as itself, not as the name of a property.
 * @param {SourceFile} file
 * @param {RegExp} pattern
 */
function uses(file, pattern) {
  /** @type {{ name: string, line: number }[]} */
  const found = [];
  walk(file.program, (node, parent, key) => {
    if (node.type !== 'Identifier' || typeof node.name !== 'string' || !pattern.test(node.name)) return;
    const isProperty = (key === 'property' || key === 'key') && parent?.computed !== true && parent?.shorthand !== true;
    if (isProperty && !isGlobalMember(parent)) return;
    found.push({ name: node.name, line: file.lineOf(node.start) });
  });
  return found;
}

/** True for `globalThis.x` and its like. @param {Node | null} parent */
function isGlobalMember(parent) {
  if (parent?.type !== 'MemberExpression' || !isNode(parent.object)) return false;
  return ['globalThis', 'self', 'window'].includes(String(parent.object.name));
}

/**
 * @param {readonly SourceFile[]} files
 * @param {(file: SourceFile, level: number) => boolean} applies
 * @param {RegExp} pattern
 */
function absent(files, applies, pattern) {
  return files
    .filter((file) => file.isScript && !file.isTest && file.folder in LEVELS && applies(file, LEVELS[file.folder]))
    .flatMap((file) => uses(file, pattern).map(({ name, line }) => `${file.path}:${line}: ${name}`));
}

/** Only `src/store` reaches the network. @param {readonly SourceFile[]} files */
export function noFetch(files) {
  return absent(files, ({ folder }) => folder !== 'src/store', /^(fetch|XMLHttpRequest|WebSocket|EventSource)$/);
}

/** No `GPU*` type above the model and the cache. @param {readonly SourceFile[]} files */
export function noGpuTypes(files) {
  return absent(files, (_, level) => level > SHARED_LEVEL, /^GPU([A-Z]\w*)?$/);
}

/** No DOM below the page. @param {readonly SourceFile[]} files */
export function noDom(files) {
  return absent(
    files,
    (_, level) => level < 6,
    /^(document|localStorage|sessionStorage|customElements|HTML\w*Element)$/,
  );
}
