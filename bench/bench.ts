// The contract of one benchmark: what its two processes do. `run.ts` starts them, once per repeat and transport, so
// that no run inherits another's heap, connections or compiled code.

import type { Transport } from './transports.ts';

export interface Options {
  /** Measured time of one repeat; warming up comes on top. */
  readonly seconds: number;
  readonly repeats: number;
}

/** What one repeat brought: the value of its row, and figures beside it. */
export interface Sample {
  readonly value: number;
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Bench {
  readonly unit: string;
  /** First ours, then whom it is compared with. */
  readonly transports: readonly [string, ...string[]];
  /** Binds, answers where; goes on until the process ends. May report the sample when this end sees it. */
  server(transport: Transport, options: Options, report: (sample: Sample) => void): Promise<string>;
  /** Answers the sample, or nothing if the server reports it. */
  client(transport: Transport, address: string, options: Options): Promise<Sample | undefined>;
  /** From the samples of the first transport and of the second to figures that are not medians of samples. */
  figures?(ours: readonly Sample[], peers: readonly Sample[]): Record<string, unknown>;
}

/** 0 <= fraction <= 1; the smallest value that has at least that share at or below it. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
