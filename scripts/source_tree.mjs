/** The project's sources as the rules see them: text, syntax tree and imports of each file. It reads, never writes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { parseSync } from 'vite';

const FOLDERS = ['src', 'shaders', 'scripts', 'e2e', 'bench', 'retrofit'];
const EXTENSIONS = /\.(ts|mjs|wgsl|css|html|py)$/;
const SKIPPED = new Set(['node_modules', 'dist', 'fixtures', '__pycache__', '.venv']);

/** @typedef {{ type: string, start: number, end: number, [key: string]: unknown }} Node */
/** @typedef {(node: Node, parent: Node | null, key: string) => void} Visit */

/** @param {unknown} value @returns {value is Node} */
export function isNode(value) {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/**
 * Calls `visit` for a node and all below it.
 * @param {Node} node
 * @param {Visit} visit
 * @param {Node | null} [parent]
 * @param {string} [key] the parent's field that holds the node
 */
export function walk(node, visit, parent = null, key = '') {
  visit(node, parent, key);
  for (const [field, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, node, field);
  }
}

/** One source file. */
export class SourceFile {
  /** @type {Node | null} */
  #program = null;

  /**
   * @param {string} path relative to the root, with slashes
   * @param {string} text
   */
  constructor(path, text) {
    this.path = path;
    this.text = text;
  }

  /** `src/model` for `src/model/rope.ts`; `src` for a file right in it. */
  get folder() {
    return this.path.split('/').slice(0, -1).slice(0, 2).join('/');
  }

  get name() {
    return posix.basename(this.path);
  }

  get isTest() {
    return /\.test\.ts$/.test(this.path);
  }

  get isScript() {
    return /\.(ts|mjs)$/.test(this.path);
  }

  get lines() {
    return this.text.replace(/\n$/, '').split('\n');
  }

  /** Number of the line, from 1, that holds a character. @param {number} offset */
  lineOf(offset) {
    return this.text.slice(0, offset).split('\n').length;
  }

  /** The syntax tree of a script. */
  get program() {
    if (!this.#program) {
      const { program, errors } = parseSync(this.path, this.text);
      if (errors.length > 0) throw new Error(`${this.path} does not parse: ${errors[0].message}`);
      // A plain view of the parser's tree: the rules only ask for a few fields of a few types.
      this.#program = /** @type {Node} */ (/** @type {unknown} */ (program));
    }
    return this.#program;
  }

  /**
   * The relative specifiers that a script imports, re-exports or hands to `new URL`, as paths from the root and with
   * their query apart.
   * @returns {{ path: string, query: string, line: number, kind: 'import' | 'url' }[]}
   */
  get imports() {
    /** @type {{ path: string, query: string, line: number, kind: 'import' | 'url' }[]} */
    const found = [];
    const add = (/** @type {unknown} */ source, /** @type {'import' | 'url'} */ kind) => {
      if (!isNode(source) || typeof source.value !== 'string' || !source.value.startsWith('.')) return;
      const [path, query = ''] = source.value.split('?');
      // An address of data is no import; one of a script, a worker, is.
      if (kind === 'url' && !/\.(ts|mjs)$/.test(path)) return;
      const resolved = posix.join(posix.dirname(this.path), path);
      found.push({ path: resolved, query, line: this.lineOf(source.start), kind });
    };
    walk(this.program, (node) => {
      if (/^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type)) add(node.source, 'import');
      if (node.type === 'ImportExpression' || node.type === 'TSImportType') add(node.source ?? node.argument, 'import');
      if (node.type !== 'NewExpression' || !isNode(node.callee) || node.callee.name !== 'URL') return;
      if (Array.isArray(node.arguments)) add(node.arguments[0], 'url');
    });
    return found;
  }
}

/**
 * All sources below a root.
 * @param {string} root
 * @returns {SourceFile[]} in order of their paths
 */
export function readSources(root) {
  /** @type {SourceFile[]} */
  const files = [];
  const visit = (/** @type {string} */ folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) visit(path);
      else if (entry.isFile() && EXTENSIONS.test(entry.name))
        files.push(new SourceFile(path, readFileSync(join(root, path), 'utf8')));
    }
  };
  for (const folder of FOLDERS.filter((name) => existsSync(join(root, name)))) visit(folder);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
