/** Vite needs no plugin for Lethe; its dev server must not bundle it beforehand, or the worker's address is lost. */
export default {
  optimizeDeps: { exclude: ['lethe'] },
  build: { target: 'es2023' },
};
