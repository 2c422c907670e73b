/**
 * A configuration as text: a JSON object. Error messages name the place but never quote the text, which may contain the
 * cluster key.
 */
import { StatemeshError } from '../core/errors.js';
import { JsonTextError, parseJsonText } from '../core/json-text.js';
import { limits } from '../core/limits.js';
import type { PeerNodeConfiguration } from './provider.js';

/** For the command line, which does not import core. */
export const { configurationBytesMax } = limits;

/**
 * Parses the text of a configuration.
 *
 * @param what Names the source, as the beginning of a sentence: `The configuration file /etc/statemesh.json`
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
      const message = `${what} has a duplicate field, or a number with too many digits, at ${path}.`;
      throw new StatemeshError('configurationUnreadable', message);
    }
    const position = / at position (\d+)/.exec((error as Error).message)?.[1];
    const before = position === undefined ? [] : text.slice(0, Number(position)).split('\n');
    const place = position === undefined ? '' : ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
    throw new StatemeshError('configurationUnreadable', `${what} is not JSON${place}.`);
  }
}
