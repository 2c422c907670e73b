/** Reports each configuration that the provider gives later, for as long as the node lives. */
import { type EventObject, fromCallback } from 'xstate';
import type { Mailbox, ProviderReport } from '../actors/mailboxes.js';
import type { PeerNodeConfigurationProvider } from '../configuration/provider.js';
import { type Failure, isErrorCode, messageOf, systemCodeOf } from '../core/errors.js';

export function createConfigurationFeed(provider: PeerNodeConfigurationProvider) {
  return fromCallback<EventObject, { parent: Mailbox<ProviderReport> }>(({ input: { parent } }) => {
    let isEnded = false;
    const tell = (report: ProviderReport): void => {
      // A provider may call back late.
      if (!isEnded) parent.send(report);
    };
    const ends = [
      provider.onConfigurationChanged((configuration) => {
        tell({ type: 'configuration.changed', requested: () => configuration });
      }),
      provider.onTrouble?.((failure) => tell({ type: 'configuration.failed', failure: readFailure(failure) })),
    ];
    for (const end of ends) {
      if (end === undefined || typeof end === 'function') continue;
      // A promise that fails would take the process down.
      Promise.resolve(end as unknown).catch(() => {});
      tell({ type: 'configuration.failed', failure: notEnding });
    }
    return () => {
      isEnded = true;
      for (const end of ends) if (typeof end === 'function') end();
    };
  });
}

const notEnding: Failure = {
  code: 'configurationInvalid',
  message: 'The configuration provider must return functions that unsubscribe, not promises or other values.',
};

/** A provider of a program may report any value. */
function readFailure(reported: unknown): Failure {
  const code = systemCodeOf(reported) ?? '';
  return { code: isErrorCode(code) ? code : 'internal', message: messageOf(reported) };
}
