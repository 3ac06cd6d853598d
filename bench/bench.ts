// The contract of one benchmark: what its two processes do. `run.ts` starts them, once per repeat and transport, so
// that no run inherits another's heap, connections or compiled code.

import type { Transport } from './transport.ts';

export interface Options {
  /** Measured time of one repeat; warming up comes on top, and never takes longer. */
  readonly seconds: number;
  readonly repeats: number;
  /** Folder for a CPU profile of each process: the last repeat's stay. */
  readonly profile?: string | undefined;
  /** Of a benchmark with points: this one. */
  readonly at?: number | undefined;
  /** Of a benchmark on an impaired path. */
  readonly path?: PathOptions | undefined;
}

/** Both ways alike: each loses, and has half of the round trip. */
export interface PathOptions {
  readonly lossPercent: number;
  readonly rttMs: number;
  readonly mbits: number;
}

/** What one repeat brought: the value of its row, and figures beside it. */
export interface Sample {
  readonly value: number;
  readonly figures?: Readonly<Record<string, number>>;
}

/** Of a run, by transport; those that were left out of it are missing. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

export interface Bench {
  readonly unit: string;
  /** On a path that delays and loses (impairing-link.ts), instead of a clean one. */
  readonly impaired?: boolean;
  /** In the order in which they run. */
  readonly transports: readonly string[];
  /** Run only when they are asked for. */
  readonly peers?: readonly string[];
  /** Which medians are divided by which. */
  readonly ratios: readonly (readonly [string, string])[];
  /** Why this machine has no such transport, in words; undefined: it has. The benchmark then runs without it, and says so. */
  missing?(transport: string, options: Options): string | undefined;
  /** What it is measured at, for a curve of its cost; each is a result of its own. */
  readonly points?: { readonly of: string; readonly values: readonly number[] };
  /**
   * Binds, answers where; goes on until the process ends. May report the sample when this end sees it. Without one there is
   * nothing to reach: the client computes.
   */
  server?(transport: Transport, options: Options, report: (sample: Sample) => void): Promise<string>;
  /** Answers the sample, or nothing if the server reports it. */
  client(transport: Transport, address: string, options: Options): Promise<Sample | undefined>;
  /** Figures that are not medians of samples. */
  figures?(samples: Samples, options: Options): Record<string, unknown>;
}

/** A connection's: encrypted beside encrypted, clear beside clear. */
export const connectionTransports = {
  transports: ['caracal', 'tls', 'caracal-insecure', 'net'],
  ratios: [
    ['caracal', 'tls'],
    ['caracal', 'net'],
    ['caracal-insecure', 'net'],
  ],
} as const;

/** One figure of each transport: `p99Us` of caracal, `p99UsTls` and so on of the others. */
export function figureOfEach(
  name: string,
  samples: Samples,
  value: (samples: readonly Sample[]) => number,
): Record<string, number> {
  return Object.fromEntries([...samples].map(([transport, list]) => [figureName(name, transport), value(list)]));
}

export function figureName(name: string, transport: string): string {
  const words = transport.replace(/^caracal-?/, '').split('-');
  return name + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

export function medianFigure(samples: readonly Sample[], name: string): number {
  return median(samples.map(({ figures }) => figures?.[name] ?? Number.NaN));
}

/** Of each transport the medians of what its samples have beside their value. */
export function medianFigures(names: readonly string[], samples: Samples): Record<string, number> {
  const each = names.map((name) => figureOfEach(name, samples, (list) => medianFigure(list, name)));
  return Object.assign({}, ...each) as Record<string, number>;
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
