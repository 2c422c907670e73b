/** The simulated HTTP passes the contract of the real one. */
import { limits } from '../../src/core/limits.js';
import type { ListenSecurity } from '../../src/ports/ports.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { authorityText, issue } from '../../src/simulation/network/certificates.js';
import { NetworkHub } from '../../src/simulation/network/hub.js';
import { simulatedTime } from '../../src/simulation/node-ports.js';
import { randomStream } from '../../src/simulation/random.js';
import { simulatedHttp } from '../../src/simulation/web/http.js';
import { WebServer } from '../../src/simulation/web/server.js';
import { describeHttp, type HttpHarness } from './http.contract.js';
import { stepUntil } from './simulated-clock.js';

const ca = authorityText('contract');
const name = 'authority.world';
const address = '203.0.113.1';

describeHttp('the simulation', async () => {
  const clock = new VirtualClock();
  const hub = new NetworkHub(clock, (label) => randomStream(1, label));
  hub.publish(address, name);
  const network = hub.join({ address: '10.0.0.1', segments: new Set(['office']) });
  const servers: WebServer[] = [];
  const harness: HttpHarness = {
    http: simulatedHttp({ network, time: simulatedTime(clock), settled: () => {} }),
    timeoutMs: limits.httpTimeoutMs,
    ca,
    async serve(handler, { tls = false } = {}) {
      const port = 8_000 + servers.length;
      const security: ListenSecurity = tls ? { kind: 'server', server: issue(ca, [name]) } : { kind: 'none' };
      const server = new WebServer({
        hub,
        clock,
        address,
        port,
        security,
        answer({ method, url, headers, body }) {
          const { pathname, search } = new URL(url);
          const answer = handler({ method, path: `${pathname}${search}`, headers, body: body ?? '' });
          if (answer === undefined) return 'never';
          const { status = 200, headers: answered = {}, body: text = '' } = answer;
          return { response: { status, headers: answered, body: text }, afterMs: 1 };
        },
      });
      server.start();
      servers.push(server);
      return `${tls ? 'https' : 'http'}://${name}:${port}`;
    },
    nowhere: async () => `http://${name}:7000`,
    async settle(promise) {
      let isSettled = false;
      const note = () => {
        isSettled = true;
      };
      promise.then(note, note);
      await stepUntil(clock, () => isSettled);
      return promise;
    },
    async close() {
      for (const server of servers) server.stop();
      await stepUntil(clock, () => clock.nextAtMs === undefined);
      if (hub.openStreams > 0)
        throw new Error(`${hub.openStreams} streams are open after all was answered or given up.`);
    },
  };
  return harness;
});
