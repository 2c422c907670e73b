/** A configuration as text: JSON, an object. No message quotes it, since it may hold the cluster key: only the place is told. */
import { StatemeshError } from '../core/errors.js';
import { JsonTextError, parseJsonText } from '../core/json-text.js';
import { limits } from '../core/limits.js';
import type { PeerNodeConfiguration } from './provider.js';

/** For the command line, which knows no core. */
export const { configurationBytesMax } = limits;

/**
 * @param what What it is, as a sentence begins: `The configuration file /etc/statemesh.json`
 * @throws StatemeshError `configurationUnreadable`
 */
export function parseConfigurationText(text: string, what: string): PeerNodeConfiguration {
  const fields = parseJson(text.replace(/^\uFEFF/, ''), what);
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new StatemeshError('configurationUnreadable', `${what} is not a JSON object of fields.`);
  }
  return fields as PeerNodeConfiguration;
}

function parseJson(text: string, what: string): unknown {
  try {
    return parseJsonText(text);
  } catch (error) {
    const path = error instanceof JsonTextError ? error.path : undefined;
    if (path !== undefined) {
      const message = `${what} has a field twice, or a number with too many digits, at ${path}.`;
      throw new StatemeshError('configurationUnreadable', message);
    }
    const position = / at position (\d+)/.exec((error as Error).message)?.[1];
    const before = position === undefined ? [] : text.slice(0, Number(position)).split('\n');
    const place = position === undefined ? '' : ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
    throw new StatemeshError('configurationUnreadable', `${what} is not JSON${place}.`);
  }
}
