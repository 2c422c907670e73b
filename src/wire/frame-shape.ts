/**
 * How large a message may be: checked over its bytes, before an object is made of any of them.
 *
 * Every text and every repeated field has a bound of its own, or the shape cannot be built, so none is forgotten. From these bounds
 * follows the most bytes that a frame of its type has, which is checked at the header. Counts and totals hold over the whole frame,
 * wherever in it an element stands. A field that is not repeated comes once: protobuf lets a later one replace it, and each one
 * before would be made for nothing.
 */
import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs';
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';

/** What one field may hold. */
export interface FieldBounds {
  /** Of each text, in bytes of UTF-8. */
  readonly bytesMax?: number;
  /** Of all its texts in the frame together. */
  readonly totalBytesMax?: number;
  /** Elements of a repeated field in the frame. */
  readonly countMax?: number;
}

/** By message and field. */
export type Bounds = Readonly<Record<string, Readonly<Record<string, FieldBounds>>>>;

interface Field extends FieldBounds {
  readonly name: string;
  readonly wireType: number;
  readonly isRepeated: boolean;
  readonly isText: boolean;
  /** Which count and total are its own. */
  readonly slot: number;
  /** One bit, to notice a field that comes twice. */
  readonly bit: number;
  /** Undefined for a number or text. */
  readonly message: readonly (Field | undefined)[] | undefined;
}

const varintType = 0;
const fixed64Type = 1;
const bytesType = 2;
const fixed32Type = 5;
/** A tag has at most two bytes and a length five. */
const overheadBytes = 7;
const varintBytesMax = 10;

export class FrameShape {
  /** The longest payload that keeps the bounds, with some room for fields that are not known here. */
  readonly bytesMax: number;
  readonly #message: readonly (Field | undefined)[];
  readonly #counts: number[] = [];
  readonly #totals: number[] = [];
  #bytes: Uint8Array = new Uint8Array();
  #position = 0;
  #unknown = 0;

  constructor(type: protobuf.Type, bounds: Bounds) {
    this.#message = this.#compile(type, bounds);
    this.bytesMax = Math.min(
      limits.frameBytesMax,
      sizeOf(this.#message, 1) + limits.unknownFieldsMax * overheadBytes * varintBytesMax,
    );
  }

  /** @throws StatemeshError `frameMalformed` */
  check(payload: Uint8Array): void {
    this.#counts.fill(0);
    this.#totals.fill(0);
    this.#bytes = payload;
    this.#position = 0;
    this.#unknown = 0;
    try {
      this.#walk(this.#message, payload.length);
    } finally {
      this.#bytes = nothing;
    }
  }

  #compile(type: protobuf.Type, bounds: Bounds): readonly (Field | undefined)[] {
    const fields: (Field | undefined)[] = [];
    const boundsOfType = new Map(Object.entries(new Map(Object.entries(bounds)).get(type.name) ?? {}));
    for (const [index, field] of type.fieldsArray.entries()) {
      const own = boundsOfType.get(field.name) ?? {};
      const wireType = wireTypeOf(field);
      const nested = field.resolve().resolvedType;
      const isBounded = wireType === bytesType && nested === null;
      if (index > 30 || (isBounded && own.bytesMax === undefined) || (field.repeated && own.countMax === undefined)) {
        throw new StatemeshError('internal', `The field ${type.name}.${field.name} has no bound.`);
      }
      const slot = this.#counts.push(0) - 1;
      this.#totals.push(0);
      fields[field.id] = {
        ...own,
        ...{
          name: field.name,
          wireType,
          isRepeated: field.repeated,
          isText: field.type === 'string',
          slot,
          bit: 1 << index,
        },
        message: nested instanceof protobuf.Type ? this.#compile(nested, bounds) : undefined,
      };
    }
    return fields;
  }

  #walk(message: readonly (Field | undefined)[], end: number): void {
    let seen = 0;
    while (this.#position < end) {
      const tag = this.#varint(end);
      const field = message[tag >>> 3];
      if (field === undefined) {
        this.#skipUnknown(tag & 7, end);
        continue;
      }
      if (field.wireType !== (tag & 7)) throw malformed(`its "${field.name}" has another kind`);
      if (field.isRepeated) this.#count(field);
      else if ((seen & field.bit) !== 0) throw malformed(`its "${field.name}" comes twice`);
      seen |= field.bit;
      if (field.wireType === varintType) this.#varint(end);
      else this.#walkInto(field, end);
    }
  }

  #walkInto(field: Field, end: number): void {
    const length = this.#varint(end);
    const inner = this.#position + length;
    if (inner > end) throw malformed(`its "${field.name}" is cut off`);
    if (field.message !== undefined) {
      this.#walk(field.message, inner);
      return;
    }
    const total = (this.#totals[field.slot] as number) + length;
    this.#totals[field.slot] = total;
    if (length > (field.bytesMax as number) || total > (field.totalBytesMax ?? Number.POSITIVE_INFINITY)) {
      throw malformed(`its "${field.name}" is too long`);
    }
    // Broken texts would be mended while they are read, and be longer than what came.
    if (field.isText && length > 0 && !isUtf8(this.#bytes.subarray(this.#position, inner))) {
      throw malformed(`its "${field.name}" is not UTF-8`);
    }
    this.#position = inner;
  }

  #count(field: Field): void {
    const count = (this.#counts[field.slot] as number) + 1;
    this.#counts[field.slot] = count;
    if (count > (field.countMax as number)) throw malformed(`it has more than ${field.countMax} "${field.name}"`);
  }

  /** Other implementations, and later versions, have fields that mean nothing here. */
  #skipUnknown(wireType: number, end: number): void {
    this.#unknown += 1;
    if (this.#unknown > limits.unknownFieldsMax) throw malformed('it has too many unknown fields');
    if (wireType === varintType) this.#varint(end);
    else if (wireType === bytesType) this.#skip(this.#varint(end), end);
    else if (wireType === fixed64Type) this.#skip(8, end);
    else if (wireType === fixed32Type) this.#skip(4, end);
    else throw malformed('it has a field of no known kind');
  }

  #skip(length: number, end: number): void {
    this.#position += length;
    if (this.#position > end) throw malformed('a field is cut off');
  }

  /** What does not fit in 32 bits is no length and no tag; its value does not matter here. */
  #varint(end: number): number {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < varintBytesMax; index += 1) {
      if (this.#position >= end) throw malformed('a number is cut off');
      const byte = this.#bytes[this.#position] as number;
      this.#position += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed('a number is too long');
  }
}

const nothing = new Uint8Array();
const basicTypes = new Map<string, number>(Object.entries(protobuf.types.basic));

function wireTypeOf(field: protobuf.Field): number {
  const wireType = basicTypes.get(field.type);
  if (wireType !== undefined && wireType !== varintType && wireType !== bytesType) {
    throw new StatemeshError('internal', `The field ${field.name} is of a kind that no shape knows.`);
  }
  return wireType ?? bytesType;
}

/** The most bytes that so many messages have together. */
function sizeOf(message: readonly (Field | undefined)[], count: number): number {
  return message.reduce((sum, field) => {
    if (field === undefined) return sum;
    const times = field.isRepeated ? (field.countMax as number) : count;
    if (field.message !== undefined) return sum + times * overheadBytes + sizeOf(field.message, times);
    if (field.wireType === varintType) return sum + times * (2 + varintBytesMax);
    const texts = Math.min(times * (field.bytesMax as number), field.totalBytesMax ?? Number.POSITIVE_INFINITY);
    return sum + times * overheadBytes + texts;
  }, 0);
}

function malformed(why: string): StatemeshError {
  return new StatemeshError('frameMalformed', `A frame is refused: ${why}.`);
}
