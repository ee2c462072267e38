/** Shaders, their CPU twins and their host files belong together, and every variant of every kernel links. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runnerImport } from 'vite';

/** @typedef {import('./source_tree.mjs').SourceFile} SourceFile */

/**
 * The stem whose twin and host a shader has: the subgroup form of a kernel shares those of the plain one.
 * @param {string} path
 */
function stemOf(path) {
  return path.replace(/^shaders\//, '').replace(/(_subgroup)?\.wgsl$/, '');
}

/** @param {readonly SourceFile[]} files */
export function twins(files) {
  const paths = new Set(files.map(({ path }) => path));
  const imported = new Map(
    files.filter((file) => file.isScript).map((file) => [file.path, file.imports.map(({ path }) => path)]),
  );
  /** @type {string[]} */
  const problems = [];
  const need = (/** @type {string} */ path, /** @type {string} */ what) => {
    if (!paths.has(what)) problems.push(`${path}: ${what} is missing`);
  };
  for (const path of paths) {
    if (/^shaders\/[^/]+\.wgsl$/.test(path)) {
      const stem = stemOf(path);
      const host = `src/kernels/${stem}.ts`;
      need(path, `shaders/${stem}.ref.ts`);
      need(path, host);
      need(path, `src/kernels/${stem}.test.ts`);
      if (paths.has(host) && !imported.get(host)?.includes(path)) problems.push(`${path}: ${host} does not use it`);
    } else if (path.startsWith('shaders/lib/') && path.endsWith('.wgsl')) {
      const used = [...imported].some(([from, targets]) => from.startsWith('src/kernels/') && targets.includes(path));
      if (!used) problems.push(`${path}: no kernel uses it`);
    } else if (/^shaders\/lib\/.+\.ref\.ts$/.test(path)) {
      // A fragment may come in several forms of one definition: `weights_rows.wgsl`, `weights_rows_subgroup.wgsl`.
      const stem = path.replace(/\.ref\.ts$/, '');
      const forms = [...paths].some((other) => other.startsWith(stem) && other.endsWith('.wgsl'));
      if (!forms) problems.push(`${path}: no fragment ${stem}*.wgsl`);
    } else if (/^shaders\/.+\.ref\.ts$/.test(path)) {
      need(path, path.replace(/\.ref\.ts$/, '.wgsl'));
    }
  }
  return problems;
}

/**
 * What is wrong with a linked module, by its text alone; the kernel ring compiles it.
 * @param {string} text
 */
export function moduleFaults(text) {
  /** @type {string[]} */
  const faults = [];
  const code = text.replace(/\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
  const entries = code.match(/@compute\b/g)?.length ?? 0;
  if (entries !== 1) faults.push(`${entries} entry points, not one`);
  const first = code.search(/\b(alias|const|override|struct|var|fn)\b/);
  if (code.lastIndexOf('enable ') > first) faults.push('enable comes after a declaration');
  if (/\bf16\b/.test(code) && !/\benable f16;/.test(code)) faults.push('f16 is used and not enabled');
  if (/\bsubgroup[A-Z]\w*\(|\bsubgroup_/.test(code) && !/\benable subgroups;/.test(code))
    faults.push('subgroups are used and not enabled');
  const names = [...code.matchAll(/^(?:@\S+\s+)*(?:alias|const|override|struct|fn|var(?:<[^>]*>)?)\s+(\w+)/gm)].map(
    ([, name]) => name,
  );
  for (const name of new Set(names.filter((name, index) => names.indexOf(name) !== index)))
    faults.push(`${name} is declared twice`);
  const bindings = [...code.matchAll(/@binding\((\d+)\)/g)].map(([, binding]) => binding);
  if (new Set(bindings).size !== bindings.length) faults.push('two variables share a binding');
  return faults;
}

/**
 * Links every variant of `allKernels`.
 * @param {readonly SourceFile[]} files
 * @param {string} root
 */
export async function links(files, root) {
  const index = 'src/kernels/index.ts';
  if (!existsSync(join(root, index))) return [`${index} is missing: it lists allKernels`];
  const options = /** @type {const} */ ({ root, configFile: false, logLevel: 'error' });
  const { module } = await runnerImport(join(root, index), options);
  const { linkKernel } = (await runnerImport(join(root, 'src/kernels/spec.ts'), options)).module;
  /** @type {string[]} */
  const problems = [];
  for (const kernel of module.allKernels) {
    if (kernel.variants.length === 0) problems.push(`${kernel.name}: no variants`);
    for (const variant of kernel.variants) {
      const label = `${kernel.name} ${JSON.stringify(variant)}`;
      try {
        problems.push(...moduleFaults(linkKernel(kernel, variant)).map((fault) => `${label}: ${fault}`));
      } catch (error) {
        problems.push(`${label}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
  const known = new Set(module.allKernels.map((/** @type {{ name: string }} */ { name }) => name));
  for (const { path } of files.filter((file) => /^shaders\/[^/]+\.wgsl$/.test(file.path))) {
    if (!known.has(stemOf(path))) problems.push(`${path}: allKernels in ${index} has no kernel ${stemOf(path)}`);
  }
  return problems;
}
