// An http.Server at a service's name: any of them (Express, Fastify, ws ride on one), with Node's own HTTP code. It is fed by
// emit('connection'), which Node documents; the rejected option, a fake net.Server, would have to follow Node's private
// fields. Its connections can all go on elsewhere, in their way: between two requests.

import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Driver } from '../core/stack/index.ts';
import type { DrainOptions, DrainResult, ShedOptions, ShedResult } from './departures.ts';
import type { HandoffOptions, HandoffResult } from './handoff/index.ts';
import { HttpConnection } from './http-connection.ts';
import type { ServiceName } from './names.ts';
import type { SecurityOptions } from './security.ts';
import { type ListenOptions, Server, type ServerOptions, type ServiceAddress } from './server.ts';
import type { Socket } from './socket.ts';

export interface ServeOptions extends Omit<ListenOptions, 'service'>, SecurityOptions {
  readonly driver?: Driver | undefined;
  /** Refuse clients that prove no name. */
  readonly requireKey?: boolean | undefined;
  /** As of `createServer`. */
  readonly congestion?: ServerOptions['congestion'];
}

type HandoffState = NonNullable<HandoffOptions['state']>;

/** An HTTP server at a service's name. */
export interface Serving {
  readonly server: Server;
  readonly http: HttpServer;
  /** Resolves once the name is bound (and registered, where there is a router); rejects if it cannot be. */
  readonly ready: Promise<ServiceAddress>;
  /**
   * Unregisters, closes idle connections, lets requests in flight finish; resolves when the last connection has
   * ended. After `graceMs` (default: never) the rest, WebSockets too, is destroyed.
   */
  close(graceMs?: number): Promise<void>;
  /**
   * As `server.drain`; no request fails by it. Connections end between two requests, a second after the last one, or with
   * the answer under way; WebSockets whose clients cannot go have until the deadline.
   */
  drain(options?: DrainOptions): Promise<DrainResult>;
  /**
   * As `server.handoff`, of connections that left HTTP by an upgrade: those that `state` knows. The others stay, and
   * `drain` ends them.
   */
  handoff(to: string | undefined, options: HandoffOptions & { state: HandoffState }): Promise<HandoffResult>;
  /** As `server.shed`; connections that end between two requests count as asked. */
  shed(options?: ShedOptions): Promise<ShedResult>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A client that wants to use its connection again has done so by then; one that has not may still be sending. */
const quietMs = 1_000;

/**
 * Serves `target`, an http.Server or a request listener (an Express app is one), at `service`. The http.Server's own
 * timeouts apply; closing it closes the service too. It may listen on TCP as well.
 */
export function serve(target: HttpServer | RequestListener, service: ServiceName, options: ServeOptions = {}): Serving {
  const http = typeof target === 'function' ? createHttpServer(target) : target;
  const { driver, identity, insecure, paddingBytes, requireKey, congestion, ...listen } = options;
  const security = { identity, insecure, paddingBytes, requireKey };
  // allowHalfOpen as http.Server's own connections: it is http.Server that ends them.
  const server = new HttpService(http, { ...security, driver, congestion, allowHalfOpen: true });
  const done = new Promise<void>((resolve) => server.once('close', () => resolve()));
  const ready = open(server, http, { ...listen, service });
  const begin = (): void => server.endBetweenRequests();
  http.once('close', begin);
  server.once('close', () => {
    http.off('close', begin);
    if (!http.listening) http.close();
  });
  const close = (graceMs?: number): Promise<void> => {
    begin();
    if (graceMs !== undefined) {
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      void done.then(() => clearTimeout(timer));
    }
    return done;
  };
  return {
    server,
    http,
    ready,
    close,
    drain: (options) => server.drain(options),
    handoff: (to, options) => server.handoff(to, options),
    shed: (options) => server.shed(options),
    [Symbol.asyncDispose]: () => close(),
  };
}

async function open(server: Server, http: HttpServer, options: ListenOptions): Promise<ServiceAddress> {
  server.listen(options);
  await once(server, 'listening');
  // This event is where http.Server starts to track connections and to check its timeouts.
  if (!http.listening) http.emit('listening');
  return server.address()!;
}

/** A listener whose connections an http.Server holds. */
class HttpService extends Server {
  readonly #connections = new Map<Duplex, HttpConnection>();
  #ending = false;

  constructor(http: HttpServer, options: ServerOptions) {
    super(options);
    this.on('connection', (socket: Socket) => {
      this.#take(socket);
      http.emit('connection', socket);
    });
    http.prependListener('request', (request, response) =>
      this.#connections.get(request.socket)?.begin(request, response),
    );
  }

  /** Closes; idle connections end at once, the others with the answer that is under way. */
  endBetweenRequests(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.close();
    for (const connection of this.#connections.values()) connection.leave(0);
  }

  protected override askToGo(socket: Socket): boolean {
    const leaves = this.#connections.get(socket)?.leave(quietMs) ?? false;
    return socket.shed() || leaves;
  }

  #take(socket: Socket): void {
    const connection = new HttpConnection(socket);
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#connections.delete(socket));
    if (this.#ending) connection.leave(0);
  }
}
