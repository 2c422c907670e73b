/** What every configuration provider promises, whatever it reads. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../../src/configuration/provider.js';

export interface ProviderHarness {
  readonly provider: PeerNodeConfigurationProvider;
  /** Makes it say something else from now on. */
  change(configuration: PeerNodeConfiguration): Promise<void>;
  /** Makes it say something that cannot be read; undefined where that cannot be. */
  readonly spoil: (() => Promise<void>) | undefined;
  /** Lets it look, however it does; resolves when it has looked at what is there now. */
  look(): Promise<void>;
  /** What is left open; empty when nobody listens. */
  leftovers(): readonly string[];
  close(): Promise<void>;
}

export const first: PeerNodeConfiguration = {
  ...{ nodeId: 'shop-1', port: 9_000, clusterKey: 'a long secret of a cluster', clusterSalt: 'saltsalt' },
};
const second: PeerNodeConfiguration = { ...first, port: 9_001 };
const third: PeerNodeConfiguration = { ...first, port: 9_002, eligible: false };

/** @param makeHarness Of a provider that says {@link first} */
export function describeProvider(name: string, makeHarness: () => Promise<ProviderHarness>): void {
  describe(`provider contract: ${name}`, () => {
    let harness: ProviderHarness;

    beforeEach(async () => {
      harness = await makeHarness();
    });

    afterEach(async () => {
      await harness.close();
    });

    function listen() {
      const heard: PeerNodeConfiguration[] = [];
      const troubles: string[] = [];
      const stop = harness.provider.onConfigurationChanged((configuration) => void heard.push(configuration));
      const stopTrouble = harness.provider.onTrouble?.(({ message }) => void troubles.push(message));
      return {
        heard,
        troubles,
        stop: () => {
          stop();
          stopTrouble?.();
        },
      };
    }

    test('asked -> the configuration', async () => {
      expect(await harness.provider.getConfiguration()).toMatchObject(first);
      await harness.change(second);
      expect(await harness.provider.getConfiguration()).toMatchObject(second);
    });

    test('changes -> each is told once, in order, whole, and to everybody', async () => {
      await harness.provider.getConfiguration();
      const [one, two] = [listen(), listen()];
      for (const next of [second, third]) {
        await harness.change(next);
        await harness.look();
      }
      await harness.look();
      for (const { heard } of [one, two]) {
        expect(heard).toHaveLength(2);
        expect(heard[0]).toMatchObject(second);
        expect(heard[1]).toMatchObject(third);
      }
      one.stop();
      two.stop();
    });

    test('looked at again, and unchanged -> nothing is told', async () => {
      await harness.provider.getConfiguration();
      const { heard, stop } = listen();
      await harness.change(first);
      await harness.look();
      expect(heard).toEqual([]);
      stop();
    });

    test('asked after a change, before it was noticed -> who listens is told nevertheless, once', async () => {
      const { heard, stop } = listen();
      await harness.provider.getConfiguration();
      await harness.change(second);
      expect(await harness.provider.getConfiguration()).toMatchObject(second);
      await harness.look();
      expect(heard).toHaveLength(1);
      stop();
    });

    test('nobody listens any more -> nothing is told, and nothing is left open', async () => {
      await harness.provider.getConfiguration();
      const [one, two] = [listen(), listen()];
      one.stop();
      await harness.change(second);
      await harness.look();
      two.stop();
      expect([one.heard.length, two.heard.length]).toEqual([0, 1]);
      expect(harness.leftovers()).toEqual([]);
    });

    test('it cannot be read -> trouble is told once, the last good one stays, and a good one is told afterwards', async () => {
      const { spoil } = harness;
      await harness.provider.getConfiguration();
      const { heard, troubles, stop } = listen();
      await spoil?.();
      await harness.look();
      await harness.look();
      expect(heard).toEqual([]);
      expect(troubles).toHaveLength(spoil === undefined ? 0 : 1);
      expect(troubles.join()).not.toContain(first.clusterKey);
      await harness.change(second);
      await harness.look();
      expect(heard).toHaveLength(1);
      stop();
    });
  });
}
