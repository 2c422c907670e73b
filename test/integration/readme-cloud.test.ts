/**
 * The README's section about the cloud runs as written, against a real authority and a cloud node with a certificate,
 * and so does the section about the inspector.
 *
 * Details that differ from a reader's machine are replaced by rule, as in `readme.test.ts`: the authority has a port,
 * and the certificates come from a test authority, which every process here trusts by NODE_EXTRA_CA_CERTS.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { startAuthority } from '../../demo/authority.js';
import { makeCertificates } from '../../demo/certificates.js';
import { run, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';
import {
  type Begun,
  blocksOf,
  commandsOf,
  outputOf,
  programOf,
  project,
  readme,
  sectionOf,
  shellIn,
} from './readme-fixture.js';

describe('the cloud of the README', () => {
  const section = sectionOf('Connect it to the cloud');

  test('the command, the configuration and the programs -> the leader is online, and ends as the text says', async () => {
    const certificates = await makeCertificates();
    const authority = await startAuthority({
      clients: [{ id: 'corner-shop', secret: 'open sesame' }],
      scope: 'entgldb:sync',
      audience: 'https://127.0.0.1',
      lifetimeSeconds: 600,
      tls: certificates,
    });
    try {
      const { cwd, local } = await project([['https://identity.example.com', authority.url]]);
      const shop = await project();
      writeFileSync(join(cwd, 'cert.pem'), certificates.certificate);
      writeFileSync(join(cwd, 'key.pem'), certificates.key, { mode: 0o600 });
      writeFileSync(join(cwd, 'ca.pem'), certificates.ca);
      const env = { NODE_EXTRA_CA_CERTS: join(cwd, 'ca.pem') };
      const commands = commandsOf(section);
      expect(commands).toHaveLength(1);
      const command = local(commands[0]?.command ?? '').replace('--lan', '--host 127.0.0.1');
      const node = shellIn(cwd, env)(command);
      await until(() => node.text().includes('is running') || undefined, command);

      const [first = ''] = blocksOf(readme, 'ts');
      const [configuration = '{}', ...none] = blocksOf(section, 'json');
      expect(none).toEqual([]);
      const options = `discoveryPort: ${ownPort()}, ...${configuration.trim()},`;
      const begin = first.replace('createNode({', `createNode({ ${options}`).replace(/await node\.stop\(\);\n$/, '');
      const [adding = '', ...others] = blocksOf(section, 'ts');
      const online = `
        const tell = async (what, isSo) => { while (!isSo(await node.status())) await new Promise((go) => setTimeout(go, 20)); console.log(what); };
        await tell('online', ({ gateways: [link] }) => link?.state === 'online' && link.isCaughtUp);`;
      const end = `console.log('gateways', node.gateways.length); await node.stop();`;
      const program = programOf([begin, adding, online, ...others, end].map(local));
      const printed = await outputOf(program, shop.cwd, { ...env, SHOP_SECRET: 'open sesame' });
      expect(printed).toContain('online');
      expect(printed).toContain('gateways 0');
      const found = await run(['get', 'articles', 'a1'], { cwd });
      expect(JSON.parse(found.stdout)).toEqual({ name: 'Espresso', price: 1.2 });
    } finally {
      await authority.close();
    }
  }, 60_000);
});

describe('the inspector of the README', () => {
  const commands = commandsOf(sectionOf('Watch it think'));

  test('the commands, in the order of the text -> each shows what the text says', async () => {
    const { cwd } = await project();
    const begun = shellIn(cwd, { STATEMESH_DISCOVERY_PORT: String(ownPort()) });
    await begun('statemesh init').exitCode;
    expect(commands).toHaveLength(4);
    const end = async (command: string, { child, exitCode }: Begun) => {
      child.stdin?.write('\x03');
      expect([command, await exitCode]).toEqual([command, 0]);
    };
    for (const { command } of commands) {
      const running = begun(onTerminal(command));
      if (command.includes('--inspect-trace')) {
        await until(() => running.text().includes('is running') || undefined, command);
        expect(running.text()).not.toContain('http:');
        await end(command, running);
        continue;
      }
      const [address = ''] = await until(() => /http:\S+#token=[\w-]+/.exec(running.text()) ?? undefined, command);
      const { origin, host, hash } = new URL(address);
      expect((await (await fetch(address)).text()).toLowerCase()).toContain('<!doctype html>');
      expect(await isLetIn(`ws://${host}/records?${hash.slice(1)}`, origin)).toBe(true);
      expect(await isLetIn(`ws://${host}/records?token=guessed`, origin)).toBe(false);
      await end(command, running);
    }
  });
});

/** The address with its token is shown on a terminal only, so the command runs in one, as a reader's does. */
function onTerminal(command: string): string {
  return `script --quiet --flush --return --command ${JSON.stringify(`exec ${command}`)} /dev/null`;
}

function isLetIn(url: string, origin: string): Promise<boolean> {
  const socket = new WebSocket(url, { origin });
  return new Promise((resolve) => {
    socket.once('message', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).finally(() => socket.terminate()) as Promise<boolean>;
}
