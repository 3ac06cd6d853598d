// The contract of what a benchmark runs on: Caracal, TLS or plain TCP behind the few calls that all share. The address is
// the server's own text for whom to reach and how to know it: a service name, host:port, host:port and a certificate.

import type { Agent, RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';

export type Connection = Duplex & { setNoDelay(on?: boolean): unknown };

export interface HttpTarget {
  readonly agent: Agent;
  /** `http://...` or `https://...` of the root. */
  readonly url: string;
}

export interface Transport {
  readonly name: string;
  listen(onConnection: (connection: Connection) => void): Promise<string>;
  /** `onOpen`: the handshake is done, with encryption where there is any. */
  connect(address: string, onOpen?: () => void): Connection;
  listenHttp(onRequest: RequestListener): Promise<string>;
  http(address: string, connections: number): HttpTarget;
}

const backlog = 4096;

interface TcpServer {
  on(event: 'error', listener: (error: Error) => void): this;
  listen(options: object, listening: () => void): unknown;
  address(): unknown;
}

/** Answers host:port. The host is what the run told this process to use: in a namespace its veth, otherwise loopback. */
export function listenOnTcp(server: TcpServer): Promise<string> {
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen({ port: 0, host: '0.0.0.0', backlog }, () => {
      const { port } = server.address() as { port: number };
      resolve(`${process.env['BENCH_ADDRESS'] ?? '127.0.0.1'}:${port}`);
    });
  });
}

export function parseHostPort(address: string): { host: string; port: number } {
  const [host = '', port = ''] = address.split(':');
  return { host, port: Number(port) };
}
