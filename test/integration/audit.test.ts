/** The audit log: what is written, and that it cannot be flooded. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import type { NodeEvent } from '../../src/index.js';
import { Audit, type AuditRecord, auditCommands, auditEvents } from '../../src/node/audit.js';
import { manualTime } from '../machines/bench.js';

function setup() {
  const time = manualTime();
  const lines: AuditRecord[] = [];
  const audit = new Audit({ info: (fields) => lines.push(fields as AuditRecord) }, time);
  return { time, lines, audit };
}

const refusal = (address: string, reason = 'tokenRefused'): AuditRecord => ({
  event: 'connection.refused',
  address,
  reason,
});

describe('Audit', () => {
  it('20 refusals from one network -> some lines, then one with the number of the others', () => {
    const { time, lines, audit } = setup();
    for (let port = 1; port <= 20; port += 1) audit.note(refusal(`192.0.2.${port}:${port}`));
    expect(lines).toHaveLength(limits.auditRepeatsMax);
    expect(lines[0]).toEqual({ component: 'audit', ...refusal('192.0.2.1:1') });
    time.advance(limits.auditWindowMs);
    expect(lines.slice(limits.auditRepeatsMax)).toEqual([
      { ...lines[0], address: '192.0.2.0/24', suppressed: 20 - limits.auditRepeatsMax },
    ]);
    audit.note(refusal('192.0.2.1:1'));
    expect(lines).toHaveLength(limits.auditRepeatsMax + 2);
  });

  const failure = { code: 'tokenRefused', message: 'It has expired.' } as const;
  it.each<[object, object]>([
    [
      { type: 'peer.connected', nodeId: 'b', remoteAddress: '192.0.2.1:9', subject: 'shop-7' },
      { event: 'session.opened', nodeId: 'b', address: '192.0.2.1:9', subject: 'shop-7' },
    ],
    [
      { type: 'peer.disconnected', nodeId: 'b', failure, subject: 'shop-7' },
      { event: 'session.closed', nodeId: 'b', reason: 'tokenRefused', subject: 'shop-7' },
    ],
    [
      { type: 'peer.refused', nodeId: 'b', failure },
      { event: 'session.refused', nodeId: 'b', reason: 'tokenRefused' },
    ],
    [
      { type: 'guest.refused', remoteAddress: '192.0.2.1:9', failure },
      { event: 'connection.refused', address: '192.0.2.1:9', reason: 'tokenRefused' },
    ],
    [
      { type: 'gateway.connected', nodeId: 'c' },
      { event: 'gateway.opened', nodeId: 'c' },
    ],
    [
      { type: 'gateway.disconnected', nodeId: 'c', failure },
      { event: 'gateway.closed', nodeId: 'c', reason: 'tokenRefused' },
    ],
    [
      { type: 'gateway.rejected', nodeId: 'c', failure },
      { event: 'gateway.failed', nodeId: 'c', reason: 'tokenRefused' },
    ],
    [
      { type: 'reconfiguration.finished', changes: [{ field: 'port', from: 1, to: 2 }] },
      { event: 'configuration.changed', fields: ['port'] },
    ],
    [
      { type: 'reconfiguration.failed', failure },
      { event: 'configuration.refused', reason: 'tokenRefused' },
    ],
  ])('an event of the node, %j -> its line', (event, line) => {
    const { lines, audit } = setup();
    let hear: (event: NodeEvent) => void = () => {};
    const actor = { subscribe: () => {}, on: (_: string, listener: typeof hear) => (hear = listener) };
    auditEvents(actor as never, audit);
    hear(event as NodeEvent);
    expect(lines).toEqual([{ component: 'audit', ...line }]);
  });

  it('a record -> the message has all of it, because a terminal shows only that', () => {
    const messages: string[] = [];
    const audit = new Audit({ info: (_, message) => messages.push(message) }, manualTime());
    audit.note({ event: 'control.called', command: 'put', by: 'control socket of uid 0', collection: 'articles' });
    expect(messages).toEqual(['Audit: control.called, command put, by control socket of uid 0, collection articles.']);
  });

  it('other reasons, and other networks -> lines of their own; the same /64 -> not', () => {
    const { lines, audit } = setup();
    const many = (address: (index: number) => string, reason?: string) => {
      for (let index = 0; index < 20; index += 1) audit.note(refusal(address(index), reason));
    };
    many(() => '192.0.2.1:1');
    many(() => '192.0.2.1:1', 'wrongClusterKey');
    many(() => '192.0.3.1:1');
    many((index) => `[2001:db8:0:1::${index + 1}]:1`);
    many((index) => `[2001:db8:0:1:0:0:${index + 1}:1]:1`);
    expect(lines).toHaveLength(4 * limits.auditRepeatsMax);
  });

  it('strangers from everywhere -> memory and log lines for them are bounded', () => {
    const { lines, audit } = setup();
    for (let index = 0; index < limits.auditKeysMax * 3; index += 1) {
      audit.note(refusal(`10.${index >> 8}.${index & 255}.1:1`));
    }
    expect(lines.length).toBeLessThanOrEqual(limits.auditKeysMax + limits.auditRepeatsMax);
  });

  it('the end -> the number of unreported refusals is written, and no timer is left', () => {
    const { time, lines, audit } = setup();
    for (let count = 0; count < 7; count += 1) audit.note(refusal('192.0.2.1:1'));
    audit.close();
    expect(lines.at(-1)).toMatchObject({ suppressed: 7 - limits.auditRepeatsMax });
    const before = lines.length;
    time.advance(limits.auditWindowMs * 2);
    expect(lines).toHaveLength(before);
  });

  it('calls that change something, or of a new command -> caller, command and target, never a document or a secret; others -> nothing', async () => {
    const { lines, audit } = setup();
    const command = async () => 'done';
    const commands = auditCommands(
      { put: command, get: command, addCloudPeer: command, reconfigure: command, invented: command },
      audit,
      'uid 7',
    );
    const call = (body: unknown) => ({ body, parameters: {} }) as never;
    await commands.get?.(call({ collection: 'a', key: 'planted' }));
    await commands.put?.(call({ collection: 'a\u001b[31m', key: 'planted', document: 'planted' }));
    await commands.addCloudPeer?.(call({ nodeId: 'cloud-1', oAuth2: { clientSecret: 'planted' } }));
    await commands.reconfigure?.(call({ partial: { clusterKey: 'planted', port: 1 } }));
    await commands.put?.(call('planted'));
    await commands.invented?.(call({}));
    expect(JSON.stringify(lines)).not.toContain('planted');
    const called = { component: 'audit', event: 'control.called', by: 'uid 7' };
    expect(lines).toEqual([
      { ...called, command: 'put', collection: 'a' },
      { ...called, command: 'addCloudPeer', nodeId: 'cloud-1' },
      { ...called, command: 'reconfigure', fields: ['clusterKey', 'port'] },
      { ...called, command: 'put' },
      { ...called, command: 'invented' },
    ]);
  });
});
