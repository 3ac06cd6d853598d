// `caracal expose SERVICE HOST:PORT`: a TCP server that knows nothing of services becomes an instance of one (L2).

import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { Command } from 'commander';
import { createServer } from '../../index.ts';
import { parseHostPort } from '../arguments.ts';
import { announceReady, drainAtStop, graceFlag, stopRequested } from '../daemon.ts';
import { explain, reasonOf } from '../errors.ts';
import { note } from '../output.ts';
import { relay } from '../relay.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';
import { type ShareOptions, shareFlags, shareOf } from '../share.ts';

interface ExposeOptions extends ShareOptions, SecurityFlags {
  readonly grace: number;
}

export function registerExpose(program: Command): void {
  const command = program
    .command('expose')
    .description('make the TCP server at HOST:PORT an instance of SERVICE')
    .argument('<service>', 'a name, or a serviceID')
    .argument('<host:port>', 'where the TCP server listens; a port alone is on 127.0.0.1');
  graceFlag(securityFlags(shareFlags(command), true), 2e6)
    .addHelpText(
      'after',
      `
Examples:
  caracal expose web 127.0.0.1:80        nginx becomes the service "web"
  caracal expose db 5432                 and PostgreSQL "db"`,
    )
    .action(run);
}

async function run(service: string, target: string, options: ExposeOptions): Promise<void> {
  const stop = stopRequested();
  const { host, port } = parseHostPort(target, 'HOST:PORT', { defaultHost: '127.0.0.1' });
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  let complained = false;
  const server = createServer({ ...securityOf(options), allowHalfOpen: true }, (socket) => {
    const tcp = connectTcp({ host, port, allowHalfOpen: true, noDelay: true });
    tcp.once('connect', () => {
      complained = false;
    });
    // The error reaches the service's client as a reset; said once here until it works again.
    tcp.once('error', (error) => {
      if (tcp.bytesRead > 0 || complained) return;
      complained = true;
      note(`caracal: cannot reach the TCP server at ${where}: ${reasonOf(error)}; connections are reset`);
    });
    relay(socket, tcp);
  });
  server.listen({ service, ...shareOf(options) });
  await once(server, 'listening').catch((error: unknown) => {
    throw explain(error, `listen as "${service}"`, 'caracal doctor');
  });
  announceReady(`svc://${service} leads to ${where}`);
  await drainAtStop(server, stop, options.grace);
}
