// `caracal demo`, also `npm start`: the main job in under a minute, with nothing set up.

import type { Command } from 'commander';
import { type DemoOutcome, type DemoSummary, type InstanceSummary, type Pause, runDemo } from '../demo/run.ts';
import { CliError } from '../errors.ts';
import { formatBytes, formatPairs, formatTable, note, paint, print } from '../output.ts';
import { createProgress } from '../progress.ts';

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('see a download survive a move of its client, a stopped and a killed instance')
    .option('--json', 'print the summary as one object on the last line', false)
    .addHelpText(
      'after',
      `
Needs no root, no configuration and 512 MiB in TMPDIR; takes well under a minute.

Examples:
  caracal demo
  caracal demo --json | tail -1`,
    )
    .action(run);
}

async function run({ json }: { json: boolean }): Promise<void> {
  const abort = new AbortController();
  const onSignal = (): void => abort.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const bar = createProgress('download', 256 * 1024 * 1024);
  let shownBytes = 0;
  let outcome: DemoOutcome;
  try {
    outcome = await runDemo({
      signal: abort.signal,
      say: (line) => {
        bar.finish();
        if (json) note(line);
        else print(line);
      },
      onProgress: (bytes) => {
        bar.advance(bytes - shownBytes);
        shownBytes = bytes;
      },
    });
  } finally {
    bar.finish();
  }
  const { summary, problems } = outcome;
  if (json) print(JSON.stringify(summary));
  else print(`\n${formatSummary(summary)}`);
  if (!summary.ok) throw new CliError(`the demo failed: ${problems.join('; ')}`, { next: 'caracal doctor' });
}

function formatSummary(summary: DemoSummary): string {
  const { ok, bytes, seconds, sha256Ok, routerPackets, directPackets, instances, migrations, failovers } = summary;
  const totals = formatPairs([
    ['bytes', `${bytes} (${formatBytes(bytes)})`],
    ['time', `${seconds.toFixed(2)} s`],
    ['rate', `${(bytes / 1e6 / Math.max(seconds, 1e-3)).toFixed(0)} MB/s`],
    ['packets through the router', `${routerPackets} (registrations included)`],
    ['packets direct', String(directPackets)],
    ['connections that moved', formatPauses(migrations)],
    ['answers that went on elsewhere', formatPauses(failovers)],
    ['content', sha256Ok ? 'every hash is right' : 'WRONG'],
  ]);
  const table = formatTable(instances, [
    { title: 'instance', value: ({ name }) => name },
    { title: 'requests', value: ({ requests }) => String(requests), align: 'right' },
    { title: 'bytes', value: (instance) => formatBytes(instance.bytes), align: 'right' },
    { title: 'end', value: formatEnd },
  ]);
  return `${totals}\n\n${table}\n\n${ok ? paint('green', 'ok') : paint('red', 'failed')}`;
}

function formatPauses(pauses: readonly Pause[]): string {
  const longestMs = pauses.reduce((longest, { pauseMs }) => Math.max(longest, pauseMs), 0);
  return pauses.length === 0 ? 'NONE' : `${pauses.length}, longest pause ${longestMs.toFixed(1)} ms`;
}

function formatEnd({ stopped, killed }: InstanceSummary): string {
  if (killed) return 'killed in the middle of an answer';
  return stopped ? 'stopped politely half way' : 'served to the end';
}
