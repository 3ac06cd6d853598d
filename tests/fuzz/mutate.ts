// Seeded mutation of inputs: bits, bytes, words at the edges of their ranges, numbers and texts that the code compares with,
// cut, grown, repeated, moved and spliced pieces. What formats break on is lengths, so numbers near them are favoured over
// noise. Works in place in one buffer: an array per step would cost more than most targets do.

import { type Random, randomBelow } from '../../src/core/base/index.ts';
import type { Dictionary } from './coverage.ts';

export interface Mutator {
  readonly random: Random;
  /** The input being made is the first `length` bytes. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  length: number;
  readonly numbers: readonly number[];
  readonly texts: readonly string[];
  /** Room for a piece that is about to be inserted. */
  readonly piece: Uint8Array;
}

export function createMutator(random: Random, maxBytes: number, dictionary?: Dictionary): Mutator {
  const bytes = new Uint8Array(maxBytes);
  return {
    random,
    bytes,
    view: new DataView(bytes.buffer),
    length: 0,
    numbers: [...(dictionary?.numbers ?? [])],
    texts: [...(dictionary?.texts ?? [])],
    piece: new Uint8Array(maxBytes),
  };
}

/** Fills the mutator with a changed copy of `parent`; `others` (not empty) is where pieces come from. */
export function mutate(m: Mutator, parent: Uint8Array, others: readonly Uint8Array[]): void {
  load(m, parent);
  const rounds = 1 << randomBelow(m.random, mostRoundsLog2);
  for (let i = 0; i < rounds; i++) pick(mutations, m.random)(m, others);
}

/** Fills the mutator with `data`, as much of it as there is room for. */
export function load(m: Mutator, data: Uint8Array): void {
  m.length = Math.min(data.length, m.bytes.length);
  for (let i = 0; i < m.length; i++) m.bytes[i] = data[i]!;
}

type Mutation = (m: Mutator, others: readonly Uint8Array[]) => void;

/** 1, 2, 4 or 8 steps. */
const mostRoundsLog2 = 4;
const shortPiece = 8;
const edges8 = [0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 254, 255];
const edges32 = [0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x1fffff, 0x200000, 0xfffffffe, 0xffffffff];

const mutations: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  setEdge,
  setEdge,
  addSmall,
  addSmall,
  setWord,
  setLength,
  setNumber,
  setNumber,
  insertNumber,
  writeText,
  cut,
  cut,
  truncate,
  insertNoise,
  repeat,
  move,
  splice,
  splice,
  appendOther,
];

function flipBit(m: Mutator): void {
  if (m.length > 0) m.bytes[at(m)]! ^= 1 << randomBelow(m.random, 8);
}

function setByte(m: Mutator): void {
  if (m.length > 0) m.bytes[at(m)] = randomBelow(m.random, 256);
}

function setEdge(m: Mutator): void {
  if (m.length > 0) m.bytes[at(m)] = pick(edges8, m.random);
}

function addSmall(m: Mutator): void {
  if (m.length > 0) m.bytes[at(m)]! += randomBelow(m.random, 9) - 4;
}

function setWord(m: Mutator): void {
  writeNumber(m, pick(edges32, m.random), 4);
}

/** What is left from there on, or nearly: what a length field would say. */
function setLength(m: Mutator): void {
  if (m.length === 0) return;
  const where = at(m);
  const left = Math.max(0, m.length - where - randomBelow(m.random, 5));
  if (randomBelow(m.random, 2) === 0 || where + 2 > m.length) m.bytes[where] = left;
  else m.view.setUint16(where, left);
}

function setNumber(m: Mutator): void {
  const number = pickNumber(m);
  writeNumber(m, number, pickWidth(m, number));
}

function insertNumber(m: Mutator): void {
  const number = pickNumber(m);
  const width = pickWidth(m, number);
  const where = open(m, place(m), width);
  if (where >= 0) putNumber(m, where, number, width);
}

/** In place of what stands there, or between it. */
function writeText(m: Mutator): void {
  if (m.texts.length === 0) return;
  const text = pick(m.texts, m.random);
  const over = randomBelow(m.random, 2) === 0 && text.length <= m.length;
  const where = over ? randomBelow(m.random, m.length - text.length + 1) : open(m, place(m), text.length);
  if (where >= 0) for (let i = 0; i < text.length; i++) m.bytes[where + i] = text.charCodeAt(i);
}

function cut(m: Mutator): void {
  const start = place(m);
  const bytes = extent(m, m.length - start);
  m.bytes.copyWithin(start, start + bytes, m.length);
  m.length -= bytes;
}

function truncate(m: Mutator): void {
  m.length = place(m);
}

function insertNoise(m: Mutator): void {
  const bytes = 1 + randomBelow(m.random, 8);
  const where = open(m, place(m), bytes);
  if (where >= 0) for (let i = 0; i < bytes; i++) m.bytes[where + i] = randomBelow(m.random, 256);
}

function repeat(m: Mutator): void {
  const start = place(m);
  const bytes = extent(m, m.length - start);
  insertAt(m, start, m.bytes, start, start + bytes);
}

/** Copies a piece over another place. */
function move(m: Mutator): void {
  const start = place(m);
  const bytes = extent(m, m.length - start);
  m.bytes.copyWithin(randomBelow(m.random, m.length - bytes + 1), start, start + bytes);
}

function splice(m: Mutator, others: readonly Uint8Array[]): void {
  const other = pick(others, m.random);
  const start = randomBelow(m.random, other.length + 1);
  const end = start + extent(m, other.length - start);
  insertAt(m, place(m), other, start, end);
}

function appendOther(m: Mutator, others: readonly Uint8Array[]): void {
  const other = pick(others, m.random);
  insertAt(m, m.length, other, 0, other.length);
}

function pickNumber(m: Mutator): number {
  const number = m.numbers.length > 0 ? pick(m.numbers, m.random) : pick(edges32, m.random);
  return Math.max(0, number + (randomBelow(m.random, 4) === 0 ? randomBelow(m.random, 3) - 1 : 0));
}

/** The least that holds it, or one of the larger ones. */
function pickWidth(m: Mutator, number: number): number {
  const least = number < 0x100 ? 0 : number < 0x10000 ? 1 : number < 2 ** 32 ? 2 : 3;
  return 1 << (randomBelow(m.random, 2) === 0 ? least : least + randomBelow(m.random, 4 - least));
}

function writeNumber(m: Mutator, number: number, width: number): void {
  if (m.length >= width) putNumber(m, randomBelow(m.random, m.length - width + 1), number, width);
}

function putNumber(m: Mutator, where: number, number: number, width: number): void {
  const { view } = m;
  if (width === 1) view.setUint8(where, number);
  else if (width === 2) view.setUint16(where, number);
  else if (width === 4) view.setUint32(where, number);
  else {
    view.setUint32(where, Math.floor(number / 2 ** 32));
    view.setUint32(where + 4, number % 2 ** 32);
  }
}

/** Inserts bytes of `source`, as many as there is room for. */
function insertAt(m: Mutator, where: number, source: Uint8Array, start: number, end: number): void {
  const bytes = Math.min(end - start, m.bytes.length - m.length);
  if (bytes <= 0) return;
  for (let i = 0; i < bytes; i++) m.piece[i] = source[start + i]!;
  open(m, where, bytes);
  for (let i = 0; i < bytes; i++) m.bytes[where + i] = m.piece[i]!;
}

/** Moves what stands at `where` up by `bytes` and answers `where`; -1 when there is no room. */
function open(m: Mutator, where: number, bytes: number): number {
  if (m.length + bytes > m.bytes.length) return -1;
  if (where < m.length) m.bytes.copyWithin(where + bytes, where, m.length);
  m.length += bytes;
  return where;
}

/** Length of a piece, 0 to `most`: short ones as often as any. */
function extent(m: Mutator, most: number): number {
  return randomBelow(m.random, (randomBelow(m.random, 2) === 0 ? Math.min(most, shortPiece) : most) + 1);
}

/** A byte; the input is not empty. */
function at(m: Mutator): number {
  return randomBelow(m.random, m.length);
}

/** Between two bytes, or at an end. */
function place(m: Mutator): number {
  return randomBelow(m.random, m.length + 1);
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[randomBelow(random, from.length)] as T;
}
