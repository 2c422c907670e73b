/** Reports each configuration that the provider gives later, for as long as the node lives. */
import { type EventObject, fromCallback } from 'xstate';
import type { Mailbox, ProviderReport } from '../actors/mailboxes.js';
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';

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
