// Transports of other projects, for whoever wants to see ours beside them: packages that are no dependency of this one and are
// installed on demand, into a cache of their own. `npm run bench -- stream --peers`. Left out where one cannot be had.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Connection, Transport } from './transport.ts';
import { parseHostPort } from './transport.ts';

interface Peer {
  readonly package: string;
  readonly version: string;
  transport(load: () => unknown): Transport;
}

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'caracal-bench');

/** udx-native: reliable streams over UDP, congestion control and retransmission in C, in the clear. */
interface Udx {
  createSocket(): UdxSocket;
  createStream(id: number): Connection & { connect(socket: UdxSocket, id: number, port: number, host: string): void };
}

interface UdxSocket {
  bind(port: number, host: string): void;
  address(): { port: number };
  on(event: 'message', listener: (message: Buffer, from: { host: string; port: number }) => void): void;
  trySend(message: Buffer, port: number, host: string): void;
}

/** Its streams have numbers at both ends; a datagram tells the server where its only client is. */
const streamId = 1;

const peers: Readonly<Record<string, Peer>> = {
  udx: {
    package: 'udx-native',
    version: '1.21.3',
    transport(load) {
      const open = (): { udx: Udx; socket: UdxSocket } => {
        const udx = new (load() as new () => Udx)();
        const socket = udx.createSocket();
        socket.bind(0, '0.0.0.0');
        return { udx, socket };
      };
      return {
        ...unsupported('udx'),
        async listen(onConnection) {
          const { udx, socket } = open();
          socket.on('message', (_message, { host, port }) => {
            const stream = udx.createStream(streamId);
            stream.connect(socket, streamId, port, host);
            onConnection(stream);
          });
          return `${process.env['BENCH_ADDRESS'] ?? '127.0.0.1'}:${socket.address().port}`;
        },
        connect(address, onOpen) {
          const { host, port } = parseHostPort(address);
          const { udx, socket } = open();
          const stream = udx.createStream(streamId);
          stream.connect(socket, streamId, port, host);
          socket.trySend(Buffer.from('hello'), port, host);
          if (onOpen !== undefined) process.nextTick(onOpen);
          return stream;
        },
      };
    },
  },
};

export const peerNames = Object.keys(peers);

/** Installs the package unless it is there. Why it cannot be had, with the command to try by hand; undefined: it can. */
export function missingPeer(name: string): string | undefined {
  const peer = peers[name];
  if (peer === undefined || existsSync(join(cache, 'node_modules', peer.package))) return undefined;
  mkdirSync(cache, { recursive: true });
  const what = `${peer.package}@${peer.version}`;
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', cache, what];
  process.stderr.write(`bench: installing ${what} into ${cache}\n`);
  const { status, stderr, error } = spawnSync('npm', args, { encoding: 'utf8' });
  if (status === 0) return undefined;
  const why = (error?.message ?? stderr).trim().split('\n')[0];
  return `${what} could not be installed (${why}); try "npm ${args.join(' ')}"`;
}

/** Undefined: no peer has that name. */
export function findPeer(name: string): Transport | undefined {
  const peer = Object.hasOwn(peers, name) ? peers[name] : undefined;
  return peer?.transport(() => createRequire(join(cache, 'package.json'))(peer.package));
}

/** Of what nothing can be carried over. */
export function unsupported(name: string): Transport {
  const refuse = (): never => {
    throw new TypeError(`${name} cannot do this`);
  };
  return { name, listen: refuse, connect: refuse, listenHttp: refuse, http: refuse };
}
