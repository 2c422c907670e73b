/**
 * The maximum size of a message, checked over its bytes before any of them becomes an object.
 *
 * Every text and every repeated field has a bound of its own; without one, the shape cannot be built, so no bound is
 * forgotten. The bounds yield the maximum of bytes of a frame of each type, which is checked at the header. Counts and
 * totals hold over the whole frame, wherever in it an element stands. A field that is not repeated may occur only once:
 * protobuf lets a later occurrence replace an earlier one, which would be decoded for nothing.
 */
import { isUtf8 } from 'node:buffer';
import type protobuf from 'protobufjs';
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { own } from '../core/own.js';
import { protobufjs } from './protobuf.js';

/** The bounds of one field. */
export interface FieldBounds {
  /** Maximum of each text, in bytes of UTF-8. */
  readonly bytesMax?: number;
  /** Maximum of all texts of the field in one frame together. */
  readonly totalBytesMax?: number;
  /** Maximum of elements of a repeated field in one frame. */
  readonly countMax?: number;
}

type ByName<Value> = Readonly<Record<string, Value>>;

export interface Bounds {
  /** By field, in every message. */
  readonly texts: ByName<FieldBounds>;
  /** By message and field. */
  readonly messages: ByName<ByName<FieldBounds>>;
}

interface Field extends FieldBounds {
  readonly name: string;
  readonly wireType: number;
  readonly isRepeated: boolean;
  readonly isText: boolean;
  /** The index of the field's own count and total. */
  readonly slot: number;
  /** One bit, to notice a field that occurs twice. */
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
  /** The longest payload within the bounds, with some room for unknown fields. */
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

  /**
   * Checks a payload against the bounds.
   *
   * @throws StatemeshError `frameMalformed`
   */
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
    const ofMessage = own(bounds.messages, type.name) ?? {};
    for (const [index, field] of type.fieldsArray.entries()) {
      const bound = own(ofMessage, field.name) ?? own(bounds.texts, field.name) ?? {};
      const wireType = wireTypeOf(field);
      const nested = field.resolve().resolvedType;
      const isBounded = wireType === bytesType && nested === null;
      if (
        index > 30 ||
        (isBounded && bound.bytesMax === undefined) ||
        (field.repeated && bound.countMax === undefined)
      ) {
        throw new StatemeshError('internal', `The field ${type.name}.${field.name} has no bound.`);
      }
      const slot = this.#counts.push(0) - 1;
      this.#totals.push(0);
      fields[field.id] = {
        ...bound,
        name: field.name,
        wireType,
        isRepeated: field.repeated,
        isText: field.type === 'string',
        slot,
        bit: 1 << index,
        message: nested instanceof protobufjs().Type ? this.#compile(nested, bounds) : undefined,
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
    // The decoder would repair a broken text, which may then be longer than the bytes that arrived.
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

  /** Skips a field of another implementation or a later version. */
  #skipUnknown(wireType: number, end: number): void {
    this.#unknown += 1;
    if (this.#unknown > limits.unknownFieldsMax) throw malformed('it has too many unknown fields');
    if (wireType === varintType) this.#varint(end);
    else if (wireType === bytesType) this.#skip(this.#varint(end), end);
    else if (wireType === fixed64Type) this.#skip(8, end);
    else if (wireType === fixed32Type) this.#skip(4, end);
    else throw malformed('it has a field of an unknown kind');
  }

  #skip(length: number, end: number): void {
    this.#position += length;
    if (this.#position > end) throw malformed('a field is cut off');
  }

  /**
   * Reads a number. A value beyond 32 bits is neither a length nor a tag, and its exact value does not matter here.
   */
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
function wireTypeOf(field: protobuf.Field): number {
  const wireType = new Map<string, number>(Object.entries(protobufjs().types.basic)).get(field.type);
  if (wireType !== undefined && wireType !== varintType && wireType !== bytesType) {
    throw new StatemeshError('internal', `The field ${field.name} is of a kind that frame shapes do not support.`);
  }
  return wireType ?? bytesType;
}

/** The maximum of bytes that this many messages have together. */
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
