// Finds the longest prefix that holds a name: numbers in, a rule's index out; service-table.ts owns the rules.
// One open-addressing hash table over (prefix bits, prefix length), probed once per length that is present; names are
// compared as eight 32-bit words in one arena, so that a lookup touches no string and allocates nothing. A trie was
// rejected: over 256 bits it is a chain of cache misses, and real tables hold three or four lengths.

import { finishHash, mixWord } from './hash.ts';

export interface PrefixIndex {
  /** Open addressing with linear probing, at most half full: pairs of entry + 1 (0: free) and hash. */
  slots: Int32Array;
  /** `entryWords` per entry: the eight words of its prefix, its length in bits, and a mask that a lookup asks for. */
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
/** One cache line, so that a hit costs two misses at most: the slot and the entry. */
const entryWords = 16;
const lengthWord = 8;
const maskWord = 9;

export function createPrefixIndex(seed: number): PrefixIndex {
  return {
    slots: new Int32Array(firstEntries * 2 * 2),
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
  if ((index.entries - index.freeEntries.length) * 4 > index.slots.length) growSlots(index);
  readName(index, id, 0);
  index.arena.set(index.nameWords, base);
  index.arena[base + lengthWord] = bits;
  index.arena[base + maskWord] = 0;
  placeEntry(index, entry, hashOf(index, bits));
  if (index.levelCounts[bits]!++ === 0) index.levels = [...index.levels, bits].sort((a, b) => b - a);
  return entry;
}

export function setMask(index: PrefixIndex, entry: number, mask: number): void {
  index.arena[entry * entryWords + maskWord] = mask;
}

/** Removes the prefix, which must be there, and answers the entry that it had. */
export function deletePrefix(index: PrefixIndex, id: Uint8Array, bits: number): number {
  readName(index, id, 0);
  const slot = findSlot(index, bits);
  const entry = index.slots[slot]! - 1;
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
function hashOf(index: PrefixIndex, bits: number): number {
  const whole = bits >>> 5;
  const rest = bits & 31;
  const hash = index.nameHashes[whole]!;
  if (rest === 0) return finishHash(hash ^ bits);
  return finishHash(mixWord(hash, index.nameWords[whole]! & (-1 << (32 - rest))) ^ bits);
}

function findEntry(index: PrefixIndex, bits: number): number {
  return index.slots[findSlot(index, bits)]! - 1;
}

/** The slot that holds the first `bits` bits of the name last read, or the free one where the search ended. */
function findSlot(index: PrefixIndex, bits: number): number {
  const { slots } = index;
  const hash = hashOf(index, bits);
  const mask = slots.length - 2;
  for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
    const entry = slots[slot]! - 1;
    if (entry < 0 || (slots[slot + 1] === hash && holdsName(index, entry, bits))) return slot;
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

function placeEntry(index: PrefixIndex, entry: number, hash: number): void {
  const { slots } = index;
  const mask = slots.length - 2;
  let slot = (hash << 1) & mask;
  while (slots[slot] !== 0) slot = (slot + 2) & mask;
  slots[slot] = entry + 1;
  slots[slot + 1] = hash;
}

/** Moves later members of the run into the hole, so that no tombstones slow down probing. */
function deleteSlot(index: PrefixIndex, hole: number): void {
  const { slots } = index;
  const mask = slots.length - 2;
  for (let next = (hole + 2) & mask; slots[next] !== 0; next = (next + 2) & mask) {
    const home = (slots[next + 1]! << 1) & mask;
    if (((next - home) & mask) < ((next - hole) & mask)) continue;
    slots[hole] = slots[next]!;
    slots[hole + 1] = slots[next + 1]!;
    hole = next;
  }
  slots[hole] = 0;
}

function growSlots(index: PrefixIndex): void {
  const { slots } = index;
  index.slots = new Int32Array(slots.length * 2);
  for (let slot = 0; slot < slots.length; slot += 2)
    if (slots[slot] !== 0) placeEntry(index, slots[slot]! - 1, slots[slot + 1]!);
}

function growArena(index: PrefixIndex): void {
  const { arena } = index;
  index.arena = new Int32Array(arena.length * 2);
  index.arena.set(arena);
}
