/** The simulated network passes the contract of the real one: between machines, and within one. */
import { VirtualClock } from '../../src/simulation/clock.js';
import type { LineQuality } from '../../src/simulation/network/bottleneck.js';
import { authorityText, issue } from '../../src/simulation/network/certificates.js';
import { NetworkHub } from '../../src/simulation/network/hub.js';
import { randomStream } from '../../src/simulation/random.js';
import { type ConnectionWay, describeConnections, describeNetwork, type NetworkHarness } from './network.contract.js';
import { stepUntil } from './simulated-clock.js';

describeNetwork('the simulation, two machines', () => makeHarness('10.0.0.1', '10.0.0.2', 'lan'));
describeNetwork('the simulation, one machine', () => makeHarness('10.0.0.1', '10.0.0.1', 'loopback'));

const narrow = { bytesPerSecond: 4_000_000, latencyMs: 5 };
describeNetwork('the simulation, a narrow line', () => makeHarness('10.0.0.1', '10.0.0.2', 'lan', undefined, narrow));

const ca = authorityText('contract');
const server = { kind: 'server', server: issue(ca, ['10.0.0.1']) } as const;
const verified: ConnectionWay = { listen: { security: server }, dial: { security: { kind: 'verified', ca } } };
const none: ConnectionWay = { listen: { security: { kind: 'none' } }, dial: { security: { kind: 'none' } } };
const webSocketOver = ({ listen, dial }: ConnectionWay): ConnectionWay => ({
  listen: { ...listen, acceptsWebSockets: true },
  dial: { ...dial, webSocketPath: '/sync?site=1' },
});
const ways = {
  'TCP in the simulation': none,
  'a certificate in the simulation': verified,
  'WebSocket in the simulation': webSocketOver(none),
  'WebSocket over a certificate in the simulation': webSocketOver(verified),
};
for (const [name, way] of Object.entries(ways)) {
  describeConnections(name, () => makeHarness('10.0.0.1', '10.0.0.2', 'lan', way));
}

async function makeHarness(
  serverAddress: string,
  clientAddress: string,
  datagramScope: NetworkHarness['datagramScope'],
  way?: ConnectionWay,
  line?: LineQuality,
): Promise<NetworkHarness> {
  const clock = new VirtualClock();
  const hub = new NetworkHub(clock, (label) => randomStream(1, label));
  const segments = new Set(['office']);
  const server = hub.join({ address: serverAddress, segments });
  const client = hub.join({ address: clientAddress, segments });
  if (line !== undefined) {
    hub.line(serverAddress, clientAddress, line);
    hub.line(clientAddress, serverAddress, line);
  }
  const [keyId, key] = ['cluster-key', new Uint8Array(32).fill(1)];
  const until = (condition: () => boolean) => stepUntil(clock, condition);
  return {
    server,
    client,
    host: serverAddress,
    datagramPort: 25_000,
    datagramScope,
    security: { kind: 'psk', keys: [{ keyId, key }] },
    otherKey: { kind: 'psk', keys: [{ keyId, key: new Uint8Array(32).fill(2) }] },
    otherKeyId: { kind: 'psk', keys: [{ keyId: 'another-key', key }] },
    ...(way === undefined ? {} : { way }),
    until,
    async close() {
      let isClosed = false;
      void Promise.all([server.closeAll(), client.closeAll()]).then(() => {
        isClosed = true;
      });
      await until(() => isClosed);
      // Everything in flight, and its end.
      await until(() => clock.nextAtMs === undefined);
      if (hub.openStreams > 0) throw new Error(`${hub.openStreams} streams are open after both sides have closed all.`);
    },
  };
}
