// What each benchmark is to reach, and how a run of all of them is printed beside it. A goal names a ratio of transports or
// a figure; which way is better is the goal's own. Nothing fails by a goal that is missed: this is what is aimed at, and
// how far it is. What must never fall below something is tests/e2e/speed.test.ts.

import type { Result } from './run.ts';

interface Goal {
  readonly bench: string;
  /** A ratio, or a figure if there is no such ratio; `a/b` of two figures. */
  readonly of: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

const goals: readonly Goal[] = [
  { bench: 'stream', of: 'caracal-insecure/net', atLeast: 1.25 },
  { bench: 'stream', of: 'caracal/tls', atLeast: 1.25 },
  { bench: 'stream', of: 'cpuSecondsPerGBInsecure/cpuSecondsPerGBNet', atMost: 1 },
  { bench: 'stream', of: 'cpuSecondsPerGB/cpuSecondsPerGBTls', atMost: 1 },
  { bench: 'rtt', of: 'caracal/net', atMost: 1 },
  { bench: 'connect', of: 'caracal/tls', atLeast: 2 },
  { bench: 'http', of: 'caracal-insecure/net', atLeast: 1 },
  { bench: 'http', of: 'caracal/tls', atLeast: 1 },
  { bench: 'router', of: 'resolutionsPerSecond', atLeast: 150_000 },
  { bench: 'idle', of: 'bytesPerConnection', atMost: 4_096 },
  { bench: 'idle', of: 'caracal/net', atMost: 0.7 },
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
    const result = results.find(({ bench }) => bench === goal.bench);
    const measured = result && measuredOf(result, goal.of);
    if (result === undefined || measured === undefined) return [];
    const { bench, of, atLeast = 0, atMost = Infinity } = goal;
    const text = goal.atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
    const reached = measured >= atLeast && measured <= atMost;
    return [{ bench, of, goal: text, measured, quartiles: result.quartiles[of], reached }];
  });
}

function measuredOf({ ratios, figures }: Result, of: string): number | undefined {
  if (ratios[of] !== undefined) return ratios[of];
  const [a, b] = of.split('/').map((name) => figures[name]);
  if (typeof a !== 'number') return undefined;
  return typeof b === 'number' ? Number((a / b).toPrecision(4)) : a;
}
