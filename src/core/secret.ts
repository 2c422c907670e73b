/**
 * A text that must not be seen: a token, a password. It shows neither when printed nor when converted to JSON, where
 * logs and the inspector would leak it. A structured clone of it is empty.
 */
const redacted = '[redacted]';
// Node's own hook, by its registered symbol, so that core needs no `node:util`.
const inspectCustom = Symbol.for('nodejs.util.inspect.custom');

/** A secret text that logs, JSON and the inspector show as `[redacted]`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for the code that puts it on the wire. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspectCustom](): string {
    return redacted;
  }
}
