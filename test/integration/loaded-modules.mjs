// What a program loads, one address a line, into the file LOADED: with `node --import` before it. The hook sees what is imported, and
// the cache of `require` what CommonJS modules load of each other.
import { appendFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';

const hook = `import { appendFileSync } from 'node:fs';
export async function load(url, context, next) {
  appendFileSync(process.env.LOADED, url + '\\n');
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
const { cache } = createRequire(import.meta.url);
process.on('exit', () => appendFileSync(process.env.LOADED, `${Object.keys(cache).join('\n')}\n`));
