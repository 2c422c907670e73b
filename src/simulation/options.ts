/** The options of worlds and swarms: what they have in common. */
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

/** What a method of worlds takes one by one: all of it is needed. @throws StatemeshError `requestInvalid`, naming the argument */
export function checkArguments<T extends object>(method: string, given: T, fields: OptionsShape<T>['fields']): void {
  const required = Object.keys(fields) as (keyof T & string)[];
  readOptions(given, { complaint: `Invalid arguments of ${method}`, code: 'requestInvalid', fields, required });
}

/** Options of a method of worlds, or of a function beside them. */
export function simulationShape<T>(
  method: string,
  fields: OptionsShape<T>['fields'],
  ...required: readonly (keyof T & string)[]
): OptionsShape<T> {
  return { complaint: `Invalid options of ${method}`, code: 'requestInvalid', fields, required };
}
