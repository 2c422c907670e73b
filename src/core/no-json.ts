/** Values that JSON cannot hold: what they are called, and what to write instead. */
import { limits } from './limits.js';

/** Why a document cannot hold a number, a bigint, a function, a symbol or undefined. */
export function reasonForScalar(value: unknown, isInList: boolean): string {
  switch (typeof value) {
    case 'undefined':
      return `undefined is not a JSON value; ${isInList ? 'use null' : 'leave the field out or use null'}`;
    case 'number':
      return `${value} is not a JSON number; use null or a text`;
    case 'bigint':
      return 'a bigint is not a JSON value; write it as text, String(value)';
    default:
      return `a ${typeof value} is not a JSON value; leave it out`;
  }
}

/** Why a document cannot hold an object that is neither a list nor a plain object. */
export function reasonForObject(value: object): string {
  const name = nameOf(value);
  if (ArrayBuffer.isView(value)) return reasonForBytes(name);
  switch (tagOf(value)) {
    case 'ArrayBuffer':
    case 'SharedArrayBuffer':
    case 'Blob':
      return reasonForBytes(name);
    case 'Date':
      return 'a Date is not a JSON value; write it as text, date.toISOString(), or as a number, date.getTime()';
    case 'Map':
      return 'a Map is not a JSON value; write Object.fromEntries(map) or [...map]';
    case 'Array':
      return `${name} is not a JSON value; write a plain list, [...list]`;
    case 'Set':
      return 'a Set is not a JSON value; write [...set]';
    case 'Number':
    case 'String':
    case 'Boolean':
      return `${name} is not a JSON value; write its valueOf()`;
    default:
      return `${name} is not a JSON value; write the fields that matter as a plain object`;
  }
}

function reasonForBytes(name: string): string {
  return `${name} is not a JSON value; write binary data as base64 text, Buffer.from(bytes).toString('base64'), of at most ${limits.documentBytesMax} characters in the whole document`;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function nameOf(value: object): string {
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? `an object of class ${name.slice(0, 80)}` : 'an object of a class';
}
