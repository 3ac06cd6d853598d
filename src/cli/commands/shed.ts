// `caracal shed NAME|PID`: instances of this user send a share of their clients on to others, and go on serving (F3).

import type { Command } from 'commander';
import type { ShedResult } from '../../index.ts';
import { parseDurationUs } from '../arguments.ts';
import { ExitCode, usageError } from '../errors.ts';
import { askInstances, findInstances, noteFailures, type Outcome } from '../instances.ts';
import { formatTable, print, printJson } from '../output.ts';

interface ShedFlags {
  readonly fraction: number;
  readonly wait: number;
  readonly json: boolean;
}

export function registerShed(program: Command): void {
  program
    .command('shed')
    .description('send a share of the clients of instances on to other instances; nothing is broken off')
    .argument(
      '<name|pid>',
      'a name, a serviceID or a prefix: all its instances of this user on this machine; or one process',
    )
    .requiredOption('--fraction <share>', 'of the connections of each, from 0 to 1', parseFraction)
    .option('--wait <time>', 'for those that were asked to have gone', parseWait, 10e6)
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
Clients that cannot go on elsewhere stay. Name one process where others are to take its load: a name alone asks all
instances on this machine.

Examples:
  caracal shed 4711 --fraction 0.5
  caracal shed web --fraction 0.2 --json`,
    )
    .action(run);
}

function parseFraction(text: string): number {
  const fraction = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(fraction <= 1)) throw usageError(`--fraction is a number from 0 to 1, not "${text}"`);
  return fraction;
}

function parseWait(text: string): number {
  return parseDurationUs(text, '--wait', 0, 86_400e6);
}

async function run(target: string, { fraction, wait, json }: ShedFlags): Promise<void> {
  const instances = await findInstances(target);
  const timeoutMs = wait / 1000;
  const outcomes = await askInstances<ShedResult>(instances, ({ service }) => ({
    operation: 'shed',
    service,
    fraction,
    timeoutMs,
  }));
  const done = outcomes.filter((outcome) => 'result' in outcome);
  if (noteFailures(outcomes, 'shed the clients of')) process.exitCode = ExitCode.FAILED;
  if (json) printJson({ instances: outcomes.map(toJson) });
  else if (done.length > 0)
    print(
      formatTable(done, [
        { title: 'pid', value: ({ pid }) => String(pid), align: 'right' },
        { title: 'program', value: ({ program }) => program },
        { title: 'service', value: ({ names }) => names.join(', ') },
        { title: 'asked', value: ({ result }) => String(result.asked), align: 'right' },
        { title: 'moved', value: ({ result }) => String(result.moved), align: 'right' },
      ]),
    );
}

function toJson(outcome: Outcome<ShedResult>): object {
  const { pid, program, names } = outcome;
  return { pid, program, services: names, ...('result' in outcome ? outcome.result : { error: outcome.error }) };
}
