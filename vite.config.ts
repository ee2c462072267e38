/**
 * Three builds of one source: the page (default mode), the npm library (`lib`) and the command (`cli`). Each bundles
 * all it needs but Dawn, and none may contain `eval`. `scripts/build.mjs` runs them.
 */
import { chmodSync, readFileSync } from 'node:fs';
import { defineConfig, type Plugin, type UserConfig } from 'vite';

/** Browsers with WebGPU all speak this; Node 20 does too. */
const TARGET = 'es2023';

/**
 * Leaves the comments of shaders out of what a browser downloads: they are a third of the bytes. Lines keep their
 * code.
 */
function shaderText(): Plugin {
  return {
    name: 'shader-text',
    enforce: 'pre',
    load(id) {
      if (!id.endsWith('.wgsl?raw')) return null;
      const lines = readFileSync(id.slice(0, -'?raw'.length), 'utf8').split('\n');
      const code = lines.map((line) => line.replace(/\/\/.*$/, '').trim()).filter((line) => line !== '');
      return `export default ${JSON.stringify(`${code.join('\n')}\n`)};`;
    },
  };
}

const page: UserConfig = {
  root: 'src/app',
  publicDir: '../../public',
  // Relative addresses, so that the folder can be served from any path.
  base: './',
  plugins: [shaderText()],
  worker: { format: 'es', plugins: () => [shaderText()] },
  build: { target: TARGET, outDir: '../../dist/page', emptyOutDir: true, assetsInlineLimit: 0 },
  server: { host: '127.0.0.1', fs: { allow: ['../..'] } },
};

const lib: UserConfig = {
  publicDir: false,
  base: './',
  plugins: [shaderText()],
  worker: {
    format: 'es',
    plugins: () => [shaderText()],
    rolldownOptions: { output: { entryFileNames: 'lethe_worker.js' } },
  },
  build: {
    target: TARGET,
    outDir: 'dist',
    // The page and the command live in folders of the same place.
    emptyOutDir: false,
    lib: { entry: 'src/lib.ts', formats: ['es'], fileName: () => 'lethe.js' },
    rolldownOptions: { output: { codeSplitting: false } },
  },
};

/** Lets a shell start the built command. */
function executable(path: string): Plugin {
  return { name: 'executable', closeBundle: () => chmodSync(path, 0o755) };
}

const cli: UserConfig = {
  publicDir: false,
  plugins: [executable('dist/cli/lethe.js')],
  ssr: { noExternal: true, external: ['webgpu'] },
  build: {
    target: 'node20',
    ssr: 'src/cli/main.ts',
    outDir: 'dist/cli',
    emptyOutDir: true,
    rolldownOptions: { output: { entryFileNames: 'lethe.js', banner: '#!/usr/bin/env node' } },
  },
};

export default defineConfig(({ mode }) => (mode === 'lib' ? lib : mode === 'cli' ? cli : page));
