// `caracal drain NAME|PID`: instances of this user take their name back, send their clients on and end when the last one
// has gone (F3).

import type { Command } from 'commander';
import type { DrainResult } from '../../index.ts';
import { parseDurationUs } from '../arguments.ts';
import { ExitCode } from '../errors.ts';
import { askInstances, findInstances, noteFailures, type Outcome } from '../instances.ts';
import { formatTable, print, printJson } from '../output.ts';

interface DrainFlags {
  readonly deadline: number;
  readonly json: boolean;
}

export function registerDrain(program: Command): void {
  program
    .command('drain')
    .description('take instances out of service: no new client, those they have are sent on or may finish')
    .argument(
      '<name|pid>',
      'a name, a serviceID or a prefix: all its instances of this user on this machine; or one process',
    )
    .option('--deadline <time>', 'then what is left is reset', parseDeadline, 30e6)
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
Works on every program that serves by this stack. "serve", "expose" and "listen" end when they are drained; SIGTERM
drains them, too, with --grace as the deadline. Exits with 0 if every connection ended by itself, with 1 if one
was reset.

Examples:
  caracal drain web
  caracal drain 4711 --deadline 2m`,
    )
    .action(run);
}

function parseDeadline(text: string): number {
  return parseDurationUs(text, '--deadline', 0, 86_400e6);
}

async function run(target: string, { deadline, json }: DrainFlags): Promise<void> {
  const instances = await findInstances(target);
  const deadlineMs = deadline / 1000;
  const outcomes = await askInstances<DrainResult>(instances, ({ service }) => ({
    operation: 'drain',
    service,
    deadlineMs,
  }));
  const drained = outcomes.filter((outcome) => 'result' in outcome);
  const failed = noteFailures(outcomes, 'drain');
  if (failed || drained.some(({ result }) => result.reset > 0)) process.exitCode = ExitCode.FAILED;
  if (json) printJson({ instances: outcomes.map(toJson) });
  else if (drained.length > 0)
    print(
      formatTable(drained, [
        { title: 'pid', value: ({ pid }) => String(pid), align: 'right' },
        { title: 'program', value: ({ program }) => program },
        { title: 'service', value: ({ names }) => names.join(', ') },
        { title: 'moved', value: ({ result }) => String(result.moved), align: 'right' },
        { title: 'ended', value: ({ result }) => String(result.ended), align: 'right' },
        { title: 'reset', value: ({ result }) => String(result.reset), align: 'right' },
      ]),
    );
}

function toJson(outcome: Outcome<DrainResult>): object {
  const { pid, program, names } = outcome;
  return { pid, program, services: names, ...('result' in outcome ? outcome.result : { error: outcome.error }) };
}
