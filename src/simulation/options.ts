/** What the options of worlds and swarms have in common. */
import { type Kind, type OptionsShape, readOptions } from '../core/options.js';
import { type Duration, millisecondsOf } from './clock.js';

/** An amount of virtual time, such as "10s". */
export const duration: Kind = {
  takes: 'a duration such as "10s" or "500ms"',
  accepts(value) {
    try {
      return millisecondsOf(value as Duration) >= 0;
    } catch {
      return false;
    }
  },
};

/**
 * Checks the positional arguments of a world's method; all are required.
 *
 * @throws StatemeshError `requestInvalid`, naming the argument
 */
export function checkArguments<T extends object>(method: string, given: T, fields: OptionsShape<T>['fields']): void {
  const required = Object.keys(fields) as (keyof T & string)[];
  readOptions(given, { complaint: `Invalid arguments of ${method}`, code: 'requestInvalid', fields, required });
}

/** The shape of the options of a world's method, or of a function of this room. */
export function simulationShape<T>(
  method: string,
  fields: OptionsShape<T>['fields'],
  ...required: readonly (keyof T & string)[]
): OptionsShape<T> {
  return { complaint: `Invalid options of ${method}`, code: 'requestInvalid', fields, required };
}
