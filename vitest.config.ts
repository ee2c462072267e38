/**
 * The rings of tests as Vitest projects. A ring that needs a GPU runs one file at a time, on the adapter that
 * VK_ICD_FILENAMES chooses in the environment (`npm test` sets it); it never falls back to a mock.
 */
import { defineConfig } from 'vitest/config';

const GPU_FOLDERS = ['gpu', 'kernels', 'model', 'cache'];

/** Tests above those folders that run a whole model. */
const NEEDS_GPU = 'src/**/*.gpu.test.ts';

/** A ring whose files share one device or one browser, so they run one after the other. */
function serialRing(name: string, include: string[], order: number) {
  return {
    test: {
      name,
      include,
      pool: 'forks' as const,
      maxWorkers: 1,
      fileParallelism: false,
      testTimeout: 600_000,
      hookTimeout: 600_000,
      sequence: { groupOrder: order },
    },
  };
}

/** Tests of the packed package: they install it from its tarball, so they want npm's registry or its cache. */
const PACKED = 'e2e/packed/**/*.test.ts';

const app = serialRing('app', ['e2e/**/*.test.ts'], 3);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'shaders/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
          exclude: [...GPU_FOLDERS.map((folder) => `src/${folder}/**`), NEEDS_GPU],
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      serialRing('kernel', ['src/gpu/**/*.test.ts', 'src/kernels/**/*.test.ts'], 1),
      serialRing('model', ['src/model/**/*.test.ts', 'src/cache/**/*.test.ts', NEEDS_GPU], 2),
      { test: { ...app.test, exclude: [PACKED], globalSetup: ['./scripts/build.mjs'] } },
      serialRing('package', [PACKED], 4),
    ],
  },
});
