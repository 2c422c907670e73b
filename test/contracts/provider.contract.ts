/** The promises of every configuration provider, whatever its source. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../../src/configuration/provider.js';

export interface ProviderHarness {
  readonly provider: PeerNodeConfigurationProvider;
  /** Makes the source deliver another configuration from now on. */
  change(configuration: PeerNodeConfiguration): Promise<void>;
  /** Makes the source unreadable; undefined if that is impossible. */
  readonly spoil: (() => Promise<void>) | undefined;
  /** Lets the provider check its source; resolves when it has seen the present content. */
  look(): Promise<void>;
  /** Resources that are still open; empty when there is no listener. */
  leftovers(): readonly string[];
  close(): Promise<void>;
}

export const first: PeerNodeConfiguration = {
  nodeId: 'shop-1',
  port: 9_000,
  clusterKey: 'a long secret of a cluster',
  clusterSalt: 'saltsalt',
};
const second: PeerNodeConfiguration = { ...first, port: 9_001 };
const third: PeerNodeConfiguration = { ...first, port: 9_002, eligible: false };

/** @param makeHarness Of a provider that delivers {@link first} */
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

    test('requested -> the configuration', async () => {
      expect(await harness.provider.getConfiguration()).toMatchObject(first);
      await harness.change(second);
      expect(await harness.provider.getConfiguration()).toMatchObject(second);
    });

    test('changes -> each is reported once, in order, complete, and to all listeners', async () => {
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

    test('checked again, and unchanged -> nothing is reported', async () => {
      await harness.provider.getConfiguration();
      const { heard, stop } = listen();
      await harness.change(first);
      await harness.look();
      expect(heard).toEqual([]);
      stop();
    });

    test('requested after a change, before it was noticed -> listeners still hear of it, once', async () => {
      const { heard, stop } = listen();
      await harness.provider.getConfiguration();
      await harness.change(second);
      expect(await harness.provider.getConfiguration()).toMatchObject(second);
      await harness.look();
      expect(heard).toHaveLength(1);
      stop();
    });

    test('the last listener unsubscribes -> nothing is reported, and nothing stays open', async () => {
      await harness.provider.getConfiguration();
      const [one, two] = [listen(), listen()];
      one.stop();
      await harness.change(second);
      await harness.look();
      two.stop();
      expect([one.heard.length, two.heard.length]).toEqual([0, 1]);
      expect(harness.leftovers()).toEqual([]);
    });

    test('unreadable -> trouble is reported once, the last good one stays, and the next good one is reported', async () => {
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
