/** The shape of files: length, width of lines, functions, arguments, names, and what may not be left behind. */
import { isNode, walk } from './source_tree.mjs';

/** @typedef {import('./source_tree.mjs').SourceFile} SourceFile */
/** @typedef {import('./source_tree.mjs').Node} Node */

const MAX_LINES = 400;
const MAX_COLUMNS = 120;
const MAX_FUNCTION_LINES = 70;
const MAX_ARGUMENTS = 4;

const FUNCTIONS = /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|TSDeclareFunction)$/;
const UNFINISHED = /\b(TODO|FIXME|XXX)\b|@ts-(ignore|nocheck)|\b(it|test|describe)\.(skip|only|todo)\b/;

/** @param {readonly SourceFile[]} files */
export function fileLengths(files) {
  return files
    .filter((file) => file.lines.length > MAX_LINES)
    .map((file) => `${file.path}: ${file.lines.length} lines, at most ${MAX_LINES}`);
}

/** @param {readonly SourceFile[]} files */
export function lineWidths(files) {
  return files.flatMap((file) =>
    file.lines.flatMap((line, index) => {
      const columns = [...line].length;
      return columns > MAX_COLUMNS ? [`${file.path}:${index + 1}: ${columns} columns, at most ${MAX_COLUMNS}`] : [];
    }),
  );
}

/** A group of tests is a list, not a function that somebody follows. @param {Node | null} parent */
function isTestGroup(parent) {
  if (parent?.type !== 'CallExpression') return false;
  let callee = parent.callee;
  while (isNode(callee) && callee.type !== 'Identifier') callee = callee.callee ?? callee.object ?? callee.tag;
  return isNode(callee) && callee.name === 'describe';
}

/** @param {readonly SourceFile[]} files */
export function functions(files) {
  /** @type {string[]} */
  const problems = [];
  for (const file of files.filter(({ isScript }) => isScript)) {
    walk(file.program, (node, parent) => {
      if (!FUNCTIONS.test(node.type) || !Array.isArray(node.params)) return;
      const start = file.lineOf(node.start);
      const lines = file.lineOf(node.end) - start + 1;
      const at = `${file.path}:${start}: a function`;
      if (lines > MAX_FUNCTION_LINES && !isTestGroup(parent))
        problems.push(`${at} of ${lines} lines, at most ${MAX_FUNCTION_LINES}`);
      const { length } = node.params;
      if (length > MAX_ARGUMENTS) problems.push(`${at} of ${length} positional arguments, at most ${MAX_ARGUMENTS}`);
    });
  }
  return problems;
}

/** @param {readonly SourceFile[]} files */
export function names(files) {
  return files
    .filter((file) => !/^[a-z0-9_]+(\.[a-z0-9_]+)*$/.test(file.name))
    .map((file) => `${file.path}: names of files are snake_case`);
}

/** @param {readonly SourceFile[]} files */
export function unfinished(files) {
  return files
    .filter((file) => !file.path.startsWith('scripts/'))
    .flatMap((file) =>
      file.lines.flatMap((line, index) => {
        const match = UNFINISHED.exec(line);
        return match ? [`${file.path}:${index + 1}: ${match[0]}`] : [];
      }),
    );
}

/** Each file opens by saying what it is. @param {readonly SourceFile[]} files */
export function openings(files) {
  return files
    .filter((file) => /\.(ts|mjs|wgsl)$/.test(file.path) && !file.isTest)
    .filter((file) => !/^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(file.text))
    .map((file) => `${file.path}: does not open with what it is and what it refuses to do`);
}
