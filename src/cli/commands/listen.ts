// `caracal listen SERVICE`: accepts one connection and joins it to stdin and stdout, as nc -l does.

import { once } from 'node:events';
import type { Command } from 'commander';
import { createServer, type Socket } from '../../index.ts';
import { drainAtStop, graceFlag, stopRequested } from '../daemon.ts';
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
  graceFlag(securityFlags(shareFlags(command), true), 2e6)
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

async function run(service: string, options: ShareOptions & SecurityFlags & { readonly grace: number }): Promise<void> {
  const stop = stopRequested();
  const server = createServer({ ...securityOf(options), allowHalfOpen: true, pauseOnConnect: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  server.listen({ service, ...shareOf(options) });
  await once(server, 'listening').catch((error: unknown) => {
    throw explain(error, `listen as "${service}"`, 'caracal doctor');
  });
  note(`ready svc://${service}`);
  const drained = drainAtStop(server, stop, options.grace);
  const socket = await Promise.race([accepted, drained]);
  if (socket === undefined) return;
  server.close();
  await pipeStandardStreams(socket, service);
}
