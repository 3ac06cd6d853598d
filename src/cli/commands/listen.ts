// `caracal listen SERVICE`: accepts one connection and joins it to stdin and stdout, as nc -l does.

import { once } from 'node:events';
import type { Command } from 'commander';
import { createServer, type Socket } from '../../index.ts';
import { explain } from '../errors.ts';
import { note } from '../output.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';
import { type ShareOptions, shareFlags, shareOf } from '../share.ts';
import { pipeStandardStreams } from '../standard-streams.ts';

export function registerListen(program: Command): void {
  const command = program
    .command('listen')
    .description('accept one connection to SERVICE and join it to stdin and stdout')
    .argument('<service>', 'a name, or a serviceID');
  securityFlags(shareFlags(command), true)
    .addHelpText(
      'after',
      `
Its "ready" line goes to stderr: stdout belongs to the data.

Examples:
  caracal listen inbox > received.tar          then elsewhere: caracal connect inbox < a.tar
  caracal listen chat`,
    )
    .action(run);
}

async function run(service: string, options: ShareOptions & SecurityFlags): Promise<void> {
  const server = createServer({ ...securityOf(options), allowHalfOpen: true, pauseOnConnect: true });
  server.listen({ service, ...shareOf(options) });
  await once(server, 'listening').catch((error: unknown) => {
    throw explain(error, `listen as "${service}"`, 'caracal doctor');
  });
  note(`ready svc://${service}`);
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  await pipeStandardStreams(socket, service);
}
