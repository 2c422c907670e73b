/** The environment variables of this process. */
import { own } from '../core/own.js';
import type { Environment } from '../ports/ports.js';

export function systemEnvironment(): Environment {
  return { get: (name) => own(process.env, name) };
}
