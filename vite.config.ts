/**
 * Builds of one source: the page (default mode), the npm library (`lib`, `headless`) and the command (`cli`). Each bundles
 * all it needs but Dawn, and none may contain `eval`. `scripts/build.mjs` runs them.
 */
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { defineConfig, type Plugin, type UserConfig } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';

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

/** What an installed page is called and looks like. Addresses are relative: the page may lie in any folder. */
const MANIFEST = {
  name: 'Lethe',
  short_name: 'Lethe',
  description: 'Chat with a language model on your own GPU, with a memory that forgets well.',
  id: './',
  start_url: './',
  scope: './',
  display: 'standalone' as const,
  background_color: '#fbfcfc',
  theme_color: '#0a6a70',
  categories: ['productivity', 'utilities'],
  icons: [
    { src: 'icons/icon_192.png', sizes: '192x192', type: 'image/png' },
    { src: 'icons/icon_512.png', sizes: '512x512', type: 'image/png' },
    { src: 'icons/maskable_512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' as const },
    { src: 'favicon.svg', sizes: 'any', type: 'image/svg+xml' },
  ],
  share_target: {
    action: './',
    method: 'GET' as const,
    enctype: 'application/x-www-form-urlencoded' as const,
    params: { title: 'title', text: 'text', url: 'url' },
  },
};

/**
 * The page without a network: its own files are precached, weights never are; those `src/store` keeps. A newer version
 * waits until the reader says so.
 */
const installable = VitePWA({
  registerType: 'prompt',
  injectRegister: null,
  manifest: MANIFEST,
  manifestFilename: 'lethe.webmanifest',
  workbox: {
    globPatterns: ['**/*.{js,css,html,svg}', 'icons/*.png'],
    globIgnores: ['models/**'],
    navigateFallback: 'index.html',
    cleanupOutdatedCaches: true,
    sourcemap: false,
  },
});

const page: UserConfig = {
  root: 'src/app',
  publicDir: '../../public',
  // Relative addresses, so that the folder can be served from any path.
  base: './',
  plugins: [shaderText(), installable],
  worker: { format: 'es', plugins: () => [shaderText()] },
  build: { target: TARGET, outDir: '../../dist/page', emptyOutDir: true, assetsInlineLimit: 0 },
  server: { host: '127.0.0.1', fs: { allow: ['../..'] } },
};

/** What the package's users import, by the name of the file in `dist`; what they share lies in `dist/chunks`. */
const ENTRIES = {
  lethe: 'src/lib.ts',
  element: 'src/element.ts',
  ai_sdk: 'src/ai_sdk.ts',
  prompt_api: 'src/prompt_api.ts',
};

/** Leaves no file behind that no entry needs any more: they would be packed. */
function emptied(path: string): Plugin {
  return { name: 'emptied', buildStart: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Writes the worker's address in the one form that every bundler knows, `new Worker(new URL('…', import.meta.url))`, so
 * that a package built from this one brings the worker along. Vite itself leaves a form that only browsers understand.
 */
function plainWorkerAddress(): Plugin {
  const nested =
    /new URL\(\s*(?:\/\*.*?\*\/\s*)?new URL\(\s*"([^"]+)"\s*,\s*import\.meta\.url\s*\)\.href,[^()]*import\.meta\.url\s*\)/g;
  return {
    name: 'plain-worker-address',
    generateBundle(_, bundle) {
      let found = 0;
      for (const file of Object.values(bundle)) {
        if (file.type !== 'chunk') continue;
        file.code = file.code.replace(nested, (_, address: string) => {
          found++;
          return `new URL("${address.startsWith('.') ? address : `./${address}`}", import.meta.url)`;
        });
      }
      if (found !== 1) this.error(`The worker is started in ${found} places of the library instead of one.`);
    },
  };
}

const lib: UserConfig = {
  publicDir: false,
  // Chunks and worker find each other by `new URL(..., import.meta.url)`, wherever they are served from.
  base: './',
  plugins: [shaderText(), emptied('dist/chunks'), emptied('dist/types'), plainWorkerAddress()],
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
    lib: { entry: ENTRIES, formats: ['es'], fileName: (_, name) => `${name}.js` },
    rolldownOptions: { output: { chunkFileNames: 'chunks/[name].js' } },
  },
};

/**
 * The engine without a worker is a build of its own: it shares most of its code with the worker, which is one file, and
 * what it would share with the other entries would weigh on them.
 */
const headless: UserConfig = {
  publicDir: false,
  plugins: [shaderText()],
  build: {
    target: TARGET,
    outDir: 'dist',
    emptyOutDir: false,
    lib: { entry: { headless: 'src/headless.ts' }, formats: ['es'], fileName: (_, name) => `${name}.js` },
    rolldownOptions: { output: { chunkFileNames: 'chunks/headless_[name].js' } },
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
    rolldownOptions: { output: { codeSplitting: false, entryFileNames: 'lethe.js', banner: '#!/usr/bin/env node' } },
  },
};

const BUILDS: Readonly<Record<string, UserConfig>> = { lib, headless, cli };

export default defineConfig(({ mode }) => BUILDS[mode] ?? page);
