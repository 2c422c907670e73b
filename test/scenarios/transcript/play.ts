/**
 * Plays a transcript in a world, block by block, and writes the output. The checkers of the world watch as in any other
 * scenario: a breach is an error, not a line.
 */
import { messageOf } from '../../../src/core/errors.js';
import { type Backup, createWorld, type World, type WorldNode } from '../../../src/simulation/index.js';
import { perform, type Stage } from './commands.js';
import type { Command, Transcript } from './file.js';
import { View } from './kinds.js';
import { Scribe } from './scribe.js';

/** The output of a block without lines: an empty output would look like a mistake. */
const nothing = '(nothing)';

/**
 * The output of each block.
 *
 * @throws Error naming the line of the command that failed
 */
export async function playTranscript({ blocks }: Transcript): Promise<string[][]> {
  const player = new Player();
  try {
    const outputs: string[][] = [];
    for (const { commands } of blocks) outputs.push(await player.block(commands));
    await player.close();
    return outputs;
  } finally {
    await player.discard();
  }
}

class Player {
  readonly #view = new View();
  readonly #scribe = new Scribe(this.#view);
  readonly #backups = new Map<WorldNode, Backup>();
  #output: string[] = [];
  #seed = 1;
  #world: World | undefined;
  #isOver = false;

  async block(commands: readonly Command[]): Promise<string[]> {
    this.#output = [];
    for (const { line, text } of commands) {
      try {
        await this.#perform(text);
      } catch (error) {
        throw new Error(`line ${line}: ${text}: ${messageOf(error)}`, { cause: error });
      }
    }
    return this.#output.length === 0 ? [nothing] : this.#output;
  }

  /** The end of the world has its checks, too, but no output. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#world?.close();
    this.#world = undefined;
  }

  /** Called after an error, which takes precedence. */
  async discard(): Promise<void> {
    await this.close().catch(() => {});
  }

  async #perform(text: string): Promise<void> {
    const [word, ...words] = text.split(/\s+/);
    if (word === 'show' || word === 'hide') this.#view.turn(word === 'show', words);
    else if (word === 'watch') this.#view.watch(words[0] === 'all' ? [] : words);
    else if (word === 'seed') this.#seed = Number(words[0]);
    else await perform(this.#stage(), text);
  }

  #stage(): Stage {
    this.#world ??= createWorld({
      seed: this.#seed,
      trace: (line) => {
        const text = this.#scribe.write(line);
        if (text !== undefined && !this.#isOver) this.#output.push(text);
      },
    });
    const world = this.#world;
    return {
      world,
      backups: this.#backups,
      node: (name) => {
        const node = world.nodes.find((candidate) => candidate.name === name);
        if (node === undefined) throw new Error(`there is no node "${name}"`);
        return node;
      },
      say: (where, text) => void this.#output.push(this.#scribe.say(world.nowMs, where, text)),
      meet: (name) => this.#scribe.meet(name),
    };
  }
}
