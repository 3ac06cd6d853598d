// What the conformance suite asks of an implementation of sockets. Every case runs on node:net, which says what is
// right, and on ours; where ours differs on purpose, the skip carries the reason. Addresses are opaque to the cases.

import type { EventEmitter } from 'node:events';
import {
  type AgentOptions,
  type Server as HttpServer,
  Agent as NodeAgent,
  type RequestOptions as NodeRequestOptions,
} from 'node:http';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';

/** What net.Socket and ours share. */
export interface AnySocket extends Duplex {
  readonly connecting: boolean;
  readonly pending: boolean;
  readonly readyState: string;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly timeout?: number | undefined;
  setTimeout(timeoutMs: number, listener?: () => void): this;
  setNoDelay(noDelay?: boolean): this;
  setKeepAlive(enable?: boolean, initialDelayMs?: number): this;
  ref(): this;
  unref(): this;
  address(): object;
  destroySoon(): void;
  resetAndDestroy(): this;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface AnyServer extends EventEmitter {
  readonly listening: boolean;
  maxConnections?: number | undefined;
  close(callback?: (error?: Error) => void): this;
  getConnections(callback: (error: Error | null, count: number) => void): unknown;
  address(): unknown;
  ref(): this;
  unref(): this;
  [Symbol.asyncDispose](): Promise<void>;
}

export type Address = net.AddressInfo | string;

export interface AnySocketOptions {
  readonly allowHalfOpen?: boolean;
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

export interface AnyServerOptions {
  readonly allowHalfOpen?: boolean;
  readonly pauseOnConnect?: boolean;
}

/** An http.Server that is reachable; `request` are the options that lead a request to it. */
export interface Served {
  readonly address: Address;
  readonly request: NodeRequestOptions;
  close(): Promise<void>;
}

export interface Implementation {
  readonly name: string;
  createServer(options: AnyServerOptions, listener?: (socket: AnySocket) => void): AnyServer;
  /** A new address, where nobody listens. */
  freeAddress(): Promise<Address>;
  listen(server: AnyServer, address: Address, options?: { signal?: AbortSignal }): void;
  connect(address: Address, options?: AnySocketOptions, listener?: () => void): AnySocket;
  /** A socket that is not connected, and connecting it. */
  createSocket(options?: AnySocketOptions): AnySocket;
  connectSocket(socket: AnySocket, address: Address, listener?: () => void): void;
  createAgent(options?: AgentOptions): NodeAgent;
  serve(server: HttpServer): Promise<Served>;
  /** Reasons for leaving cases out, by title. */
  readonly skips: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

export const nodeNet: Implementation = {
  name: 'net',
  createServer: (options, listener) => net.createServer(options, listener as (socket: net.Socket) => void) as AnyServer,
  async freeAddress() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address() as net.AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return address;
  },
  listen(server, address, options) {
    (server as net.Server).listen({ ...target(address), ...options });
  },
  connect: (address, options, listener) => net.connect({ ...target(address), ...options }, listener) as AnySocket,
  createSocket: (options) => new net.Socket(options as net.SocketConstructorOpts) as AnySocket,
  connectSocket(socket, address, listener) {
    (socket as net.Socket).connect(target(address), listener as () => void);
  },
  createAgent: (options) => new NodeAgent(options),
  async serve(server) {
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address() as net.AddressInfo;
    const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
    return { address, request: { host: '127.0.0.1', port: address.port }, close };
  },
  skips: new Map(),
  async close() {},
};

function target(address: Address): { port: number; host: string } {
  if (typeof address === 'string') throw new TypeError('an address of net is a port');
  return { port: address.port, host: '127.0.0.1' };
}
