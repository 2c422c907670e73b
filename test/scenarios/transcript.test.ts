/** The interpreter of transcripts: what it refuses, and where it reports an error. */
import { describe, expect, it } from '@jest/globals';
import { formatTranscript, parseTranscript } from './transcript/file.js';
import { playTranscript } from './transcript/play.js';

const intro = '# One node starts.';

function play(...lines: string[]): Promise<string[][]> {
  return playTranscript(parseTranscript([intro, ...lines, '----', ''].join('\n')));
}

describe('a transcript', () => {
  it('its text: read and written with the output it has -> is the same', () => {
    const text = `${intro}\n\nlan office node-a\n# a comment\nrun 1s\n----\n     0.0  node-a  up\n\npeers node-a\n----\nnone\n`;
    const transcript = parseTranscript(text);
    expect(transcript.blocks.map(({ commands }) => commands)).toEqual([
      [
        { line: 3, text: 'lan office node-a' },
        { line: 5, text: 'run 1s' },
      ],
      [{ line: 9, text: 'peers node-a' }],
    ]);
    const outputs = transcript.blocks.map(({ output }) => output);
    expect(formatTranscript(transcript, outputs)).toBe(text);
  });

  it.each([
    ['no comment on top', 'lan office node-a\n----\n', /line 1: begin with a comment/],
    ['commands that nothing follows', `${intro}\nlan office node-a\n`, /line 1: no ---- follows/],
    ['nothing to do', `${intro}\n----\n`, /line 2: no command/],
    ['an empty file', '', /line 1/],
  ])('%s -> is refused', (_, text, message) => {
    expect(() => parseTranscript(text)).toThrow(message);
  });

  it.each([
    ['an unknown command', 'jump node-a', /line 3: jump node-a: there is no command "jump", but lan/],
    ['a command without its words', 'partition node-a', /line 3: .*use: partition NODE/],
    ['a node that is not there', 'crash node-b', /line 3: .*there is no node "node-b"/],
    ['a length of time without unit', 'run 10', /line 3: .*duration takes a duration such as .*"10"/],
    ['a kind of lines that there is not', 'show everything', /line 3: .*no "everything" to show/],
    ['a condition that there is not', 'until happy', /line 3: .*use: until converged/],
  ])('%s -> an error with its line', async (_, command, message) => {
    await expect(play('lan office node-a', command)).rejects.toThrow(message);
  });

  it('a condition that is not met in time -> an error with its line', async () => {
    const cut = ['lan office node-a node-b', 'partition node-a | node-b', 'until up meshed within 1s'];
    await expect(play(...cut)).rejects.toThrow(/line 4: .*not within 1s/);
  });

  it('a breach -> an error, not a line', async () => {
    const parted = ['lan office node-a node-b', 'run 1s', 'partition node-a | node-b', 'run 10s', 'settle within 10s'];
    await expect(play(...parted)).rejects.toThrow(/line 6: settle within 10s: liveness: .*connected/);
  });

  it('authors -> are counted by node, also while they are hidden', async () => {
    const [lines = []] = await play(
      ...['hide all', 'lan office node-a', 'run 1s', 'put node-a things/k 1', 'crash node-a', 'restart node-a'],
      ...['run 1s', 'show commits', 'put node-a things/k 2'],
    );
    expect(lines).toEqual(['  2000.1  node-a           commits node-a#2 k, cursor 2']);
  });

  it('nothing to show -> a line that says so', async () => {
    expect(await play('hide all', 'lan office node-a', 'run 1s')).toEqual([['(nothing)']]);
  });
});
