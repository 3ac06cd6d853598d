// One run of the fuzzer against one target: replay the corpus, then mutate it until the time is up or enough inputs made
// the target throw. The sequence of inputs follows from the seed and the corpus alone; only where it stops depends on time.

import { randomBelow, seededRandom } from '../../src/core/base/index.ts';
import { mutate } from './mutate.ts';

export type Target = (data: Uint8Array) => void;

export interface CampaignOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Ends the run before the time is up. */
  readonly maxExecutions?: number;
  readonly maxBytes?: number;
}

export interface Crash {
  readonly data: Uint8Array;
  readonly error: unknown;
}

export interface CampaignResult {
  readonly executions: number;
  readonly seconds: number;
  /** One per place in the code that threw. */
  readonly crashes: readonly Crash[];
  readonly slowestMs: number;
}

/** Different places in one target that throw; more are hardly read. */
const mostCrashes = 10;
/** Longer than this is a finding of its own: one packet must not hold up the others. */
export const slowMs = 50;

export function runCampaign(target: Target, corpus: readonly Uint8Array[], options: CampaignOptions): CampaignResult {
  const { seed, seconds, maxExecutions = Number.POSITIVE_INFINITY, maxBytes = 4096 } = options;
  const random = seededRandom(seed);
  const pool = corpus.length > 0 ? [...corpus] : [new Uint8Array(0)];
  const crashes = new Map<string, Crash>();
  const started = performance.now();
  let now = started;
  let executions = 0;
  let slowestMs = 0;
  while (executions < maxExecutions && crashes.size < mostCrashes && now - started < seconds * 1000) {
    const data = executions < pool.length ? pool[executions]! : mutate(pool, random, maxBytes);
    const error = execute(target, data);
    if (error !== undefined && !crashes.has(placeOf(error))) crashes.set(placeOf(error), { data, error });
    const ended = performance.now();
    if (executions >= warmUp && ended - now > slowestMs)
      slowestMs = Math.max(slowestMs, confirmMs(target, data, ended - now));
    now = ended;
    executions++;
    // Without coverage nothing tells a good input: keeping one now and then lets changes add up.
    if (executions > pool.length && randomBelow(random, keepOneIn) === 0) keep(pool, corpus.length, data, random);
  }
  return {
    executions,
    seconds: (now - started) / 1000,
    crashes: [...crashes.values()].map((crash) => shrink(target, crash)),
    slowestMs,
  };
}

/** Before this many, the time of an execution is the compiler's. */
const warmUp = 1000;
const keepOneIn = 64;
const mostKept = 256;

function execute(target: Target, data: Uint8Array): unknown {
  try {
    target(data.slice());
    return undefined;
  } catch (error) {
    return error ?? new Error('the target threw nothing');
  }
}

/** The machine may have been busy with something else: what is slow is slow again. */
function confirmMs(target: Target, data: Uint8Array, firstMs: number): number {
  const started = performance.now();
  execute(target, data);
  return Math.min(firstMs, performance.now() - started);
}

function keep(pool: Uint8Array[], fixed: number, data: Uint8Array, random: ReturnType<typeof seededRandom>): void {
  if (pool.length < fixed + mostKept) pool.push(data);
  else pool[fixed + randomBelow(random, mostKept)] = data;
}

/** Where an error arose: the innermost frames of its stack that belong to the target. */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const ours = frames.findIndex((line) => line.includes(import.meta.url));
  return frames.slice(0, Math.min(3, ours)).join('\n') || String(error);
}

/** Cuts pieces off while the target still throws at the same place. */
function shrink(target: Target, { data, error }: Crash): Crash {
  const place = placeOf(error);
  const stillThrows = (candidate: Uint8Array) => placeOf(execute(target, candidate)) === place;
  for (let size = data.length >> 1; size > 0; size >>= 1) {
    for (let start = 0; start + size <= data.length; ) {
      const candidate = Uint8Array.from([...data.subarray(0, start), ...data.subarray(start + size)]);
      if (stillThrows(candidate)) data = candidate;
      else start += size;
    }
  }
  return { data, error: execute(target, data) };
}
