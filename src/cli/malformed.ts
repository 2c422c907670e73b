/** What commands say about malformed documents, which only another node can have written. */
import type { MalformedDocuments } from '../control/protocol.js';
import type { NodeAt, TalkOptions } from './node-at.js';
import { clean, counted, hintAt } from './output.js';

export const malformedAdvice = '`statemesh put` replaces such a document, `statemesh delete` removes it.';

/** The documents that a command streams; what it passes over is kept for a hint. */
export interface Documents extends AsyncIterable<unknown> {
  /** Prints a hint on standard error if documents were passed over. */
  hint(): void;
}

/** Asks for documents at each iteration. */
export function documentsOf(
  node: NodeAt,
  command: 'find' | 'export',
  { body, options }: { readonly body: object; readonly options: TalkOptions },
): Documents {
  let passedOver: MalformedDocuments | undefined;
  return {
    async *[Symbol.asyncIterator]() {
      for await (const line of node.stream(command, { body })) {
        const found = (line as { passedOver?: MalformedDocuments }).passedOver;
        if (found === undefined) yield line;
        else passedOver = found;
      }
    },
    hint() {
      if (passedOver === undefined) return;
      const verb = passedOver.count === 1 ? 'was' : 'were';
      const search = 'While the node does not run, `statemesh doctor` finds all of them.';
      hintAt(
        `${malformedText(passedOver)} ${verb} passed over: ${placesOf(passedOver)}. ${malformedAdvice} ${search}`,
        options,
      );
    },
  };
}

/** `2 malformed documents of another node`. */
export function malformedText({ count }: MalformedDocuments): string {
  return `${counted(count, 'malformed document')} of another node`;
}

/** `"a", "b" in articles, "c" in orders, and 5 others`. */
export function placesOf({ count, examples }: MalformedDocuments): string {
  const numberOfOthers = count - examples.length;
  const names = new Set(examples.map(({ collection }) => collection));
  const places = [...names].map((name) => {
    const keys = examples.filter(({ collection }) => collection === name).map(({ key }) => `"${clean(key)}"`);
    return `${keys.join(', ')} in ${clean(name)}`;
  });
  const others = numberOfOthers === 0 ? '' : `, and ${counted(numberOfOthers, 'other')}`;
  return `${places.join(', ')}${others}`;
}
