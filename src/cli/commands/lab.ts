// `caracal lab NAME`: an experiment on real processes, its figures, its plot.

import type { Command } from 'commander';
import { CliError, usageError } from '../errors.ts';
import type { Experiment } from '../lab/experiment.ts';
import { experiments } from '../lab/list.ts';
import { type Finished, runExperiment } from '../lab/run.ts';
import { formatPairs, note, paint, print } from '../output.ts';

interface LabFlags {
  readonly json: boolean;
  readonly quick: boolean;
  readonly out?: string;
}

export function registerLab(program: Command): void {
  const names = formatPairs(experiments.map(({ name, summary }) => [`  ${name}`, summary] as const));
  program
    .command('lab')
    .description('run an experiment on real processes: what survives what, with figures and a plot')
    .argument('<name>', experiments.map(({ name }) => name).join(', '))
    .option('--json', 'print experiment, ok and figures as one object on the last line', false)
    .option('--out <dir>', 'write NAME.svg, the plot, and NAME.json, the raw data, into DIR')
    .option('--quick', 'a short version, with the same claims', false)
    .addHelpText(
      'after',
      `
Experiments:
${names}

As root on Linux hosts are network namespaces with delay and rates, otherwise all is on loopback. Exits with 0 only if
every claim holds. docs/lab.md says what is measured and how.

Examples:
  caracal lab migrate
  caracal lab migrate --json --out plots`,
    )
    .action(run);
}

async function run(name: string, { json, quick, out }: LabFlags): Promise<void> {
  const experiment = experiments.find((one) => one.name === name);
  if (experiment === undefined) {
    const names = experiments.map((one) => one.name).join(', ');
    throw usageError(`there is no experiment "${name}": ${names}`, 'caracal lab migrate');
  }
  const finished = await withSignals((signal) => runExperiment(experiment, out, { quick, say: note, signal }));
  if (json) print(JSON.stringify(finished.report));
  else print(formatFinished(experiment, finished));
  const broken = finished.claims.filter(({ holds }) => !holds).map(({ text }) => text);
  if (broken.length > 0) throw new CliError(`not so: ${broken.join('; ')}`, { next: `caracal lab ${name} --out DIR` });
}

async function withSignals<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const onSignal = (): void => abort.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return await work(abort.signal);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

function formatFinished({ summary }: Experiment, { report, claims, files }: Finished): string {
  const figures = formatPairs(
    Object.entries(report.figures).map(([name, value]) => [name, formatValue(value)] as const),
  );
  const verdicts = claims.map(
    ({ text, holds }) => `${holds ? paint('green', 'holds ') : paint('red', 'broken')}  ${text}`,
  );
  const written = files.length === 0 ? [] : ['', ...files.map((file) => `wrote ${file}`)];
  return [paint('bold', summary), '', figures, '', ...verdicts, ...written].join('\n');
}

/** `{ median: 3, max: 9 }` reads `median 3, max 9`. */
function formatValue(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, part]) => `${key} ${formatValue(part)}`)
    .join(', ');
}
