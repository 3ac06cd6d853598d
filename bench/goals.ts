// What each benchmark is to reach, and how a run of all of them is printed beside it. A goal names a ratio of transports or
// a figure; which way is better is the goal's own. Nothing fails by a goal that is missed: this is what is aimed at, and
// how far it is. What must never fall below something is tests/e2e/speed.test.ts.

import { type Result, type Row, titleOf } from './run.ts';

interface Goal {
  readonly bench: string;
  /** Of a benchmark with points. */
  readonly at?: number;
  /** A ratio, a figure if there is no such ratio, or the transport of a row; `a/b` of two figures. */
  readonly of: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

const goals: readonly Goal[] = [
  { bench: 'stream', of: 'caracal-insecure/net', atLeast: 1.25 },
  { bench: 'stream', of: 'caracal/tls', atLeast: 1.25 },
  { bench: 'stream', of: 'cpuSecondsPerGBInsecure/cpuSecondsPerGBNet', atMost: 1 },
  { bench: 'stream', of: 'cpuSecondsPerGB/cpuSecondsPerGBTls', atMost: 1 },
  { bench: 'dgram', of: 'caracal-dgram/net', atLeast: 0.08 },
  { bench: 'rtt', of: 'caracal/net', atMost: 1 },
  { bench: 'connect', of: 'caracal/tls', atLeast: 2 },
  { bench: 'http', of: 'caracal-insecure/net', atLeast: 1 },
  { bench: 'http', of: 'caracal/tls', atLeast: 1 },
  { bench: 'router', of: 'resolutionsPerSecond', atLeast: 150_000 },
  { bench: 'router', of: 'caracal/c-forwarder', atLeast: 0.8 },
  { bench: 'lookup', at: 100_000, of: 'caracal', atLeast: 3_000_000 },
  { bench: 'demux', at: 100_000, of: 'caracal', atMost: 50 },
  { bench: 'idle', at: 10_000, of: 'caracal', atMost: 4_096 },
  { bench: 'idle', at: 10_000, of: 'caracal/net', atMost: 0.7 },
  { bench: 'idle', at: 100_000, of: 'caracal', atMost: 4_096 },
  { bench: 'idle', at: 1000, of: 'cpuPercent', atMost: 0.1 },
  { bench: 'lossy', of: 'caracal/net', atLeast: 0.9 },
  { bench: 'lossy', of: 'caracal-insecure/net', atLeast: 0.9 },
];

export interface GoalRow {
  readonly bench: string;
  readonly of: string;
  /** `>= 1.25` */
  readonly goal: string;
  readonly measured: number;
  /** Of the repeats, where it is a ratio of transports. */
  readonly quartiles: readonly [number, number] | undefined;
  readonly reached: boolean;
}

/** What was left out of the runs has no row. */
export function compareWithGoals(results: readonly Result[]): GoalRow[] {
  return goals.flatMap((goal) => {
    const result = results.find(({ bench, at }) => bench === goal.bench && at === goal.at);
    const measured = result && measuredOf(result, goal.of);
    if (result === undefined || measured === undefined) return [];
    const { of, atLeast = 0, atMost = Infinity } = goal;
    const text = goal.atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
    const reached = measured >= atLeast && measured <= atMost;
    const quartiles = result.quartiles[of] ?? rowOf(result, of)?.quartiles;
    return [{ bench: titleOf(result), of, goal: text, measured, quartiles, reached }];
  });
}

function measuredOf(result: Result, of: string): number | undefined {
  const { ratios, figures } = result;
  if (ratios[of] !== undefined) return ratios[of];
  const [a, b] = of.split('/').map((name) => figures[name]);
  if (typeof a !== 'number') return rowOf(result, of)?.median;
  return typeof b === 'number' ? Number((a / b).toPrecision(4)) : a;
}

function rowOf({ rows }: Result, of: string): Row | undefined {
  return rows.find(({ transport }) => transport === of);
}
