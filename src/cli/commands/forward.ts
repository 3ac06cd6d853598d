// `caracal forward PORT SERVICE`: a local TCP port that leads to a service, so that any TCP program reaches it (L1).

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { Command } from 'commander';
import { connect, parseTarget } from '../../index.ts';
import { parseHostPort } from '../arguments.ts';
import { announceReady, graceFlag, LiveConnections, stopRequested } from '../daemon.ts';
import { explain, reasonOf } from '../errors.ts';
import { note } from '../output.ts';
import { relay } from '../relay.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';

export function registerForward(program: Command): void {
  const command = program
    .command('forward')
    .description('lead a local TCP port to SERVICE: for curl, browsers and every TCP client')
    .argument('<port>', 'a port of 127.0.0.1, or HOST:PORT; port 0 takes a free one')
    .argument('<service>', 'a name, or a serviceID');
  graceFlag(securityFlags(command), 2e6)
    .addHelpText(
      'after',
      `
Examples:
  caracal forward 8080 web               curl http://127.0.0.1:8080/
  caracal forward 0.0.0.0:8080 web       for other machines too`,
    )
    .action(run);
}

async function run(
  target: string,
  service: string,
  options: SecurityFlags & { readonly grace: number },
): Promise<void> {
  const { grace } = options;
  const security = securityOf(options);
  const stop = stopRequested();
  const { host, port } = parseHostPort(target, 'PORT', { defaultHost: '127.0.0.1', least: 0 });
  parseTarget(service);
  const live = new LiveConnections();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (tcp) => {
    const socket = connect({ ...security, service, allowHalfOpen: true });
    let connected = false;
    socket.once('connect', () => {
      connected = true;
    });
    live.add(socket);
    // The TCP client sees a reset; why stands here.
    relay(tcp, socket).then((error) => {
      if (error !== undefined && !connected) note(`caracal: cannot reach "${service}": ${reasonOf(error)}`);
    });
  });
  server.listen(port, host);
  await once(server, 'listening').catch((error: unknown) => {
    throw explain(error, `listen on ${target}`, `caracal forward 0 ${service}   (takes a free port)`);
  });
  const bound = server.address() as AddressInfo;
  const where = bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  announceReady(`${where} leads to svc://${service}`);
  await stop;
  server.close();
  await live.drain(grace / 1000);
}
