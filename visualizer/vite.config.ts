/** The page is built into the package, beside what serves it, and loads nothing from elsewhere. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // The page works under any address.
  base: './',
  build: {
    outDir: fileURLToPath(new URL('../dist/visualizer', import.meta.url)),
    emptyOutDir: true,
    target: 'es2023',
    // No data: URLs, which the content security policy forbids.
    assetsInlineLimit: 0,
    // Licenses of bundled packages require their notice.
    license: { fileName: 'licenses.md' },
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2_500,
    rolldownOptions: {
      // Directives of React's servers, which have no meaning here.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
  resolve: {
    // The page imports types and pure functions of the inspector, whose files import each other by the names of the
    // compiled files.
    extensions: ['.ts', '.tsx', '.js'],
  },
});
