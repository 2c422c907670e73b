/** Where an inspector may send its records: only to an inspector in another process on this machine. */
import { StatemeshError } from '../core/errors.js';

const loopback = /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/;

/** @throws StatemeshError `configurationInvalid` */
export function checkCollectorUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'ws:' && loopback.test(url.hostname)) return;
  throw new StatemeshError(
    'configurationInvalid',
    'Invalid configuration: inspector.collector: use the ws:// address that the collecting inspector on this machine gives.',
  );
}
