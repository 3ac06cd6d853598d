// HTTP by service name, with Node's own HTTP code on both sides: `Agent` for node:http, `connector` for undici (and so
// for global fetch), `serve` for any http.Server (Express, Fastify, ws ride on one). URLs are `http://NAME.svc/`.
// Servers are fed by emit('connection'), which Node documents; the rejected option, a fake net.Server, would have to
// follow Node's private fields. Clients go on at another instance when theirs is lost (resuming/), unless told not to.

import { once } from 'node:events';
import {
  type AgentOptions,
  type ClientRequestArgs,
  createServer as createHttpServer,
  Agent as HttpAgent,
  type Server as HttpServer,
  type RequestListener,
} from 'node:http';
import type { Duplex } from 'node:stream';
import type { Driver } from '../core/stack/index.ts';
import { misuse } from './errors.ts';
import type { ServiceName } from './names.ts';
import type { ConnectOptions } from './options.ts';
import { connectResuming } from './resuming/index.ts';
import type { SecurityOptions } from './security.ts';
import { type ListenOptions, Server, type ServiceAddress } from './server.ts';
import { connect, type Socket } from './socket.ts';

export interface FailoverOptions {
  /**
   * Default true: when an instance is lost, an answer goes on at another one where it has a strong ETag, and what was not
   * answered is asked again where that is safe; never anything but the same content. False: the error, as it comes.
   */
  readonly failover?: boolean | undefined;
}

export interface ServiceAgentOptions extends AgentOptions, SecurityOptions, FailoverOptions {
  readonly driver?: Driver | undefined;
}

/** An http.Agent whose connections lead to services: `http.get('http://web.svc/', { agent })`. */
export class Agent extends HttpAgent {
  readonly #socket: SecurityOptions & { readonly driver: Driver | undefined };
  readonly #failover: boolean;

  constructor(options: ServiceAgentOptions = {}) {
    const { driver, identity, insecure, unauthenticated, paddingBytes, failover = true, ...agentOptions } = options;
    super(agentOptions);
    this.#failover = failover;
    this.#socket = { driver, identity, insecure, unauthenticated, paddingBytes };
  }

  override createConnection(options: ClientRequestArgs): Duplex {
    const service = options.hostname ?? options.host;
    if (!service) throw misuse('ERR_MISSING_ARGS', 'an HTTP request needs a host: the name of the service');
    return open({ ...this.#socket, service, timeout: options.timeout }, this.#failover);
  }
}

export interface ConnectorOptions extends SecurityOptions, FailoverOptions {
  readonly driver?: Driver | undefined;
  /** Milliseconds until connecting fails with ETIMEDOUT. Default 10,000, as undici's own. */
  readonly timeout?: number | undefined;
  /** Opens hosts that do not end in `.svc` (undici's buildConnector); without it every host is a service. */
  readonly otherwise?: Connector | undefined;
}

interface ConnectorTarget {
  readonly hostname: string;
  readonly protocol?: string;
}

type ConnectorCallback = (error: Error | null, socket: Duplex | null) => void;
/** What undici's `new Agent({ connect })` takes. */
// biome-ignore lint/suspicious/noExplicitAny: undici's types are not a dependency, and its own say any here
export type Connector = (target: any, callback: (...result: any) => void) => void;

/** `setGlobalDispatcher(new Agent({ connect: connector() }))` makes global fetch reach services. */
export function connector(options: ConnectorOptions = {}): Connector {
  const { timeout = 10_000, otherwise, failover = true, ...socket } = options;
  return (target: ConnectorTarget, callback: ConnectorCallback) => {
    if (otherwise && !/\.svc\.?$/i.test(target.hostname)) return otherwise(target, callback);
    // Always later: undici 7 waits for ever when the callback comes before it has noted that it is connecting.
    const answer: ConnectorCallback = (error, socket) => setImmediate(callback, error, socket);
    try {
      if (target.protocol === 'https:')
        throw misuse('ERR_INVALID_PROTOCOL', `https://${target.hostname}: services are reached by http://NAME.svc`);
      openFor(open({ ...socket, service: target.hostname, connectTimeout: timeout }, failover), answer);
    } catch (error) {
      answer(error as Error, null);
    }
  };
}

function open(options: ConnectOptions, failover: boolean): Socket {
  return failover ? connectResuming(options) : connect(options);
}

function openFor(socket: Duplex, answer: ConnectorCallback): void {
  const onError = (error: Error): void => answer(error, null);
  socket.once('error', onError);
  socket.once('connect', () => {
    socket.off('error', onError);
    answer(null, socket);
  });
}

export interface ServeOptions extends Omit<ListenOptions, 'service'>, SecurityOptions {
  readonly driver?: Driver | undefined;
  /** Refuse clients that prove no name. */
  readonly requireKey?: boolean | undefined;
}

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
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves `target`, an http.Server or a request listener (an Express app is one), at `service`. The http.Server's own
 * timeouts apply; closing it closes the service too. It may listen on TCP as well.
 */
export function serve(target: HttpServer | RequestListener, service: ServiceName, options: ServeOptions = {}): Serving {
  const http = typeof target === 'function' ? createHttpServer(target) : target;
  const { driver, identity, insecure, paddingBytes, requireKey, ...listen } = options;
  const security = { identity, insecure, paddingBytes, requireKey };
  // allowHalfOpen as http.Server's own connections: it is http.Server that ends them.
  const server = new Server({ ...security, driver, allowHalfOpen: true }, (socket) => http.emit('connection', socket));
  const done = new Promise<void>((resolve) => server.once('close', () => resolve()));
  const ready = bind(server, http, { ...listen, service });
  const begin = drain(server, http);
  const close = (graceMs?: number): Promise<void> => {
    begin();
    if (graceMs !== undefined) {
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      void done.then(() => clearTimeout(timer));
    }
    return done;
  };
  return { server, http, ready, close, [Symbol.asyncDispose]: () => close() };
}

async function bind(server: Server, http: HttpServer, options: ListenOptions): Promise<ServiceAddress> {
  server.listen(options);
  await once(server, 'listening');
  // This event is where http.Server starts to track connections and to check its timeouts.
  if (!http.listening) http.emit('listening');
  return server.address()!;
}

/** Ties the ends of the two servers together; answers what begins the closing. */
function drain(server: Server, http: HttpServer): () => void {
  let closing = false;
  const begin = (): void => {
    if (closing) return;
    closing = true;
    server.close();
    http.closeIdleConnections();
  };
  http.prependListener('request', (_request, response) => {
    if (closing) response.setHeader('Connection', 'close');
    else response.once('close', () => closing && setImmediate(() => http.closeIdleConnections()));
  });
  http.once('close', begin);
  server.once('close', () => {
    closing = true;
    http.off('close', begin);
    if (!http.listening) http.close();
  });
  return begin;
}
