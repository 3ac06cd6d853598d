// Many seeds in a row and their summary. One seed in a hundred is played twice, the second time with node:crypto: the
// traces must be equal to the bit, or a failing seed could not be replayed.

import assert from 'node:assert/strict';
import { createCrypto } from '../../src/crypto/index.ts';
import { traceHash } from '../../src/sim/index.ts';
import { makePlan } from './plan.ts';
import { playPlan, type Verdict } from './play.ts';

export interface Summary {
  readonly seeds: number;
  readonly from: number;
  readonly failed: readonly { readonly seed: number; readonly faults: readonly string[]; readonly replay: string }[];
  /** Connections by how the client saw them end. */
  readonly endings: Readonly<Record<string, number>>;
  readonly repeated: number;
  readonly packets: number;
  /** Seeds that failed. */
  readonly violations: number;
  readonly simulatedHours: number;
  readonly seconds: number;
}

const repeatEvery = 100;
const nodeCrypto = createCrypto();

/** Plays seeds `from` to `from + count - 1`; `onVerdict` hears of each. */
export function simulateSeeds(from: number, count: number, onVerdict: (verdict: Verdict) => void): Summary {
  const startedMs = performance.now();
  const failed: { seed: number; faults: readonly string[]; replay: string }[] = [];
  const endings: Record<string, number> = {};
  let [repeated, packets, virtualUs] = [0, 0, 0];
  for (let seed = from; seed < from + count; seed++) {
    const repeat = (seed - from) % repeatEvery === 0;
    const verdict = judgeSeed(seed, repeat);
    onVerdict(verdict);
    if (repeat) repeated++;
    packets += verdict.packets;
    virtualUs += verdict.virtualUs;
    for (const [name, times] of Object.entries(verdict.endings)) endings[name] = (endings[name] ?? 0) + times;
    if (verdict.faults.length > 0)
      failed.push({ seed, faults: verdict.faults, replay: `npm run simulate -- --from ${seed} --seeds 1` });
  }
  const seconds = Math.round((performance.now() - startedMs) / 10) / 100;
  return {
    seeds: count,
    from,
    failed,
    endings,
    repeated,
    packets,
    violations: failed.length,
    simulatedHours: Math.round(virtualUs / 36e6) / 100,
    seconds,
  };
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
  const { failed, endings } = simulateSeeds(from, count, () => undefined);
  assert.equal(failed.map(({ replay, faults }) => `${replay}\n  ${faults.join('\n  ')}\n`).join(''), '');
  const total = Object.values(endings).reduce((sum, times) => sum + times, 0);
  assert.ok((endings['ok'] ?? 0) > 0.6 * total, `most connections end in order: ${JSON.stringify(endings)}`);
}
