// Which of many inputs to commit: as few and as short ones as take every way that all of them take together. Greedy set
// cover: always the one that adds most. The number is bounded, since each file is replayed with every test run for ever.

import { begin, features } from './coverage.ts';
import type { Target } from './target.ts';

const mostInputs = 60;
const mostBytes = 2048;

/** What of `inputs` to keep beside `kept`. The target is a measured one. */
export function minimize(target: Target, kept: readonly Uint8Array[], inputs: readonly Uint8Array[]): Uint8Array[] {
  const covered = new Set(kept.flatMap((data) => featuresOf(target, data) ?? []));
  let candidates = inputs
    .filter(({ length }) => length <= mostBytes)
    .sort((a, b) => a.length - b.length)
    .map((data) => ({ data, adds: featuresOf(target, data) ?? [] }));
  const chosen: Uint8Array[] = [];
  while (chosen.length < mostInputs) {
    for (const candidate of candidates) candidate.adds = candidate.adds.filter((feature) => !covered.has(feature));
    candidates = candidates.filter(({ adds }) => adds.length > 0);
    const [first, ...others] = candidates;
    if (first === undefined) break;
    const best = others.reduce((best, other) => (other.adds.length > best.adds.length ? other : best), first);
    for (const feature of best.adds) covered.add(feature);
    chosen.push(best.data);
  }
  return chosen;
}

/** Undefined: the input makes the target throw. */
function featuresOf({ fuzz, stepLimit }: Target, data: Uint8Array): number[] | undefined {
  begin(stepLimit);
  try {
    fuzz(data.slice());
  } catch {
    return undefined;
  }
  return features();
}
