/** What a program loads: the packages, statemesh's files in dist, and the modules that are bundled in them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const hook = pathToFileURL(join(process.cwd(), 'test/integration/loaded-modules.mjs')).href;
const own = pathToFileURL(join(process.cwd(), 'dist/')).href;

export interface Loaded {
  readonly packages: readonly string[];
  /** Below dist. */
  readonly files: readonly string[];
  /** Below src, as `core/errors.js`: the bundler writes the name of a module above its code. */
  readonly modules: readonly string[];
}

/** The environment for a program that writes what it loads to a file. */
export function loadingTo(file: string): Readonly<Record<string, string>> {
  return { LOADED: file, NODE_OPTIONS: `--import=${hook}` };
}

/** Reads that file, once the program has ended. */
export async function readLoaded(file: string): Promise<Loaded> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  const packages = lines.flatMap((line) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(line)?.[1] ?? []);
  const ours = lines.filter((line) => line.startsWith(own));
  const texts = await Promise.all(ours.map((url) => readFile(fileURLToPath(url), 'utf8')));
  const modules = texts.flatMap((text) =>
    [...text.matchAll(/^\/\/ build\/modules\/(.+)$/gm)].map(([, path = '']) => path),
  );
  return {
    packages: [...new Set(packages)].sort(),
    files: ours.map((url) => url.slice(own.length)),
    modules,
  };
}
