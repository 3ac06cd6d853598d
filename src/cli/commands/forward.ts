// `caracal forward PORT SERVICE`: a local TCP port that leads to a service, so that any TCP program reaches it (L1). What
// passes is followed where it is HTTP/1.1, so that a download survives the instance that it comes from (F2); everything
// else passes untouched.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { Command } from 'commander';
import { connect, connectResuming, parseTarget, type Resumed, type Socket } from '../../index.ts';
import { parseHostPort } from '../arguments.ts';
import { announceReady, graceFlag, LiveConnections, stopRequested } from '../daemon.ts';
import { explain, reasonOf } from '../errors.ts';
import { formatBytes, note } from '../output.ts';
import { relay } from '../relay.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';

interface ForwardOptions extends SecurityFlags {
  readonly grace: number;
  readonly raw: boolean;
}

export function registerForward(program: Command): void {
  const command = program
    .command('forward')
    .description('lead a local TCP port to SERVICE: for curl, browsers and every TCP client')
    .argument('<port>', 'a port of 127.0.0.1, or HOST:PORT; port 0 takes a free one')
    .argument('<service>', 'a name, or a serviceID');
  graceFlag(securityFlags(command), 2e6)
    .option('--raw', 'do not look for HTTP: a lost instance breaks every connection to it', false)
    .addHelpText(
      'after',
      `
An HTTP/1.1 answer with a strong ETag goes on at another instance when its own is lost or asks its clients to go.

Examples:
  caracal forward 8080 web               curl http://127.0.0.1:8080/
  caracal forward 0.0.0.0:8080 web       for other machines too`,
    )
    .action(run);
}

async function run(target: string, service: string, options: ForwardOptions): Promise<void> {
  const { grace, raw } = options;
  const security = securityOf(options);
  const stop = stopRequested();
  const { host, port } = parseHostPort(target, 'PORT', { defaultHost: '127.0.0.1', least: 0 });
  parseTarget(service);
  const live = new LiveConnections();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (tcp) => {
    const open = raw ? connect : connectResuming;
    const socket = open({ ...security, service, allowHalfOpen: true });
    live.add(socket);
    socket.on('resumed', (resumed: Resumed) => note(describeResumed(service, resumed)));
    noteFailure(socket, service);
    relay(tcp, socket);
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

/** The TCP client sees a reset; why stands here. */
function noteFailure(socket: Socket, service: string): void {
  let connected = false;
  socket.once('connect', () => {
    connected = true;
  });
  socket.once('error', (error) => {
    if (!connected) note(`caracal: cannot reach "${service}": ${reasonOf(error)}`);
    else note(`caracal: a connection to "${service}" broke off: ${reasonOf(error)}`);
  });
}

function describeResumed(service: string, { offset, reason, tookMs }: Resumed): string {
  const what = offset === 0 ? 'a request' : `an answer, after ${formatBytes(offset)},`;
  return `caracal: ${what} went on at another instance of "${service}" after ${Math.round(tookMs)} ms (${reason})`;
}
