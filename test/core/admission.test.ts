import { describe, expect, test } from '@jest/globals';
import { exceededLimit, type Present } from '../../src/core/admission.js';
import { limits } from '../../src/core/limits.js';

const known = (host: string, count: number): Present[] => Array(count).fill({ host, isAuthenticated: true });
const strangers = (host: string, count: number): Present[] => Array(count).fill({ host, isAuthenticated: false });
const answer = (...present: Present[]) => exceededLimit(limits, 'here', present)?.message;

describe('exceededLimit', () => {
  test('one below each limit -> another is taken', () => {
    expect(answer()).toBe(undefined);
    expect(answer(...known('here', limits.connectionsPerAddressMax - 1))).toBe(undefined);
    expect(answer(...strangers('here', limits.unauthenticatedPerAddressMax - 1))).toBe(undefined);
    const others = strangers('there', limits.unauthenticatedMax - 1);
    expect(answer(...others, ...known('there', limits.connectionsMax - others.length - 1))).toBe(undefined);
  });

  test('at a limit -> none is taken, and the limit is named', () => {
    expect(answer(...known('there', limits.connectionsMax))).toMatch(/all 256 connections are in use/);
    expect(answer(...known('here', limits.connectionsPerAddressMax))).toMatch(/128 connections come from here/);
    expect(answer(...strangers('there', limits.unauthenticatedMax))).toMatch(/64 connections are in the handshake/);
    expect(answer(...strangers('here', limits.unauthenticatedPerAddressMax))).toMatch(
      /32 connections from here are in/,
    );
  });

  test('one address has all that it may -> others get in', () => {
    const greedy = [...strangers('there', limits.unauthenticatedPerAddressMax), ...known('there', 96)];
    expect(answer(...greedy)).toBe(undefined);
  });
});
