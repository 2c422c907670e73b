/** The configuration provider, as the node machine sees it: read once, then watched for as long as the node lives. */
import { type EventObject, fromCallback, fromPromise } from 'xstate';
import type { Mailbox, ProviderReport } from '../actors/mailboxes.js';
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';

export function createGetConfiguration(provider: PeerNodeConfigurationProvider) {
  return fromPromise<() => unknown, object>(async () => {
    const configuration = await provider.getConfiguration();
    return () => configuration;
  });
}

export function createConfigurationFeed(provider: PeerNodeConfigurationProvider) {
  return fromCallback<EventObject, { parent: Mailbox<ProviderReport> }>(({ input: { parent } }) => {
    const changed = (configuration: PeerNodeConfiguration): void => {
      parent.send({ type: 'configuration.changed', requested: () => configuration });
    };
    const unsubscribe = provider.onConfigurationChanged(changed);
    const ignoreTrouble = provider.onTrouble?.((failure) => parent.send({ type: 'configuration.failed', failure }));
    return () => {
      unsubscribe();
      ignoreTrouble?.();
    };
  });
}
