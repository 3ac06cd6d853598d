// What the experiments make of their measurements: quantiles, distributions, rates over time. Pure functions of plain
// arrays; nothing is smoothed, so that a plot shows what was measured and no more.

/** [milliseconds, value]. */
export type Sample = readonly [number, number];

/** The value below which the share `q` lies, interpolated between neighbours; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}

/** `{ median, max }`, to a hundredth. */
export function summarize(values: readonly number[]): { median: number; max: number } {
  return { median: rounded(quantile(values, 0.5)), max: rounded(quantile(values, 1)) };
}

/** To `digits` behind the point. */
export function rounded(value: number, digits = 2): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}

/** The empirical distribution as steps: share of the values that are at most x. */
export function distribution(values: readonly number[]): Sample[] {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.map((value, i) => [value, (i + 1) / sorted.length] as const);
}

/** Mbit/s in bins of `binMs` from `fromMs` on, of samples [ms, bytes]; each point stands at the middle of its bin. */
export function rates(samples: readonly Sample[], binMs: number, fromMs: number, toMs: number): Sample[] {
  const bytes = new Array<number>(Math.max(0, Math.ceil((toMs - fromMs) / binMs))).fill(0);
  for (const [atMs, count] of samples) {
    const bin = Math.floor((atMs - fromMs) / binMs);
    if (bin >= 0 && bin < bytes.length) bytes[bin]! += count;
  }
  return bytes.map((count, i) => [fromMs + (i + 0.5) * binMs, (count * 8) / binMs / 1e3] as const);
}

/** The longest time between two neighbours in `timesMs` (ascending) of which the second is after `fromMs` and not after `toMs`. */
export function longestGapMs(timesMs: readonly number[], fromMs = Number.NEGATIVE_INFINITY, toMs = Infinity): number {
  let longest = 0;
  for (let i = 1; i < timesMs.length; i++) {
    const atMs = timesMs[i]!;
    if (atMs > fromMs && atMs <= toMs) longest = Math.max(longest, atMs - timesMs[i - 1]!);
  }
  return longest;
}
