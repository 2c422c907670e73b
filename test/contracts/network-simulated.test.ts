/** The simulated network passes the contract of the real one: between machines, and within one. */
import { VirtualClock } from '../../src/simulation/clock.js';
import { NetworkHub } from '../../src/simulation/network/hub.js';
import { randomStream } from '../../src/simulation/random.js';
import { describeNetwork, type NetworkHarness } from './network.contract.js';
import { stepUntil } from './simulated-clock.js';

describeNetwork('the simulation, two machines', () => makeHarness('10.0.0.1', '10.0.0.2', 'lan'));
describeNetwork('the simulation, one machine', () => makeHarness('10.0.0.1', '10.0.0.1', 'loopback'));

async function makeHarness(
  serverAddress: string,
  clientAddress: string,
  datagramScope: NetworkHarness['datagramScope'],
): Promise<NetworkHarness> {
  const clock = new VirtualClock();
  const hub = new NetworkHub(clock, (label) => randomStream(1, label));
  const segments = new Set(['office']);
  const server = hub.join({ address: serverAddress, segments });
  const client = hub.join({ address: clientAddress, segments });
  const key = new Uint8Array(32).fill(1);
  const until = (condition: () => boolean) => stepUntil(clock, condition);
  return {
    server,
    client,
    host: serverAddress,
    datagramPort: 25_000,
    datagramScope,
    security: { kind: 'psk', keyId: 'cluster-key', key },
    otherKey: { kind: 'psk', keyId: 'cluster-key', key: new Uint8Array(32).fill(2) },
    otherKeyId: { kind: 'psk', keyId: 'another-key', key },
    until,
    async close() {
      let isClosed = false;
      void Promise.all([server.closeAll(), client.closeAll()]).then(() => {
        isClosed = true;
      });
      await until(() => isClosed);
      // Whatever is on its way, and the end of it.
      await until(() => clock.nextAtMs === undefined);
      if (hub.openStreams > 0) throw new Error(`${hub.openStreams} streams are open after both sides have closed all.`);
    },
  };
}
