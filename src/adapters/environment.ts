/** The environment variables of this process. */
import type { Environment } from '../protocol/ports.js';

export function systemEnvironment(): Environment {
  return { get: (name) => process.env[name] };
}
