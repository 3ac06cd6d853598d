// Plain records as bytes: what distinguishes one from the others of its kind. A template has the shape, taken from two
// records that the same function made: what both share is a constant, what each has for itself is part of the record. And it
// has the values of the first record that was packed, which most others share; the rest is written down in a few bytes each.
// Nothing is lost, whatever the record holds: what no byte can express (an object that it refers to) is kept as it is.
// A list of the fields by hand was rejected: whoever adds a field to a record would have to know of it.

import { sameBytes } from '../base/index.ts';
import { mostRowBytes } from './row-store.ts';

type Fields = Record<string, unknown>;

export interface Template<T extends object> {
  readonly make: () => T;
  /** The record itself and the records that are part of it, each behind the one that it is part of. */
  readonly nodes: readonly Node[];
  readonly leaves: readonly Leaf[];
  /** By leaf, of the first record that was packed. */
  typical: readonly unknown[] | undefined;
}

interface Node {
  readonly parent: number;
  readonly key: string;
  readonly keys: readonly string[];
}

interface Leaf {
  readonly node: number;
  readonly key: string;
  /** Made for each record: an empty one is nothing to write down. */
  readonly list: boolean;
}

/** What follows the head of an entry: the high half of a head is the number of leaves that are passed over. */
const Tag = {
  END: 0,
  U8: 1,
  U16: 2,
  U32: 3,
  F64: 4,
  /** One of the numbers written before, length 1: which of those that took more room. Times and round trips repeat. */
  AGAIN: 5,
  FALSE: 6,
  TRUE: 7,
  UNDEFINED: 8,
  /** Length 1, bytes. */
  BYTES: 9,
  /** The next of `others`. */
  OTHER: 10,
  /** No entry: so many leaves more are passed over. */
  SKIP: 11,
} as const;

const mostSkipped = 15;
const noOthers: readonly unknown[] = [];

/** The last record that was packed. */
const packed = new Uint8Array(mostRowBytes);
const packedView = new DataView(packed.buffer);
/** The longest entry, its skips and the end. */
const slackBytes = 300;
const objects: Fields[] = [];
/** Numbers of the row at hand that took four bytes or more, the first 256. */
const long: number[] = [];

/** `make` answers a new record at each call, all of one shape. */
export function createTemplate<T extends object>(make: () => T): Template<T> {
  const nodes: Node[] = [];
  const leaves: Leaf[] = [];
  examine(make() as Fields, make() as Fields, -1, '', nodes, leaves);
  return { make, nodes, leaves, typical: undefined };
}

function examine(one: Fields, other: Fields, parent: number, key: string, nodes: Node[], leaves: Leaf[]): void {
  const keys = Object.keys(one);
  const node = nodes.push({ parent, key, keys }) - 1;
  for (const field of keys) {
    const [a, b] = [one[field], other[field]];
    const own = typeof a === 'object' && a !== null && a !== b;
    const list = own && Array.isArray(a);
    if (own && !list && !ArrayBuffer.isView(a)) examine(a as Fields, b as Fields, node, field, nodes, leaves);
    else leaves.push({ node, key: field, list });
  }
}

export interface Packed {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly others: readonly unknown[];
}

/** Valid until the next call. Undefined: the record is of another shape, or too large. */
export function packRecord<T extends object>(template: Template<T>, record: T): Packed | undefined {
  if (!collect(template, record as Fields)) return undefined;
  const { leaves } = template;
  template.typical ??= leaves.map(({ node, key }) => (objects[node] as Fields)[key]);
  const { typical } = template;
  const others: unknown[] = [];
  long.length = 0;
  let at = 0;
  let skipped = 0;
  for (let i = 0; i < leaves.length; i++) {
    const { node, key, list } = leaves[i] as Leaf;
    const value = (objects[node] as Fields)[key];
    if (list ? (value as unknown[]).length === 0 : isSame(value, typical[i])) {
      skipped++;
      continue;
    }
    if (at > packed.length - slackBytes) return undefined;
    for (; skipped > mostSkipped; skipped -= mostSkipped) packed[at++] = (mostSkipped << 4) | Tag.SKIP;
    const head = at++;
    const tag = tagOf(value);
    packed[head] = (skipped << 4) | tag;
    skipped = 0;
    if (tag === Tag.OTHER) others.push(value);
    else if (tag === Tag.BYTES) at = writeBytes(value as Uint8Array, at);
    else if (tag <= Tag.AGAIN) at = writeNumber(tag, value as number, at);
  }
  packed[at++] = Tag.END;
  return { bytes: packed, length: at, others: others.length === 0 ? noOthers : others };
}

/** A new record as the packed one was. */
export function unpackRecord<T extends object>(
  template: Template<T>,
  bytes: Uint8Array,
  offset: number,
  others: readonly unknown[],
): T {
  const record = template.make();
  collect(template, record as Fields);
  const { leaves, typical = [] } = template;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = offset;
  let taken = 0;
  let leaf = 0;
  long.length = 0;
  for (;;) {
    const head = bytes[at++] as number;
    const tag = head & 0x0f;
    const end = tag === Tag.END ? leaves.length : leaf + (head >> 4);
    for (; leaf < end; leaf++) setTypical(leaves[leaf] as Leaf, typical[leaf]);
    if (tag === Tag.END) return record;
    if (tag === Tag.SKIP) continue;
    let value: unknown;
    if (tag <= Tag.AGAIN) {
      value = readNumber(tag, view, at);
      at += numberBytes(tag);
    } else if (tag === Tag.BYTES) {
      value = bytes.slice(at + 1, at + 1 + (bytes[at] as number));
      at += 1 + (bytes[at] as number);
    } else value = tag === Tag.OTHER ? others[taken++] : tag === Tag.UNDEFINED ? undefined : tag === Tag.TRUE;
    const { node, key } = leaves[leaf++] as Leaf;
    (objects[node] as Fields)[key] = value;
  }
}

/** `objects` are those of `record`, by node. False: it is of another shape. */
function collect({ nodes }: Template<object>, record: Fields): boolean {
  for (let i = 0; i < nodes.length; i++) {
    const { parent, key, keys } = nodes[i] as Node;
    const object = i === 0 ? record : (objects[parent] as Fields)[key];
    if (typeof object !== 'object' || object === null) return false;
    const found = Object.keys(object);
    if (found.length !== keys.length) return false;
    for (let k = 0; k < keys.length; k++) if (found[k] !== keys[k]) return false;
    objects[i] = object as Fields;
  }
  return true;
}

/** What was made with the record need not be written once more. */
function setTypical({ node, key, list }: Leaf, value: unknown): void {
  const object = objects[node] as Fields;
  if (!list && !Object.is(object[key], value)) object[key] = value;
}

function isSame(value: unknown, typical: unknown): boolean {
  if (Object.is(value, typical)) return true;
  return value instanceof Uint8Array && typical instanceof Uint8Array && sameBytes(value, typical);
}

function tagOf(value: unknown): number {
  switch (typeof value) {
    case 'number':
      return tagOfNumber(value);
    case 'boolean':
      return value ? Tag.TRUE : Tag.FALSE;
    case 'undefined':
      return Tag.UNDEFINED;
    default:
      return value instanceof Uint8Array && value.constructor === Uint8Array && value.length < 256
        ? Tag.BYTES
        : Tag.OTHER;
  }
}

function tagOfNumber(value: number): number {
  if (positionOf(value) >= 0) return Tag.AGAIN;
  if (value >>> 0 !== value || Object.is(value, -0)) return Tag.F64;
  return value < 2 ** 8 ? Tag.U8 : value < 2 ** 16 ? Tag.U16 : Tag.U32;
}

function numberBytes(tag: number): number {
  switch (tag) {
    case Tag.U8:
    case Tag.AGAIN:
      return 1;
    case Tag.U16:
      return 2;
    case Tag.U32:
      return 4;
    case Tag.F64:
      return 8;
    default:
      return 0;
  }
}

function writeNumber(tag: number, value: number, at: number): number {
  if (tag === Tag.U8) packedView.setUint8(at, value);
  else if (tag === Tag.AGAIN) packedView.setUint8(at, positionOf(value));
  else if (tag === Tag.U16) packedView.setUint16(at, value);
  else if (tag === Tag.U32) packedView.setUint32(at, value);
  else packedView.setFloat64(at, value);
  if (isLong(tag)) long.push(value);
  return at + numberBytes(tag);
}

function isLong(tag: number): boolean {
  return (tag === Tag.U32 || tag === Tag.F64) && long.length < 256;
}

/** Among the long numbers written before; -1: it is none. */
function positionOf(value: number): number {
  for (let i = 0; i < long.length; i++) if (Object.is(long[i], value)) return i;
  return -1;
}

function readNumber(tag: number, view: DataView, at: number): number {
  if (tag === Tag.U8) return view.getUint8(at);
  if (tag === Tag.U16) return view.getUint16(at);
  if (tag === Tag.AGAIN) return long[view.getUint8(at)] as number;
  const value = tag === Tag.U32 ? view.getUint32(at) : view.getFloat64(at);
  if (isLong(tag)) long.push(value);
  return value;
}

function writeBytes(value: Uint8Array, at: number): number {
  packed[at] = value.length;
  for (let i = 0; i < value.length; i++) packed[at + 1 + i] = value[i] as number;
  return at + 1 + value.length;
}
