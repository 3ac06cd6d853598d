// A rate of what completes one after another, as `connect` and `http` measure it: some of it warms up, by number or, in
// a short run, for as long as will be measured; what completes from then on counts.

import type { Sample } from './bench.ts';

/** To be called at each completion; answers the sample once `seconds` have been measured, per second. */
export function createMeter(seconds: number, warmUp: number): () => Sample | undefined {
  const measuredNs = BigInt(Math.round(seconds * 1e9));
  const warmUntil = process.hrtime.bigint() + measuredNs;
  let completed = 0;
  let warmBy = 0;
  let from = 0n;
  let until = 0n;
  return () => {
    const now = process.hrtime.bigint();
    completed++;
    if (until === 0n && (completed === warmUp || now > warmUntil)) {
      warmBy = completed;
      from = now;
      until = now + measuredNs;
    }
    if (until === 0n || now < until) return undefined;
    return { value: ((completed - warmBy) * 1e9) / Number(now - from) };
  };
}
