/** The page as it was built into the package. The files are read once; a name that is not among them does not exist. */

import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StatemeshError } from '../core/errors.js';
import { own } from '../core/own.js';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

export type Assets = ReadonlyMap<string, Asset>;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** The directory in the package; the path is the same from the sources and from the compiled files. */
export const pageDirectory = fileURLToPath(new URL('../../dist/visualizer', import.meta.url));

/** @throws StatemeshError `inspectorUnavailable` */
export function readAssets(directory: string = pageDirectory): Assets {
  try {
    const names = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = names.map((entry) => join(entry.parentPath, entry.name));
    return new Map(
      paths.map((path) => [
        `/${relative(directory, path).split(sep).join('/')}`,
        { type: own(types, extname(path)) ?? 'application/octet-stream', body: readFileSync(path) },
      ]),
    );
  } catch (error) {
    const message = `The inspector's page is missing in ${directory}: install statemesh again, or build it.`;
    throw new StatemeshError('inspectorUnavailable', message, { cause: error });
  }
}
