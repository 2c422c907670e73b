/**
 * A text that must not be seen: a token, a password. It shows neither when it is printed nor when it is turned into JSON, which
 * is where logs and the inspector would leak it, and a structured clone of it is empty.
 */
const redacted = '[redacted]';
// Node's own hook, by its registered symbol, so that core needs no `node:util`.
const inspectCustom = Symbol.for('nodejs.util.inspect.custom');

/** A text that shows itself to nobody by accident: logs, JSON and the inspector have `[redacted]`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for the one who puts it on the wire. */
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
