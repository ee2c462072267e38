/** What an entry of the package asks for: the files that come with it at once, and all that it may ask for later. */
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isNode, SourceFile, walk } from '../../scripts/source_tree.mjs';

/** Bytes of files as a server sends them. */
export function gzipBytes(folder: string, paths: Iterable<string>): number {
  return [...paths].reduce((sum, path) => sum + gzipSync(readFileSync(join(folder, path))).byteLength, 0);
}

/** The specifiers of a script: those of `import … from` and `export … from`, and those that are asked for later. */
export function specifiers(path: string, text: string): { readonly first: string[]; readonly later: string[] } {
  const first: string[] = [];
  const later: string[] = [];
  walk(new SourceFile(path, text).program, (node) => {
    const source = node.type === 'TSImportType' ? (node.source ?? node.argument) : node.source;
    const list = /^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type) ? first : later;
    if (isNode(source) && typeof source.value === 'string') list.push(source.value);
    if (node.type !== 'NewExpression' || !isNode(node.callee) || node.callee.name !== 'URL') return;
    const [address] = Array.isArray(node.arguments) ? node.arguments : [];
    if (isNode(address) && typeof address.value === 'string' && /\.js$/.test(address.value)) later.push(address.value);
  });
  return { first, later };
}

/**
 * The files that an entry brings along, itself included.
 * @param folder of the package
 * @param all with what comes by dynamic imports and in workers
 */
export function closure(folder: string, entry: string, all: boolean): Set<string> {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    const { first, later } = specifiers(path, readFileSync(join(folder, path), 'utf8'));
    for (const specifier of all ? [...first, ...later] : first) {
      if (specifier.startsWith('.')) visit(posix.join(posix.dirname(path), specifier));
    }
  };
  visit(posix.normalize(entry));
  return found;
}
