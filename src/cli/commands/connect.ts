// `caracal connect SERVICE`: one connection, joined to stdin and stdout, as nc does.

import type { Command } from 'commander';
import { connect } from '../../index.ts';
import { pipeStandardStreams } from '../standard-streams.ts';

export function registerConnect(program: Command): void {
  program
    .command('connect')
    .description('connect to SERVICE and join the connection to stdin and stdout')
    .argument('<service>', 'a name, or a serviceID')
    .addHelpText(
      'after',
      `
Examples:
  caracal connect inbox < a.tar
  echo hello | caracal connect echo`,
    )
    .action(run);
}

async function run(service: string): Promise<void> {
  await pipeStandardStreams(connect({ service, allowHalfOpen: true }), service);
}
