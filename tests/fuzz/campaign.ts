// One run of the fuzzer against one target: replay the corpus, then mutate it and keep every input that took a new way
// through the code, until the time is up or enough inputs made the target throw. The sequence of inputs follows from the
// seed, the corpus and the target alone; only where it stops depends on time.

import { type Random, randomBelow, seededRandom } from '../../src/core/base/index.ts';
import { begin, collect, countEdges, createSeen, exceeded, StepLimit } from './coverage.ts';
import { createMutator, load, type Mutator, mutate } from './mutate.ts';
import type { Target } from './target.ts';

export interface CampaignOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Ends the run before the time is up. */
  readonly maxExecutions?: number;
}

export interface Crash {
  readonly data: Uint8Array;
  readonly error: unknown;
}

export interface CampaignResult {
  readonly executions: number;
  readonly seconds: number;
  /** Distinct edges of the code that were taken. */
  readonly edges: number;
  /** The corpus, and behind it what was found to take new ways. */
  readonly pool: readonly Uint8Array[];
  /** One per place in the code that threw. */
  readonly crashes: readonly Crash[];
  /** Those of `crashes` that ran out of steps. */
  readonly hangs: number;
  readonly slowestMs: number;
}

/** Different places in one target that throw; more are hardly read. */
const mostCrashes = 10;
/** Longer than this is a finding of its own: one packet must not hold up the others. */
export const slowMs = 50;
/** Before this many, the time of an execution is the compiler's. */
const warmUp = 1000;
/** Attempts at shrinking one input; an endless loop makes each of them expensive. */
const mostShrinks = 4000;
const mostHangShrinks = 200;

interface Campaign {
  readonly target: Target;
  readonly random: Random;
  readonly mutator: Mutator;
  readonly room: Room;
  readonly seen: Uint8Array;
  readonly pool: Uint8Array[];
  /** How often each input of the pool was a parent. */
  readonly uses: number[];
  readonly crashes: Map<string, Crash>;
  /** The last input made the target throw. */
  failed: boolean;
  executions: number;
  slowestMs: number;
}

export function runCampaign(
  target: Target,
  corpus: readonly Uint8Array[],
  { seed, seconds, maxExecutions = Number.POSITIVE_INFINITY }: CampaignOptions,
): CampaignResult {
  const campaign = createCampaign(target, corpus, seed);
  const { mutator, pool, crashes } = campaign;
  const started = performance.now();
  let now = started;
  const goesOn = () =>
    campaign.executions < maxExecutions && crashes.size < mostCrashes && now - started < seconds * 1000;
  for (let i = 0; i < corpus.length && goesOn(); i++) {
    load(mutator, corpus[i]!);
    now = tryInput(campaign, now);
    collect(campaign.seen);
  }
  while (goesOn()) {
    mutate(mutator, choose(campaign), pool);
    now = tryInput(campaign, now);
    if (collect(campaign.seen) > 0 && !campaign.failed) keep(campaign);
  }
  const found = [...crashes.values()].map((crash) => shrink(campaign, crash));
  return {
    executions: campaign.executions,
    seconds: (now - started) / 1000,
    edges: countEdges(campaign.seen),
    pool,
    crashes: found,
    hangs: found.filter(({ error }) => error instanceof StepLimit).length,
    slowestMs: campaign.slowestMs,
  };
}

function createCampaign(target: Target, corpus: readonly Uint8Array[], seed: number): Campaign {
  const random = seededRandom(seed);
  const pool = corpus.length > 0 ? [...corpus] : [new Uint8Array(0)];
  return {
    target,
    random,
    mutator: createMutator(random, target.maxBytes, target.dictionary),
    room: createRoom(target.maxBytes),
    seen: createSeen(),
    pool,
    uses: pool.map(() => 0),
    crashes: new Map(),
    failed: false,
    executions: 0,
    slowestMs: 0,
  };
}

/** Of two inputs the shorter and less used one: what is new and small is tried most, and nothing is forgotten. */
function choose({ pool, uses, random }: Campaign): Uint8Array {
  const a = randomBelow(random, pool.length);
  const b = randomBelow(random, pool.length);
  const cost = (index: number) => (pool[index]!.length + 16) * (uses[index]! + 16);
  const chosen = cost(a) <= cost(b) ? a : b;
  uses[chosen]!++;
  return pool[chosen]!;
}

function keep({ pool, uses, mutator }: Campaign): void {
  pool.push(mutator.bytes.slice(0, mutator.length));
  uses.push(0);
}

/** Runs the input in the mutator; answers the time afterwards. */
function tryInput(campaign: Campaign, startedMs: number): number {
  const { target, mutator, room, crashes } = campaign;
  const error = execute(target, room, mutator.bytes, mutator.length);
  campaign.failed = error !== undefined;
  if (error !== undefined) {
    const place = placeOf(error);
    if (!crashes.has(place)) crashes.set(place, { data: mutator.bytes.slice(0, mutator.length), error });
  }
  const endedMs = performance.now();
  if (++campaign.executions > warmUp && endedMs - startedMs > campaign.slowestMs)
    campaign.slowestMs = Math.max(campaign.slowestMs, confirmMs(campaign, endedMs - startedMs));
  return endedMs;
}

/** The machine may have been busy with something else: what is slow is slow again. */
function confirmMs({ target, mutator, room }: Campaign, firstMs: number): number {
  const started = performance.now();
  execute(target, room, mutator.bytes, mutator.length);
  return Math.min(firstMs, performance.now() - started);
}

/** What the target is given: one buffer with a view for each length, since making them costs more than small targets. */
interface Room {
  readonly bytes: Uint8Array;
  readonly views: (Uint8Array | undefined)[];
}

function createRoom(maxBytes: number): Room {
  return { bytes: new Uint8Array(maxBytes), views: [] };
}

/** What the target threw; undefined: nothing. It sees a copy: the input must survive a target that writes to it. */
function execute({ fuzz, stepLimit }: Target, { bytes, views }: Room, data: Uint8Array, length: number): unknown {
  views[length] ??= bytes.subarray(0, length);
  for (let i = 0; i < length; i++) bytes[i] = data[i]!;
  begin(stepLimit);
  try {
    fuzz(views[length]);
  } catch (error) {
    return error ?? new Error('the target threw nothing');
  }
  return exceeded() ? new StepLimit('more steps than one input may take, and the exception was caught') : undefined;
}

/**
 * Where an error arose: the innermost frames of its stack that belong to the target. Of a hang the outermost, since it may
 * be interrupted anywhere in its loop.
 */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const ours = frames.findIndex((line) => line.includes(import.meta.url));
  const theirs = ours < 0 ? frames : frames.slice(0, ours);
  const telling =
    error instanceof StepLimit ? theirs.slice(-placeFrames).map(functionOf) : theirs.slice(0, placeFrames);
  return telling.join('\n') || String(error);
}

const placeFrames = 3;

/** A frame without its line. */
function functionOf(frame: string): string {
  return frame.replace(/:\d+:\d+\)?$/, '');
}

/** Cuts pieces off while the target still throws at the same place. */
function shrink({ target, room }: Campaign, { data, error }: Crash): Crash {
  const place = placeOf(error);
  let attempts = error instanceof StepLimit ? mostHangShrinks : mostShrinks;
  const stillThrows = (candidate: Uint8Array) =>
    attempts-- > 0 && placeOf(execute(target, room, candidate, candidate.length)) === place;
  for (let size = data.length >> 1; size > 0; size >>= 1) {
    for (let start = 0; start + size <= data.length; ) {
      const candidate = Uint8Array.from([...data.subarray(0, start), ...data.subarray(start + size)]);
      if (stillThrows(candidate)) data = candidate;
      else start += size;
    }
  }
  return { data, error: execute(target, room, data, data.length) ?? error };
}
