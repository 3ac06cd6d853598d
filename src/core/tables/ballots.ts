// What the choice of an instance asks of the targets that stand first in a rule, beside the rule's prefix in the index:
// who each is, its weight and its protocol. Targets are objects in many places of memory; a choice
// that looked at four of them cost ten times as much as finding their rule among 10^5. Invariant: a rule has ballots
// exactly while its best priority has forward targets alone, and they are those; what has none is for `choose` (policy.ts).

import { finishHash, mixWord } from './hash.ts';
import { type PrefixIndex, payloadOf, payloadWords } from './prefix-index.ts';

/** Ballots of the rules that have more than fit beside their prefix. */
export interface Ballots {
  words: Int32Array;
  /** Words used so far, those given back included. */
  used: number;
  /** Offsets of blocks given back, by the power of two of ballots that they hold. */
  readonly free: number[][];
}

/** What there is to know of one target. */
export interface Candidate {
  readonly instance: { readonly hi: number; readonly lo: number };
  readonly protocol: number;
  readonly weight: number;
}

/** Instance high, instance low, weight and above it protocol. */
const ballotWords = 3;
/** Of the payload: how many ballots, and where they stand when they are not here. */
const countWord = 0;
const offsetWord = 1;
const inlineWord = 2;
/** More than so many ballots stand elsewhere. */
export const inlineBallots = Math.floor((payloadWords - inlineWord) / ballotWords);

export function createBallots(): Ballots {
  return { words: new Int32Array(64 * ballotWords), used: 0, free: [] };
}

/** Makes the first `count` candidates the ballots of an entry. */
export function setBallots(
  ballots: Ballots,
  index: PrefixIndex,
  entry: number,
  candidates: readonly Candidate[],
  count: number,
): void {
  const { arena } = index;
  const payload = payloadOf(entry);
  const room = roomFor(count);
  const had = roomFor(arena[payload + countWord]!);
  if (room !== had) {
    if (had > 0) blocksOf(ballots, had).push(arena[payload + offsetWord]!);
    if (room > 0) arena[payload + offsetWord] = blocksOf(ballots, room).pop() ?? extend(ballots, room * ballotWords);
  }
  arena[payload + countWord] = count;
  const words = room > 0 ? ballots.words : arena;
  let at = room > 0 ? arena[payload + offsetWord]! : payload + inlineWord;
  for (let i = 0; i < count; i++, at += ballotWords) {
    const { instance, protocol, weight } = candidates[i]!;
    words[at] = instance.hi;
    words[at + 1] = instance.lo;
    words[at + 2] = (protocol << 16) | weight;
  }
}

/** Which of them is the first choice by weighted rendezvous hashing among those of `protocol` with a weight; -1: there is none. */
export function firstChoice(
  ballots: Ballots,
  index: PrefixIndex,
  entry: number,
  protocol: number,
  hashHi: number,
  hashLo: number,
): number {
  const { arena } = index;
  const payload = payloadOf(entry);
  const count = arena[payload + countWord]!;
  const words = count > inlineBallots ? ballots.words : arena;
  let at = count > inlineBallots ? arena[payload + offsetWord]! : payload + inlineWord;
  const flow = mixFlow(hashHi, hashLo);
  let best = -1;
  let bestHash = 0;
  let bestWeight = 0;
  for (let i = 0; i < count; i++, at += ballotWords) {
    const word = words[at + 2]!;
    const weight = word & 0xffff;
    const served = word >>> 16;
    if (weight === 0 || (served !== 0 && served !== protocol)) continue;
    const hash = mixInstance(flow, words[at]!, words[at + 1]!);
    if (best >= 0 && !isBetter(hash, weight, bestHash, bestWeight)) continue;
    best = i;
    bestHash = hash;
    bestWeight = weight;
  }
  return best;
}

export function mixFlow(hashHi: number, hashLo: number): number {
  return mixWord(mixWord(0, hashHi), hashLo);
}

/** Unsigned. */
export function mixInstance(flow: number, hi: number, lo: number): number {
  return finishHash(mixWord(mixWord(flow, hi), lo)) >>> 0;
}

/**
 * Exponential variates with rate = weight: the chance of being the smallest is weight / sum of weights. The variate of
 * a target depends on nothing but the flow and the target, hence the minimal disruption.
 */
export function variate(hash: number, weight: number): number {
  return -Math.log((hash + 0.5) / 2 ** 32) / (weight === 0 ? 1 : weight);
}

/** Of equal weights the greater hash has the smaller variate: no logarithm is needed. */
function isBetter(hash: number, weight: number, bestHash: number, bestWeight: number): boolean {
  if (weight === bestWeight) return hash > bestHash;
  return variate(hash, weight) < variate(bestHash, bestWeight);
}

/** Ballots of the block for so many; 0: they fit beside the prefix. */
function roomFor(count: number): number {
  return count <= inlineBallots ? 0 : 2 ** Math.ceil(Math.log2(count));
}

function blocksOf({ free }: Ballots, room: number): number[] {
  const power = Math.log2(room);
  free[power] ??= [];
  return free[power];
}

function extend(ballots: Ballots, words: number): number {
  const at = ballots.used;
  ballots.used += words;
  if (ballots.used > ballots.words.length) {
    const grown = new Int32Array(Math.max(ballots.words.length * 2, ballots.used));
    grown.set(ballots.words);
    ballots.words = grown;
  }
  return at;
}
