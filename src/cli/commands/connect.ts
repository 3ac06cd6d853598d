// `caracal connect SERVICE`: one connection, joined to stdin and stdout, as nc does.

import type { Command } from 'commander';
import { connect } from '../../index.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';
import { pipeStandardStreams } from '../standard-streams.ts';

export function registerConnect(program: Command): void {
  const command = program
    .command('connect')
    .description('connect to SERVICE and join the connection to stdin and stdout')
    .argument('<service>', 'a name, a serviceID, or NAME@SVC-ID');
  securityFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  caracal connect inbox < a.tar
  echo hello | caracal connect echo`,
    )
    .action(run);
}

async function run(service: string, options: SecurityFlags): Promise<void> {
  await pipeStandardStreams(connect({ ...securityOf(options), service, allowHalfOpen: true }), service);
}
