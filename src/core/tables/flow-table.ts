// The flow table: a packet's destination flowID finds its flow, and nothing else does (never the remote address).
// The low bits of a flowID are the index, the rest is random, so that a lookup is one array access and one comparison
// of both halves. The width of the index is fixed when the table is made: storage grows without changing any id.
// A hash map on 64-bit keys was rejected: it allocates (bigint or string keys) and costs ten times as much.

import type { FlowId, Random } from '../base/index.ts';

export interface FlowTable<T> {
  /** Flows in the table. */
  size: number;
  /** Low bits of a flowID that are its index: the capacity less one. */
  readonly indexMask: number;
  /** The two halves of the id at twice the index, side by side for the cache; both zero where free. */
  keys: Uint32Array;
  readonly values: (T | undefined)[];
  /** Indices given back; used again last in, first out. */
  readonly freeIndices: number[];
}

const firstStorage = 64;
const maxCapacity = 2 ** 24;

/** At most `capacity` flows, rounded up to a power of two; 40 bits stay random at the maximum of 2^24. */
export function createFlowTable<T>(capacity = 2 ** 20): FlowTable<T> {
  let slots = 1;
  while (slots < Math.min(capacity, maxCapacity)) slots *= 2;
  const storage = Math.min(firstStorage, slots);
  return {
    size: 0,
    indexMask: slots - 1,
    keys: new Uint32Array(storage * 2),
    values: [],
    freeIndices: [],
  };
}

/** A fresh flowID for `value`: unguessable but for its index, never zero; undefined when the table is full. */
export function allocate<T>(table: FlowTable<T>, random: Random, value: T): FlowId | undefined {
  const index = table.freeIndices.pop() ?? table.values.length;
  if (index > table.indexMask) return undefined;
  if (index * 2 >= table.keys.length) grow(table);
  let hi = 0;
  let lo = 0;
  while ((hi | lo) === 0) {
    hi = random.uint32();
    lo = ((random.uint32() & ~table.indexMask) | index) >>> 0;
  }
  table.keys[index * 2] = hi;
  table.keys[index * 2 + 1] = lo;
  table.values[index] = value;
  table.size++;
  return { hi, lo };
}

/** The flow with this id; halves are unsigned, as `DataView.getUint32` gives them. */
export function find<T>(table: FlowTable<T>, hi: number, lo: number): T | undefined {
  const index = lo & table.indexMask;
  const { keys } = table;
  const at = index * 2;
  if (at >= keys.length || keys[at + 1] !== lo || keys[at] !== hi) return undefined;
  return table.values[index];
}

/** False if there was no such flow. */
export function free<T>(table: FlowTable<T>, id: FlowId): boolean {
  if (find(table, id.hi, id.lo) === undefined) return false;
  const index = flowIndex(table, id);
  table.keys[index * 2] = 0;
  table.keys[index * 2 + 1] = 0;
  table.values[index] = undefined;
  table.freeIndices.push(index);
  table.size--;
  return true;
}

/** Puts `value` in the place of the flow with this id, which goes on under it. False if there was no such flow. */
export function replace<T>(table: FlowTable<T>, id: FlowId, value: T): boolean {
  if (find(table, id.hi, id.lo) === undefined) return false;
  table.values[flowIndex(table, id)] = value;
  return true;
}

/** The slot of an id: a small integer for arrays beside the table (timers). Not reused while the flow lives. */
export function flowIndex<T>(table: FlowTable<T>, id: FlowId): number {
  return id.lo & table.indexMask;
}

/** Every flow, in order of index; freeing while iterating is safe. */
export function* flowEntries<T>(table: FlowTable<T>): IterableIterator<T> {
  for (const value of table.values) if (value !== undefined) yield value;
}

function grow<T>(table: FlowTable<T>): void {
  const { keys } = table;
  table.keys = new Uint32Array(keys.length * 2);
  table.keys.set(keys);
}
