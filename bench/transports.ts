// What a benchmark runs on: Caracal or node:net, behind the few calls that both share. The address is the server's
// own text for where it listens: a service name, or host:port.

import { createServer as createHttpServer, Agent as HttpAgent, type RequestListener } from 'node:http';
import { createServer as createNetServer, connect as netConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import * as caracal from '../src/index.ts';

export type Connection = Duplex & { setNoDelay(on?: boolean): unknown };

export interface HttpTarget {
  readonly agent: HttpAgent;
  /** `http://...` of the root. */
  readonly url: string;
}

export interface Transport {
  readonly name: string;
  listen(onConnection: (connection: Connection) => void): Promise<string>;
  connect(address: string): Connection;
  listenHttp(onRequest: RequestListener): Promise<string>;
  http(address: string, connections: number): HttpTarget;
}

const backlog = 4096;

const net: Transport = {
  name: 'net',
  listen(onConnection) {
    const server = createNetServer(onConnection);
    return new Promise((resolve, reject) => {
      server.on('error', reject).listen({ port: 0, host: '0.0.0.0', backlog }, () => resolve(hostPort(server)));
    });
  },
  connect(address) {
    const [host = '', port = ''] = address.split(':');
    return netConnect(Number(port), host);
  },
  listenHttp(onRequest) {
    const server = createHttpServer(onRequest);
    return new Promise((resolve, reject) => {
      server.on('error', reject).listen({ port: 0, host: '0.0.0.0', backlog }, () => resolve(hostPort(server)));
    });
  },
  http(address, connections) {
    return { agent: new HttpAgent({ keepAlive: true, maxSockets: connections }), url: `http://${address}/` };
  },
};

const service = 'bench';

const ours: Transport = {
  name: 'caracal',
  listen(onConnection) {
    const server = caracal.createServer(onConnection);
    return new Promise((resolve, reject) => {
      server.on('error', reject).listen(service, () => resolve(service));
    });
  },
  connect: (address) => caracal.connect(address),
  async listenHttp(onRequest) {
    await caracal.serve(createHttpServer(onRequest), service).ready;
    return service;
  },
  http(address, connections) {
    return { agent: new caracal.Agent({ keepAlive: true, maxSockets: connections }), url: `http://${address}.svc/` };
  },
};

export function findTransport(name: string): Transport {
  const found = [ours, net].find((transport) => transport.name === name);
  if (!found) throw new TypeError(`no transport is called ${name}`);
  return found;
}

/** The address is the one that the run told this process to use: in a namespace its veth, otherwise loopback. */
function hostPort(server: { address(): unknown }): string {
  const { port } = server.address() as { port: number };
  return `${process.env['BENCH_ADDRESS'] ?? '127.0.0.1'}:${port}`;
}
