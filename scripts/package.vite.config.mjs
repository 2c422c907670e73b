/**
 * Bundles the modules that the compiler has written to build/modules into few files in dist. Node.js takes longer to
 * find and read a module than to run it: two hundred modules take twice as long to import as twenty files with the same
 * code.
 *
 * Invariants: the entry points share their chunks, so a process has each class once. A dynamic import keeps a chunk of
 * its own, which loads when it is needed. Names, comments and line breaks stay, and the name of each module stands
 * above its code, so people can read a stack trace. A module finds the files beside it as if it lay unbundled in dist.
 *
 * zod is the only dependency in the bundle: its eighty modules take as long to import as all of ours. It stays in
 * `dependencies`, because the declaration of `configurationSchema` names its types. The other dependencies stay
 * outside: programs share XState and immer with us, better-sqlite3 has a native module, and a security fix in one of
 * them needs no release of ours.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const modules = fileURLToPath(new URL('../build/modules/', import.meta.url));
const dist = fileURLToPath(new URL('../dist/', import.meta.url));

/**
 * The entry points of package.json, and the program of the worker threads. Each has the same path in dist as in src.
 */
const entries = ['index', 'actors/index', 'inspector/index', 'simulation/index', 'simulation/swarm/worker', 'cli/main'];

export default defineConfig({
  root: modules,
  ssr: { noExternal: ['zod'] },
  plugins: [keepAddresses(), removeStale()],
  build: {
    ssr: true,
    outDir: dist,
    emptyOutDir: false,
    minify: false,
    target: 'es2023',
    // The license of zod requires it.
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      // Our plugins are known to be slow: no warning.
      checks: { pluginTimings: false },
      input: Object.fromEntries(entries.map((name) => [name, `${modules}${name}.js`])),
      output: { entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js' },
    },
  },
});

/** Gives `import.meta.url` of a module the value that it has without bundling. */
function keepAddresses() {
  return {
    name: 'keep-addresses',
    transform(code, id) {
      if (!id.startsWith(modules) || !code.includes('import.meta.url')) return undefined;
      return code.replaceAll('import.meta.url', `addressOf(${JSON.stringify(relative(modules, id))})`);
    },
    renderChunk(code, { fileName }) {
      if (!code.includes('addressOf("')) return undefined;
      return code.replace(/\baddressOf\("([^"]+)"\)/g, (_, module) => {
        const path = posix.relative(posix.dirname(fileName), module);
        return `new URL(${JSON.stringify(path)}, import.meta.url).href`;
      });
    },
  };
}

/** Removes the chunks of an earlier build from dist. The inspector's page has a build of its own. */
function removeStale() {
  return {
    name: 'remove-stale',
    writeBundle(_, bundle) {
      for (const path of readdirSync(dist, { recursive: true })) {
        if (path.endsWith('.js') && !path.startsWith('visualizer/') && !(path in bundle)) rmSync(join(dist, path));
      }
    },
  };
}
