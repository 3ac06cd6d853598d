// Many seeds in a row and what became of them. One seed in a hundred is played twice, the second time with node:crypto: the
// traces must be equal to the bit, or a failing seed could not be replayed.

import assert from 'node:assert/strict';
import { createCrypto } from '../../src/crypto/index.ts';
import { traceHash } from '../../src/sim/index.ts';
import { makePlan } from './plan.ts';
import { playPlan, type Verdict } from './play.ts';

/** Plain data: processes tell each other. */
export interface Tally {
  seeds: number;
  readonly failed: Failure[];
  /** Connections by how the client saw them end. */
  readonly endings: Record<string, number>;
  repeated: number;
  packets: number;
  virtualUs: number;
}

export interface Failure {
  readonly seed: number;
  readonly faults: readonly string[];
  readonly replay: string;
}

const repeatEvery = 100;
const nodeCrypto = createCrypto();

export function createTally(): Tally {
  return { seeds: 0, failed: [], endings: {}, repeated: 0, packets: 0, virtualUs: 0 };
}

/** Plays seeds `from` to `from + count - 1`. */
export function playSeeds(from: number, count: number): Tally {
  const tally = createTally();
  for (let seed = from; seed < from + count; seed++) {
    const repeat = (seed - from) % repeatEvery === 0;
    const { faults, endings, packets, virtualUs } = judgeSeed(seed, repeat);
    const failed =
      faults.length === 0 ? [] : [{ seed, faults, replay: `npm run simulate -- --from ${seed} --seeds 1` }];
    addTally(tally, { seeds: 1, failed, endings, repeated: repeat ? 1 : 0, packets, virtualUs });
  }
  return tally;
}

export function addTally(sum: Tally, more: Readonly<Tally>): void {
  sum.seeds += more.seeds;
  sum.failed.push(...more.failed);
  for (const [name, times] of Object.entries(more.endings)) sum.endings[name] = (sum.endings[name] ?? 0) + times;
  sum.repeated += more.repeated;
  sum.packets += more.packets;
  sum.virtualUs += more.virtualUs;
}

function judgeSeed(seed: number, repeat: boolean): Verdict {
  const verdict = playPlan(makePlan(seed), repeat);
  if (!repeat) return verdict;
  const again = playPlan(makePlan(seed), true, nodeCrypto);
  const [hash, hashAgain] = [verdict, again].map(({ simulation }) => traceHash(simulation.trace));
  if (hash === hashAgain) return verdict;
  return { ...verdict, faults: [...verdict.faults, `two runs differ: ${hash} and ${hashAgain}`] };
}

/** Throws an AssertionError that tells of every failing seed how to play it alone. */
export function assertSeeds(from: number, count: number): void {
  const { failed, endings } = playSeeds(from, count);
  assert.equal(failed.map(({ replay, faults }) => `${replay}\n  ${faults.join('\n  ')}\n`).join(''), '');
  const total = Object.values(endings).reduce((sum, times) => sum + times, 0);
  assert.ok((endings['ok'] ?? 0) > 0.6 * total, `most connections end in order: ${JSON.stringify(endings)}`);
}
