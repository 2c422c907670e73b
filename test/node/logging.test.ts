import { describe, expect, test } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { logEvents } from '../../src/node/logging.js';

/** What is logged of an event, as level and message. */
function setup() {
  let nowMs = 0;
  let hear: (nodeEvent: object) => void = () => {};
  const lines: string[] = [];
  const write = (level: string) => (_: object, message: string) => void lines.push(`${level}: ${message}`);
  const actor = {
    subscribe: () => {},
    on: (_: string, listener: typeof hear) => {
      hear = listener;
    },
  };
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  logEvents(actor as never, logger, () => nowMs);
  return {
    lines,
    pass(ms: number) {
      nowMs += ms;
    },
    levelOf(nodeEvent: object): string {
      hear(nodeEvent);
      return lines.at(-1)?.split(':')[0] ?? '';
    },
  };
}

const failure = { code: 'wrongClusterKey', message: 'Another key.' };
const refused = (nodeId: string) => ({ type: 'peer.refused', nodeId, failure });
const turnedAway = (remoteAddress: string, code = failure.code) => ({
  type: 'connection.refused',
  remoteAddress,
  failure: { ...failure, code },
  suppressed: 0,
});

describe('the log', () => {
  test('a wrong cluster key -> one warning in an hour for each peer and each address, the others at level debug', () => {
    const { levelOf, pass } = setup();
    expect(['b', 'b', 'c'].map((nodeId) => levelOf(refused(nodeId)))).toEqual(['warn', 'debug', 'warn']);
    const addresses = ['10.0.0.1:1', '10.0.0.1:2', '10.0.0.2:1', '[2001:db8::1]:1', '[2001:db8::2]:1'];
    expect(addresses.map((address) => levelOf(turnedAway(address)))).toEqual([
      ...['warn', 'debug', 'warn', 'warn', 'debug'],
    ]);
    pass(limits.refusalNewsMs);
    expect([levelOf(refused('b')), levelOf(turnedAway('10.0.0.1:3'))]).toEqual(['warn', 'warn']);
  });

  test('other reasons -> each is a warning', () => {
    const { levelOf } = setup();
    const levels = [1, 2].map((port) => levelOf(turnedAway(`10.0.0.1:${port}`, 'connectionLimit')));
    expect(levels).toEqual(['warn', 'warn']);
  });

  test.each([
    [
      'documents in quarantine',
      { type: 'document.quarantined', collection: 'c', documentKey: 'k', reason: 'No object.' },
    ],
    ['one node that comes again and again', { type: 'peer.connected', nodeId: 'b', remoteAddress: '10.0.0.1:1' }],
    ['two nodes of one NodeId', { type: 'node.duplicated', nodeId: 'b', failure: { ...failure, code: 'nodeIdInUse' } }],
  ])('%s -> so many lines in a window, and how many more there were with the next', (_, nodeEvent) => {
    const { levelOf, pass, lines } = setup();
    const levels = () => Array.from({ length: limits.logRepeatsMax + 7 }, () => levelOf(nodeEvent));
    const first = levels();
    expect(first.filter((level) => level !== 'debug')).toHaveLength(limits.logRepeatsMax);
    expect(first.slice(-7)).toEqual(Array(7).fill('debug'));
    expect(levelOf({ ...nodeEvent, type: 'peer.refused', failure: { ...failure, code: 'connectionLimit' } })).toBe(
      'warn',
    );
    pass(limits.logWindowMs);
    expect(levelOf(nodeEvent)).toBe(first[0]);
    expect(lines.at(-1)).toContain('(7 more like it before)');
    levelOf(nodeEvent);
    expect(lines.at(-1)).not.toContain('more like it');
  });

  test('more addresses than are remembered -> the oldest is forgotten', () => {
    const { levelOf, pass } = setup();
    for (let n = 0; n <= limits.refusalsRememberedMax; n += 1) {
      pass(limits.logWindowMs / limits.logRepeatsMax);
      levelOf(turnedAway(`10.1.${n >> 8}.${n & 255}:1`));
    }
    expect(levelOf(turnedAway('10.1.0.1:1'))).toBe('debug');
    expect(levelOf(turnedAway('10.1.0.0:1'))).toBe('warn');
  });
});
