// What an experiment is: it runs on real processes, measures, says which claims it makes and whether they hold, and gives
// its raw data with a plot of them. Whoever runs it decides where the results go.

import type { Lab } from './lab.ts';
import type { Chart } from './plot.ts';

export interface Experiment {
  readonly name: string;
  /** What it shows, in a line of a list. */
  readonly summary: string;
  run(lab: Lab): Promise<Outcome>;
}

export interface Claim {
  readonly text: string;
  readonly holds: boolean;
}

export interface Outcome {
  /** The numbers of `--json`. Milliseconds end in `Ms`. */
  readonly figures: Readonly<Record<string, unknown>>;
  readonly claims: readonly Claim[];
  readonly chart: Chart;
  /** What the plot was drawn from: plain JSON. */
  readonly series: Readonly<Record<string, unknown>>;
}
