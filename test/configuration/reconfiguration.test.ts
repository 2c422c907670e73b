import { describe, expect, it } from '@jest/globals';
import type { Configured } from '../../src/configuration/configured.js';
import { parseConfiguration } from '../../src/configuration/parse.js';
import {
  combine,
  describeChanges,
  type Effect,
  objectionTo,
  type Plan,
  planReconfiguration,
  taken,
  withPartial,
  withProvided,
} from '../../src/configuration/reconfiguration.js';
import { type ConfigurationInput, configurationSchema } from '../../src/configuration/schema.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { Secret } from '../../src/core/secret.js';
import type { Listening, ListenSecurity } from '../../src/ports/ports.js';

const base: ConfigurationInput = {
  nodeId: 'a',
  port: 9_000,
  clusterKey: 'a long enough secret',
  clusterSalt: 'saltsalt',
};
const cloud: ConfigurationInput = {
  nodeId: 'cloud',
  port: 9_000,
  role: 'cloud',
  tlsCert: 'cert.pem',
  tlsKey: 'key.pem',
  authority: 'https://id.example.com',
  audience: 'urn:x',
};
const roots = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array];

/** A configuration as the node holds it, with the given keys and files. */
function configured(input: ConfigurationInput, parts: Partial<Configured> = {}): Configured {
  const { configuration, keySource, initialRemotePeers } = parseConfiguration(input);
  const keys = keySource === undefined ? undefined : new ClusterKeys(roots[0]);
  const server: ListenSecurity = { kind: 'server', server: { certificate: 'one', key: new Secret('one') } };
  const ofMember = keys?.security ?? { kind: 'none' };
  return {
    configuration,
    keys,
    ca: undefined,
    initialPeers: [],
    initialRemotePeers: () => initialRemotePeers,
    security: configuration.role === 'cloud' ? server : ofMember,
    ...parts,
  };
}

const listening = { host: '127.0.0.1', port: 9_000 } as Listening;

function plan(from: ConfigurationInput, changes: Partial<ConfigurationInput>, at = listening): Plan {
  return planReconfiguration(configured(from), configured({ ...from, ...changes }), at);
}

function effects({ effects: all }: Plan): readonly Effect[] {
  return [...all].sort();
}

describe('plan: for a member', () => {
  const table: readonly (readonly [Partial<ConfigurationInput>, readonly Effect[], Plan['listener']])[] = [
    [{}, [], 'keep'],
    [{ nodeId: 'b' }, ['service', 'store'], 'keep'],
    [{ dataDir: './elsewhere' }, ['control', 'service', 'store'], 'keep'],
    [{ port: 9_001 }, ['listener'], 'beside'],
    [{ port: 0 }, ['listener'], 'beside'],
    [{ host: '127.0.0.2' }, ['listener'], 'beside'],
    [{ host: '0.0.0.0' }, ['listener'], 'instead'],
    [{ lan: true }, ['discovery', 'listener'], 'instead'],
    [{ lan: true, port: 9_001 }, ['discovery', 'listener'], 'beside'],
    [{ nodeId: 'b', port: 9_001 }, ['listener', 'service', 'store'], 'beside'],
    [{ security: 'none' }, ['keys', 'protection', 'service'], 'protect'],
    [{ discovery: false }, ['discovery'], 'keep'],
    [{ discoveryPort: 25_001 }, ['discovery'], 'keep'],
    [{ beaconIntervalMs: 1_000 }, ['discovery'], 'keep'],
    [{ heartbeatIntervalMs: 500 }, ['intervals'], 'keep'],
    [{ syncIntervalMs: 500 }, ['intervals'], 'keep'],
    [{ knownPeers: [{ nodeId: 'b', address: 'h:1' }] }, ['knownPeers'], 'keep'],
    [{ initialRemotePeers: [{ nodeId: 'b', address: 'h:1', type: 1 }] }, ['knownPeers'], 'keep'],
    [{ eligible: false }, ['election'], 'keep'],
    [{ electionIntervalMs: 1_000 }, ['election'], 'keep'],
    [{ yieldAfterMs: 1_000 }, ['uplink'], 'keep'],
    [{ ca: 'ca.pem' }, ['uplink'], 'keep'],
    [{ plaintextCloud: true }, ['uplink'], 'keep'],
    [{ secretVariables: [{ name: 'S', origin: 'https://a.example' }] }, ['uplink'], 'keep'],
    [{ authorityOrigins: ['https://a.example'] }, ['uplink'], 'keep'],
    [{ control: true }, ['control'], 'keep'],
    [{ inspector: { port: 0 } }, ['observation'], 'keep'],
    [{ metricsPort: 0 }, ['observation'], 'keep'],
    [{ logLevel: 'debug' }, ['log'], 'keep'],
    // Of a cloud node: no effect here.
    [{ scope: 'other' }, [], 'keep'],
    [{ authorityPreset: 'entra' }, [], 'keep'],
    [{ scopeClaim: 'scp' }, [], 'keep'],
    [{ audienceClaim: 'client_id' }, [], 'keep'],
    [{ tokenTypes: ['at+jwt', 'JWT'] }, [], 'keep'],
  ];

  it('the same directory, spelled differently -> nothing changes', () => {
    expect(plan(base, { dataDir: `${process.cwd()}/data/.` }).changes).toEqual([]);
  });

  it.each(table)('%j -> %j, listener: %s', (changes, expected, listener) => {
    const planned = plan(base, changes);
    expect([effects(planned), planned.listener]).toEqual([expected, listener]);
    expect(planned.changes.map(({ field }) => field).sort()).toEqual(Object.keys(changes).sort());
  });

  it('the schema: each field -> is in this table, or in one below', () => {
    const below = [
      'role',
      'clusterKey',
      'acceptedClusterKeys',
      'clusterSalt',
      'tlsCert',
      'tlsKey',
      'authority',
      'audience',
    ];
    const covered = new Set([...table.flatMap(([changes]) => Object.keys(changes)), ...below]);
    expect(Object.keys(configurationSchema.shape).filter((field) => !covered.has(field))).toEqual([]);
  });

  it('a port that the system chose: requested by its number -> kept; any port again -> kept', () => {
    const chosen = { host: '127.0.0.1', port: 41_234 } as Listening;
    expect(plan({ ...base, port: 0 }, { port: 41_234 }, chosen).listener).toBe('keep');
    expect(plan({ ...base, port: 0 }, { eligible: false }, chosen).listener).toBe('keep');
  });

  it('the cluster key: another first key, another accepted key -> shown by their names, and the listener accepts others', () => {
    const ring = (...keys: readonly Uint8Array[]) => {
      const [first = roots[0], ...others] = keys;
      const made = new ClusterKeys(first, ...others);
      return configured(base, { keys: made, security: made.security });
    };
    const [one, two] = roots;
    const [idOfOne, idOfTwo] = [one, two].map((root) => new ClusterKeys(root).first.keyId);
    const turned = planReconfiguration(ring(one, two), ring(two, one), listening);
    expect([effects(turned), turned.listener]).toEqual([['keys', 'protection'], 'protect']);
    expect(turned.changes).toEqual([
      { field: 'clusterKey', from: idOfOne, to: idOfTwo },
      { field: 'acceptedClusterKeys', from: [idOfTwo], to: [idOfOne] },
    ]);
    const added = planReconfiguration(ring(one), ring(one, two), listening);
    expect(added.changes).toEqual([{ field: 'acceptedClusterKeys', from: [], to: [idOfTwo] }]);
  });

  it('secrets: of the cluster, of an initial peer -> are in no change', () => {
    const oAuth2 = { authority: 'https://id.example.com', clientId: 'x', clientSecret: 'very secret' };
    const peer = { nodeId: 'c', address: 'h:1', type: 2, oAuth2 } as const;
    const planned = plan(base, { initialRemotePeers: [peer] });
    expect(planned.changes).toEqual([{ field: 'initialRemotePeers', from: [], to: ['c'] }]);
    expect(JSON.stringify(planned)).not.toMatch(/very secret|long enough/);
    const other = planReconfiguration(
      configured({ ...base, initialRemotePeers: [peer] }),
      configured({ ...base, initialRemotePeers: [{ ...peer, oAuth2: { ...oAuth2, clientSecret: 'another' } }] }),
      listening,
    );
    expect(other.changes).toEqual([{ field: 'initialRemotePeers', from: ['c'], to: ['c'] }]);
  });

  it('certificate authorities in a replaced file -> a change, though the field is the same', () => {
    const withCa = (ca: string) => configured({ ...base, ca: 'ca.pem' }, { ca });
    const planned = planReconfiguration(withCa('one'), withCa('two'), listening);
    expect([planned.changes, effects(planned)]).toEqual([
      [{ field: 'ca', from: 'ca.pem', to: 'ca.pem (replaced)' }],
      ['uplink'],
    ]);
  });
});

describe('plan: for a cloud node', () => {
  it.each<[Partial<ConfigurationInput>, readonly Effect[], Plan['listener']]>([
    [{ authority: 'https://other.example.com' }, ['service'], 'keep'],
    [{ audience: 'urn:y' }, ['service'], 'keep'],
    [{ scope: 'other' }, ['service'], 'keep'],
    [{ authorityPreset: 'entra' }, ['service'], 'keep'],
    [{ scopeClaim: 'scp' }, ['service'], 'keep'],
    [{ audienceClaim: 'client_id' }, ['service'], 'keep'],
    [{ tokenTypes: ['JWT'] }, ['service'], 'keep'],
    [{ ca: 'ca.pem' }, ['service'], 'keep'],
    [{ tlsCert: 'next.pem' }, ['protection'], 'protect'],
    [{ heartbeatIntervalMs: 500 }, ['intervals'], 'keep'],
    [{ port: 9_001 }, ['listener'], 'beside'],
  ])('%j -> %j, listener: %s', (changes, expected, listener) => {
    const planned = plan(cloud, changes);
    expect([effects(planned), planned.listener]).toEqual([expected, listener]);
  });

  it('its certificate was renewed under the same name -> the new one is shown from then on', () => {
    const server = { kind: 'server', server: { certificate: 'two', key: new Secret('two') } } as const;
    const planned = planReconfiguration(configured(cloud), configured(cloud, { security: server }), listening);
    expect([planned.changes, planned.listener]).toEqual([
      [{ field: 'tlsCert', from: 'cert.pem', to: 'cert.pem (replaced)' }],
      'protect',
    ]);
  });

  it('a member becomes a cloud node -> its parts start again, behind another protection', () => {
    const planned = planReconfiguration(configured(base), configured({ ...cloud, nodeId: 'a' }), listening);
    expect([planned.listener, planned.effects.has('service'), planned.effects.has('store')]).toEqual([
      'protect',
      true,
      false,
    ]);
  });
});

describe('requests', () => {
  it('several partial requests -> the last of each field wins, and every call is remembered', () => {
    const first = withPartial(undefined, () => ({ port: 1, eligible: false }), 1);
    const second = withPartial(first, () => ({ port: 2 }), 2);
    expect(second.requests).toEqual([1, 2]);
    expect(
      combine(
        () => base,
        () => base,
        second,
      )(),
    ).toEqual({ ...base, port: 2, eligible: false });
  });

  const said = () => ({ ...base, port: 1, eligible: true });
  const inForce = () => ({ ...said(), nodeId: 'called', port: 9 });

  it('the provider changes its configuration -> only its changes count, and earlier changes by a call stay', () => {
    const wanted = withProvided(undefined, said, () => ({ ...said(), eligible: false }));
    expect(combine(inForce, said, wanted)()).toEqual({ ...inForce(), eligible: false });
  });

  it('the provider changes or removes a field that a call has changed -> the provider wins', () => {
    const wanted = withProvided(undefined, said, () => ({ ...said(), nodeId: 'provided', port: undefined }));
    expect(combine(inForce, said, wanted)()).toEqual({ ...inForce(), nodeId: 'provided', port: undefined });
  });

  it('calls and provider by turns -> for each field the last wins', () => {
    const first = withPartial(undefined, () => ({ port: 2, nodeId: 'called later' }), 1);
    const second = withProvided(first, said, () => ({ ...said(), port: 3 }));
    expect(combine(inForce, said, second)()).toEqual({ ...inForce(), nodeId: 'called later', port: 3 });
    const third = withPartial(second, () => ({ port: 4 }), 2);
    expect(combine(inForce, said, third)()).toMatchObject({ port: 4 });
    // Back to the provider's first value: neither its later one nor the call's.
    const fourth = withProvided(third, said, said);
    expect(combine(said, said, fourth)()).toMatchObject({ port: 1 });
  });

  it('endless changes -> the configuration in force does not grow', () => {
    let current: () => unknown = said;
    for (let port = 1; port <= 20_000; port += 1) {
      current = combine(
        current,
        said,
        withPartial(undefined, () => ({ port }), port),
      );
    }
    expect(current()).toEqual({ ...said(), port: 20_000 });
  });

  it('the provider changes its object in place -> still counts as a change', () => {
    const object = { ...base, port: 1 };
    const before = taken(() => object);
    object.port = 2;
    const wanted = withProvided(
      undefined,
      before,
      taken(() => object),
    );
    expect(combine(before, before, wanted)()).toMatchObject({ port: 2 });
  });

  it('a request that cannot be copied or read -> is left for the check to refuse', () => {
    const odd = () => ({ port: () => 1 });
    expect(taken(odd)).toBe(odd);
    expect(() =>
      taken(() => {
        throw new Error('no');
      }),
    ).not.toThrow();
  });

  it('a field that is undefined -> returns to its default', () => {
    const wanted = withPartial(undefined, () => ({ port: undefined as never }), 1);
    const { configuration } = parseConfiguration(
      combine(
        () => base,
        () => base,
        wanted,
      )(),
    );
    expect(configuration.port).toBe(0);
  });

  it('an impossible configuration, or one that throws -> an objection that names the field', () => {
    expect(objectionTo(() => ({ ...base, port: -1 }))?.message).toContain('port');
    expect(objectionTo(() => undefined)?.code).toBe('configurationInvalid');
    expect(objectionTo(() => base)).toBeUndefined();
  });

  it('changes in words -> from the old value to the new one', () => {
    expect(
      describeChanges([
        { field: 'port', from: 1, to: 2 },
        { field: 'ca', from: undefined, to: 'x' },
      ]),
    ).toBe('port: 1 to 2, ca: unset to x');
  });
});
