/**
 * Golden transcripts: scenarios as files that explain the protocol and pin it. Their output is compared line by line;
 * `REWRITE_TRANSCRIPTS=1` writes the present output, for a reader to judge the difference.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { formatTranscript, parseTranscript } from './transcript/file.js';
import { playTranscript } from './transcript/play.js';

const directory = join('test', 'scenarios', 'transcripts');

/** In the order in which a reader learns. */
const transcripts = [
  'two-nodes-meet',
  'both-dial-at-once',
  'an-idle-cluster',
  'another-cluster-key',
  'lost-beacons',
  'a-put-streams',
  'a-put-along-a-chain',
  'a-ring-with-a-cut',
  'a-detour',
  'two-networks-with-a-bridge',
  'a-backlog-in-batches',
  'a-backlog-and-a-put',
  'last-write-wins',
  'a-delete-against-a-put',
  'goodbye',
  'a-quick-restart',
  'catching-up-after-a-crash',
  'a-crash-at-a-commit',
  'a-crash-at-an-acknowledgement',
  'a-reset',
  'a-partition',
  'a-one-way-partition',
  'a-clock-far-ahead',
  'a-full-disk',
  'a-restored-backup',
  'a-cut-log',
  'a-clone',
  'a-changed-port',
  'another-identity',
];

const isRewriting = process.env.REWRITE_TRANSCRIPTS === '1';
const isPipeline = (process.env.CI ?? 'false') !== 'false';

describe('transcripts (REWRITE_TRANSCRIPTS=1 rewrites them)', () => {
  it('the directory: any file -> is on the list, and vice versa', () => {
    expect(readdirSync(directory).sort()).toEqual(transcripts.map((name) => `${name}.txt`).sort());
  });

  it('the pipeline: asked to rewrite -> is refused, because the difference would go unread', () => {
    expect(isRewriting && isPipeline).toBe(false);
  });

  it.each(transcripts)('%s: played -> the output in the file', async (name) => {
    const path = join(directory, `${name}.txt`);
    const written = readFileSync(path, 'utf8');
    const transcript = parseTranscript(written);
    const played = formatTranscript(transcript, await playTranscript(transcript));
    if (isRewriting && !isPipeline) writeFileSync(path, played);
    else expect(played).toBe(written);
  });
});
