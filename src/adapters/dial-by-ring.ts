/**
 * Dials with the keys of a ring, one after the other, until the other side has one of them. While a key is being
 * replaced, two nodes need not have the same first key.
 *
 * Invariants: only `wrongClusterKey` leads to the next key. All attempts together keep to the timeout of the dial.
 */
import { isStatemeshError } from '../core/errors.js';
import type { PresharedKey } from '../core/keys.js';
import type { Connection, DialOptions, DialSecurity, Protection } from '../ports/ports.js';

/** A dial with at most one key. */
export interface SingleDialOptions extends Omit<DialOptions, 'security'> {
  readonly security:
    | { readonly kind: 'psk'; readonly key: PresharedKey }
    | Exclude<DialSecurity, { readonly kind: 'psk' }>;
}

/** @throws the error of the last attempt */
export async function dialByRing(
  options: DialOptions,
  dialOnce: (options: SingleDialOptions) => Promise<Connection>,
  monotonicMs: () => number,
): Promise<Connection> {
  const { security } = options;
  if (security.kind !== 'psk') return dialOnce({ ...options, security });
  const deadlineMs = monotonicMs() + options.timeoutMs;
  const attempt = async ([key, ...others]: readonly PresharedKey[]): Promise<Connection> => {
    const timeoutMs = Math.max(1, deadlineMs - monotonicMs());
    try {
      return await dialOnce({ ...options, security: { kind: 'psk', key: key as PresharedKey }, timeoutMs });
    } catch (error) {
      const isWrongKey = isStatemeshError(error) && error.code === 'wrongClusterKey';
      if (!isWrongKey || others.length === 0) throw error;
      return attempt(others);
    }
  };
  return attempt(security.keys);
}

/** What a connection opened in this way has proved. */
export function protectionOf(security: SingleDialOptions['security']): Protection {
  return security.kind === 'psk' ? { kind: 'psk', keyId: security.key.keyId } : { kind: security.kind };
}
