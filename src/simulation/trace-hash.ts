/**
 * One number for a whole run: 64 bits over everything that was delivered, committed and reported, and when. Equal runs
 * have equal hashes, in any process; a collision of two different runs is practically impossible. Mixed with
 * MurmurHash3's steps (Appleby), because SHA-256 would cost as much as the run.
 */
export class TraceHash {
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);
  #a = 0x9747b28c;
  #b = 0x1b873593;

  number(value: number): void {
    this.#float[0] = value;
    this.#mix(this.#words[0] as number);
    this.#mix(this.#words[1] as number);
  }

  text(value: string): void {
    this.#mix(value.length);
    for (let index = 0; index < value.length; index += 1) this.#mix(value.charCodeAt(index));
  }

  bytes(value: Uint8Array): void {
    this.#mix(value.length);
    const whole = value.length & ~3;
    for (let index = 0; index < whole; index += 4) {
      const [a, b, c, d] = [value[index], value[index + 1], value[index + 2], value[index + 3]] as Quad;
      this.#mix(a | (b << 8) | (c << 16) | (d << 24));
    }
    for (let index = whole; index < value.length; index += 1) this.#mix(value[index] as number);
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return [finish(this.#a), finish(this.#b)].map((half) => half.toString(16).padStart(8, '0')).join('');
  }

  #mix(word: number): void {
    let mixed = Math.imul(word, 0xcc9e2d51);
    mixed = (mixed << 15) | (mixed >>> 17);
    mixed = Math.imul(mixed, 0x1b873593);
    this.#a ^= mixed;
    this.#a = (this.#a << 13) | (this.#a >>> 19);
    this.#a = (Math.imul(this.#a, 5) + 0xe6546b64) | 0;
    this.#b = (Math.imul(this.#b ^ word, 0x85ebca6b) + 0x38495ab5) | 0;
    this.#b = (this.#b << 17) | (this.#b >>> 15);
  }
}

type Quad = [number, number, number, number];

function finish(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
