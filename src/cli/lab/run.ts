// One run of an experiment, from its name to its results: the object of --json, and with a folder the plot and the raw
// data in it.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { explain } from '../errors.ts';
import type { Experiment, Outcome } from './experiment.ts';
import { Lab, type LabOptions } from './lab.ts';
import { renderChart } from './plot.ts';

/** The object of `--json`. */
export interface Report {
  readonly experiment: string;
  /** All claims hold. */
  readonly ok: boolean;
  readonly figures: Outcome['figures'];
}

export interface Finished {
  readonly report: Report;
  readonly claims: Outcome['claims'];
  /** Written, as the user named the folder. */
  readonly files: readonly string[];
}

/** `folder` undefined: nothing is written. Throws CliError when it cannot be run or written, or is interrupted. */
export async function runExperiment(
  experiment: Experiment,
  folder: string | undefined,
  options: LabOptions,
): Promise<Finished> {
  if (folder !== undefined) await mkdir(folder, { recursive: true }).catch(unwritable(folder));
  const outcome = await Lab.with(options, (lab) => experiment.run(lab));
  const { figures, claims } = outcome;
  const report = { experiment: experiment.name, ok: claims.every(({ holds }) => holds), figures };
  const files = folder === undefined ? [] : await write(folder, report, outcome);
  return { report, claims, files };
}

async function write(folder: string, report: Report, { claims, chart, series }: Outcome): Promise<string[]> {
  const path = join(folder, report.experiment);
  const files = [`${path}.svg`, `${path}.json`] as const;
  await writeFile(files[0], renderChart(chart)).catch(unwritable(files[0]));
  await writeFile(files[1], `${JSON.stringify({ ...report, claims, series }, undefined, 1)}\n`).catch(
    unwritable(files[1]),
  );
  return [...files];
}

function unwritable(path: string): (error: unknown) => never {
  return (error) => {
    throw explain(error, `write ${path}`);
  };
}
