// Seeded mutation of inputs: bits, bytes, words at the edges of their ranges, cut, grown, repeated and spliced pieces. What
// formats break on is lengths, so numbers near them are favoured over noise.

import { type Random, randomBelow } from '../../src/core/base/index.ts';

/** A changed copy of an input from `corpus` (which is not empty), of at most `maxBytes`. */
export function mutate(corpus: readonly Uint8Array[], random: Random, maxBytes: number): Uint8Array {
  let data: Uint8Array = pick(corpus, random).slice();
  const rounds = 1 + randomBelow(random, 5);
  for (let i = 0; i < rounds; i++) data = pick(mutations, random)(data, random, corpus);
  return data.length > maxBytes ? data.slice(0, maxBytes) : data;
}

type Mutation = (data: Uint8Array, random: Random, corpus: readonly Uint8Array[]) => Uint8Array;

const edges8 = [0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 254, 255];
const edges32 = [0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x1fffff, 0x200000, 0xfffffffe, 0xffffffff];

const mutations: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  setEdge,
  setEdge,
  addSmall,
  setWord,
  cut,
  truncate,
  insert,
  repeat,
  splice,
  appendOther,
];

function flipBit(data: Uint8Array, random: Random): Uint8Array {
  if (data.length > 0) data[at(data, random)]! ^= 1 << randomBelow(random, 8);
  return data;
}

function setByte(data: Uint8Array, random: Random): Uint8Array {
  if (data.length > 0) data[at(data, random)] = randomBelow(random, 256);
  return data;
}

function setEdge(data: Uint8Array, random: Random): Uint8Array {
  if (data.length > 0) data[at(data, random)] = pick(edges8, random);
  return data;
}

function addSmall(data: Uint8Array, random: Random): Uint8Array {
  if (data.length > 0) data[at(data, random)]! += randomBelow(random, 9) - 4;
  return data;
}

function setWord(data: Uint8Array, random: Random): Uint8Array {
  if (data.length < 4) return data;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  view.setUint32(randomBelow(random, data.length - 3), pick(edges32, random));
  return data;
}

function cut(data: Uint8Array, random: Random): Uint8Array {
  const [start, end] = piece(data, random);
  return concat(data.subarray(0, start), data.subarray(end));
}

function truncate(data: Uint8Array, random: Random): Uint8Array {
  return data.slice(0, randomBelow(random, data.length + 1));
}

function insert(data: Uint8Array, random: Random): Uint8Array {
  const where = randomBelow(random, data.length + 1);
  const noise = Uint8Array.from({ length: 1 + randomBelow(random, 8) }, () => randomBelow(random, 256));
  return concat(data.subarray(0, where), noise, data.subarray(where));
}

function repeat(data: Uint8Array, random: Random): Uint8Array {
  const [start, end] = piece(data, random);
  return concat(data.subarray(0, end), data.subarray(start));
}

function splice(data: Uint8Array, random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  const other = pick(corpus, random);
  const [start, end] = piece(other, random);
  const where = randomBelow(random, data.length + 1);
  return concat(data.subarray(0, where), other.subarray(start, end), data.subarray(where));
}

function appendOther(data: Uint8Array, random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  return concat(data, pick(corpus, random));
}

function at(data: Uint8Array, random: Random): number {
  return randomBelow(random, data.length);
}

function piece(data: Uint8Array, random: Random): [number, number] {
  const a = randomBelow(random, data.length + 1);
  const b = randomBelow(random, data.length + 1);
  return a < b ? [a, b] : [b, a];
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[randomBelow(random, from.length)] as T;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    data.set(part, offset);
    offset += part.length;
  }
  return data;
}
