// Finds the longest prefix that holds a name: numbers in, a rule's index out; service-table.ts owns the rules.
// One open-addressing hash table over (prefix bits, prefix length), probed once per length that is present; names are
// compared as eight 32-bit words in one arena, so that a lookup touches no string and allocates nothing. A trie was
// rejected: over 256 bits it is a chain of cache misses, and real tables hold three or four lengths.

import { finishHash, mixWord } from './hash.ts';

export interface PrefixIndex {
  /**
   * Open addressing with linear probing, at most half full. A slot is the hash with entry + 1 in place of the low bits, which
   * its place tells; 0: free. One word, so that the slots of 10^5 prefixes stay in a processor's own cache.
   */
  slots: Int32Array;
  /**
   * `entryWords` per entry: the eight words of its prefix, its length in bits, a mask that a lookup asks for, and what the
   * owner of the entries keeps beside them, zeros at first.
   */
  arena: Int32Array;
  entries: number;
  readonly freeEntries: number[];
  /** Prefix lengths present, longest first, and how many entries have each length. */
  levels: number[];
  readonly levelCounts: Uint32Array;
  /** Random, so that names which collide cannot be prepared. */
  readonly seed: number;
  /** Working room of one lookup: the name's words, and the running hash after 0, 1, ... 8 of them. */
  readonly nameWords: Int32Array;
  readonly nameHashes: Int32Array;
}

const firstEntries = 16;
/** Two cache lines side by side: a hit costs the slot and the entry, and what stands beside it little more. */
const entryWords = 32;
const lengthWord = 8;
const maskWord = 9;
const payloadWord = 10;
export const payloadWords = entryWords - payloadWord;

export function createPrefixIndex(seed: number): PrefixIndex {
  return {
    slots: new Int32Array(firstEntries * 2),
    arena: new Int32Array(firstEntries * entryWords),
    entries: 0,
    freeEntries: [],
    levels: [],
    levelCounts: new Uint32Array(257),
    seed,
    nameWords: new Int32Array(8),
    nameHashes: new Int32Array(9),
  };
}

/** The entry with the longest prefix of the name at `offset` whose mask shares a bit with `wanted`, or -1. */
export function longestMatch(index: PrefixIndex, bytes: Uint8Array, offset: number, wanted: number): number {
  readName(index, bytes, offset);
  const { levels, arena } = index;
  for (let i = 0; i < levels.length; i++) {
    const entry = findEntry(index, levels[i]!);
    if (entry >= 0 && (arena[entry * entryWords + maskWord]! & wanted) !== 0) return entry;
  }
  return -1;
}

/** The entry of exactly this prefix, or -1. */
export function exactMatch(index: PrefixIndex, id: Uint8Array, bits: number): number {
  readName(index, id, 0);
  return findEntry(index, bits);
}

/** Adds a prefix that is not there yet and answers its entry; its mask is zero. */
export function insertPrefix(index: PrefixIndex, id: Uint8Array, bits: number): number {
  const entry = index.freeEntries.pop() ?? index.entries++;
  const base = entry * entryWords;
  if (base >= index.arena.length) growArena(index);
  if ((index.entries - index.freeEntries.length) * 2 > index.slots.length) growSlots(index);
  readName(index, id, 0);
  index.arena.set(index.nameWords, base);
  index.arena[base + lengthWord] = bits;
  index.arena[base + maskWord] = 0;
  placeEntry(index, entry, hashOf(index, bits));
  if (index.levelCounts[bits]!++ === 0) index.levels = [...index.levels, bits].sort((a, b) => b - a);
  return entry;
}

/** Where in the arena an entry's payload begins, which its owner leaves as it was before it deletes the entry. */
export function payloadOf(entry: number): number {
  return entry * entryWords + payloadWord;
}

export function setMask(index: PrefixIndex, entry: number, mask: number): void {
  index.arena[entry * entryWords + maskWord] = mask;
}

/** Removes the prefix, which must be there, and answers the entry that it had. */
export function deletePrefix(index: PrefixIndex, id: Uint8Array, bits: number): number {
  readName(index, id, 0);
  const slot = findSlot(index, bits);
  const entry = entryIn(index, slot);
  deleteSlot(index, slot);
  index.freeEntries.push(entry);
  if (--index.levelCounts[bits]! === 0) index.levels = index.levels.filter((level) => level !== bits);
  return entry;
}

function readName(index: PrefixIndex, bytes: Uint8Array, offset: number): void {
  const { nameWords, nameHashes } = index;
  let hash = index.seed;
  nameHashes[0] = hash;
  for (let i = 0; i < 8; i++) {
    const at = offset + i * 4;
    const word = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    nameWords[i] = word;
    hash = mixWord(hash, word);
    nameHashes[i + 1] = hash;
  }
}

/** The hash of the first `bits` bits of the name last read. */
function hashOf({ nameWords, nameHashes }: PrefixIndex, bits: number): number {
  const whole = bits >>> 5;
  return hashEnd(nameHashes[whole]!, nameWords[whole]!, bits);
}

function hashOfEntry({ arena, seed }: PrefixIndex, entry: number): number {
  const base = entry * entryWords;
  const bits = arena[base + lengthWord]!;
  const whole = bits >>> 5;
  let hash = seed;
  for (let i = 0; i < whole; i++) hash = mixWord(hash, arena[base + i]!);
  return hashEnd(hash, arena[base + whole]!, bits);
}

/** Of whole words and the one behind them, of which some bits or none count. */
function hashEnd(hash: number, next: number, bits: number): number {
  const rest = bits & 31;
  return finishHash((rest === 0 ? hash : mixWord(hash, next & (-1 << (32 - rest)))) ^ bits);
}

function findEntry(index: PrefixIndex, bits: number): number {
  return entryIn(index, findSlot(index, bits));
}

/** -1: the slot is free. */
function entryIn({ slots }: PrefixIndex, slot: number): number {
  return (slots[slot]! & (slots.length - 1)) - 1;
}

/** The slot that holds the first `bits` bits of the name last read, or the free one where the search ended. */
function findSlot(index: PrefixIndex, bits: number): number {
  const { slots } = index;
  const hash = hashOf(index, bits);
  const mask = slots.length - 1;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const word = slots[slot]!;
    if (word === 0) return slot;
    if (((word ^ hash) & ~mask) === 0 && holdsName(index, (word & mask) - 1, bits)) return slot;
  }
}

function holdsName(index: PrefixIndex, entry: number, bits: number): boolean {
  const { arena, nameWords } = index;
  const base = entry * entryWords;
  if (arena[base + lengthWord] !== bits) return false;
  const whole = bits >>> 5;
  for (let i = 0; i < whole; i++) if (arena[base + i] !== nameWords[i]) return false;
  const rest = bits & 31;
  return rest === 0 || ((arena[base + whole]! ^ nameWords[whole]!) & (-1 << (32 - rest))) === 0;
}

function placeEntry({ slots }: PrefixIndex, entry: number, hash: number): void {
  const mask = slots.length - 1;
  let slot = hash & mask;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = (hash & ~mask) | (entry + 1);
}

/** Moves later members of the run into the hole, so that no tombstones slow down probing. */
function deleteSlot(index: PrefixIndex, hole: number): void {
  const { slots } = index;
  const mask = slots.length - 1;
  for (let next = (hole + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
    const home = hashOfEntry(index, entryIn(index, next)) & mask;
    if (((next - home) & mask) < ((next - hole) & mask)) continue;
    slots[hole] = slots[next]!;
    hole = next;
  }
  slots[hole] = 0;
}

function growSlots(index: PrefixIndex): void {
  const { slots } = index;
  const entries = slots.filter((word) => word !== 0).map((word) => (word & (slots.length - 1)) - 1);
  index.slots = new Int32Array(slots.length * 2);
  for (const entry of entries) placeEntry(index, entry, hashOfEntry(index, entry));
}

function growArena(index: PrefixIndex): void {
  const { arena } = index;
  index.arena = new Int32Array(arena.length * 2);
  index.arena.set(arena);
}
