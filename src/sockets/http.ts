// HTTP by service name, with Node's own HTTP code: `Agent` for node:http, `connector` for undici (and so for global fetch);
// the serving side is serve.ts. URLs are `http://NAME.svc/`. Clients go on at another instance when theirs is lost or sends
// them on (resuming/), unless told not to.

import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Driver } from '../core/stack/index.ts';
import { misuse } from './errors.ts';
import { type ConnectOptions, checkCongestion } from './options.ts';
import { readPaths } from './paths.ts';
import { connectResuming } from './resuming/index.ts';
import type { SecurityOptions } from './security.ts';
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
  /** As of `connect`: of each connection. */
  readonly paths?: ConnectOptions['paths'];
  readonly congestion?: ConnectOptions['congestion'];
}

/** An http.Agent whose connections lead to services: `http.get('http://web.svc/', { agent })`. */
export class Agent extends HttpAgent {
  readonly #socket: Pick<ConnectOptions, 'driver' | 'paths' | 'congestion' | keyof SecurityOptions>;
  readonly #failover: boolean;

  constructor(options: ServiceAgentOptions = {}) {
    const {
      driver,
      paths,
      congestion,
      identity,
      insecure,
      unauthenticated,
      paddingBytes,
      failover = true,
      ...agentOptions
    } = options;
    super(agentOptions);
    this.#failover = failover;
    readPaths(paths);
    checkCongestion(congestion);
    this.#socket = { driver, paths, congestion, identity, insecure, unauthenticated, paddingBytes };
  }

  override createConnection(options: ClientRequestArgs): Duplex {
    const service = options.hostname ?? options.host;
    if (!service) throw misuse('ERR_MISSING_ARGS', 'an HTTP request needs a host: the name of the service');
    return open({ ...this.#socket, service, timeout: options.timeout }, this.#failover);
  }
}

export interface ConnectorOptions extends SecurityOptions, FailoverOptions {
  readonly driver?: Driver | undefined;
  /** As of `connect`: of each connection. */
  readonly paths?: ConnectOptions['paths'];
  readonly congestion?: ConnectOptions['congestion'];
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
