/** Copies the package's scripts beside the page: all that a page without a bundler needs. */
import { cpSync } from 'node:fs';

cpSync('index.html', 'dist/index.html');
cpSync('node_modules/lethe/dist', 'dist/lethe', {
  recursive: true,
  filter: (path) => !/dist[\\/](cli|types)/.test(path),
});
