// `caracal flows`: the connections of every program of this user that runs our stack (O1).

import type { Command } from 'commander';
import type { FlowInfo } from '../../core/stack/index.ts';
import { formatBytes, formatDuration, formatTable, print, printJson } from '../output.ts';
import { nameBook, readStacks } from '../statuses.ts';
import { proofOf } from './rules.ts';

interface Line extends FlowInfo {
  readonly pid: number;
  readonly program: string;
  readonly name: string | null;
}

export function registerFlows(program: Command): void {
  program
    .command('flows')
    .description('connections of all programs of this user: state, bytes, round trip, window')
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
Examples:
  caracal flows
  caracal flows --json`,
    )
    .action(run);
}

async function run({ json }: { json: boolean }): Promise<void> {
  const stacks = await readStacks();
  const names = nameBook(stacks);
  const flows = stacks.flatMap(({ pid, program, flows: own }) =>
    own.map((flow): Line => ({ pid, program, name: names.get(flow.service) ?? null, ...flow })),
  );
  if (json) return printJson({ flows });
  if (flows.length === 0) {
    print('no flows');
    return;
  }
  print(
    formatTable(flows, [
      { title: 'pid', value: ({ pid }) => String(pid), align: 'right' },
      { title: 'program', value: ({ program }) => program },
      { title: 'service', value: ({ name, service }) => name ?? service },
      { title: 'role', value: ({ role }) => role },
      { title: 'state', value: ({ state }) => state },
      { title: 'peer', value: peerOf },
      ...(flows.some(({ pathRole }) => pathRole !== null) ? [{ title: 'path', value: pathOf }] : []),
      { title: 'in', value: ({ bytesIn }) => formatBytes(bytesIn), align: 'right' },
      { title: 'out', value: ({ bytesOut }) => formatBytes(bytesOut), align: 'right' },
      { title: 'rtt', value: ({ rttUs }) => formatDuration(rttUs), align: 'right' },
      { title: 'cwnd', value: ({ cwndBytes }) => formatBytes(cwndBytes), align: 'right' },
      { title: 'packet', value: ({ packetBytes }) => String(packetBytes), align: 'right' },
      { title: 'resent', value: ({ retransmits }) => String(retransmits), align: 'right' },
      { title: 'flow', value: ({ localFlow }) => localFlow },
    ]),
  );
}

/** Of several: its number, its interface, and whether it is preferred or a backup. */
function pathOf({ path, pathRole, interface: name }: Line): string {
  if (pathRole === null) return '';
  return [path, name, pathRole === 'regular' ? null : pathRole].filter((part) => part !== null).join(' ');
}

/** What is known of the other end, and, where it is not so, that nobody else reads along. */
function peerOf(flow: Line): string {
  return flow.encrypted ? proofOf(flow) : `${proofOf(flow)}, in the clear`;
}
