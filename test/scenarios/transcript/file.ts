/**
 * The file format of transcripts, after the data-driven tests of etcd-io/raft: comments, commands, `----`, and the
 * resulting output, up to an empty line. Pure: text to blocks and back.
 */

export interface Transcript {
  readonly blocks: readonly Block[];
}

export interface Block {
  /** As written: commands, comments and empty lines. */
  readonly source: readonly string[];
  readonly commands: readonly Command[];
  /** The output in the file. */
  readonly output: readonly string[];
}

export interface Command {
  /** In the file, from 1. */
  readonly line: number;
  readonly text: string;
}

const separator = '----';

/** @throws Error naming the line */
export function parseTranscript(text: string): Transcript {
  const lines = text.replace(/\n$/, '').split('\n');
  if (!lines[0]?.startsWith('#'))
    throw new Error('line 1: begin with a comment that says what the reader shall learn.');
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; ) {
    const end = lines.indexOf(separator, index);
    if (end < 0) throw new Error(`line ${index + 1}: no ${separator} follows.`);
    const source = lines.slice(index, end);
    const commands = source
      .map((line, offset): Command => ({ line: index + offset + 1, text: line.trim() }))
      .filter((command) => command.text !== '' && !command.text.startsWith('#'));
    if (commands.length === 0) throw new Error(`line ${end + 1}: no command before ${separator}.`);
    const gap = lines.indexOf('', end);
    const next = gap < 0 ? lines.length : gap;
    blocks.push({ source, commands, output: lines.slice(end + 1, next) });
    index = next + 1;
  }
  return { blocks };
}

/** The text of a transcript with other output, block by block. */
export function formatTranscript({ blocks }: Transcript, outputs: readonly (readonly string[])[]): string {
  const parts = blocks.map(({ source }, index) => [...source, separator, ...(outputs[index] ?? [])].join('\n'));
  return `${parts.join('\n\n')}\n`;
}
