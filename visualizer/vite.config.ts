/** The page is built into the package, beside what serves it, and loads nothing from elsewhere. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Whoever serves it says where it is.
  base: './',
  build: {
    outDir: fileURLToPath(new URL('../dist/visualizer', import.meta.url)),
    emptyOutDir: true,
    target: 'es2023',
    // No data: URLs, which the content security policy forbids.
    assetsInlineLimit: 0,
    // What is bundled asks to be named.
    license: { fileName: 'licenses.md' },
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2_500,
    rolldownOptions: {
      // Directives of React's servers, which have no meaning here.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
  resolve: {
    // The page shares the words and the pure functions of the inspector; they import each other by the names of what is
    // compiled.
    extensions: ['.ts', '.tsx', '.js'],
  },
});
