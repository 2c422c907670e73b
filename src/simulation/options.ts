/** The options of worlds and swarms: what they have in common. */
import type { Kind, OptionsShape } from '../core/options.js';
import { type Duration, millisecondsOf } from './clock.js';

/** An amount of virtual time, such as "10s". */
export const duration: Kind = {
  takes: 'a duration such as "10s" or "500ms"',
  accepts(value) {
    try {
      return Number.isFinite(millisecondsOf(value as Duration));
    } catch {
      return false;
    }
  },
};

/** Options of a method of worlds, or of a function beside them. */
export function simulationShape<T>(
  method: string,
  fields: OptionsShape<T>['fields'],
  ...required: readonly (keyof T & string)[]
): OptionsShape<T> {
  return { complaint: `Invalid options of ${method}`, code: 'requestInvalid', fields, required };
}
