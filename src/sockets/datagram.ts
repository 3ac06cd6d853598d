// Datagrams by service, shaped like node:dgram without addresses. One socket is one of three things: `bind` takes
// messages sent to a service and answers by the sender's name (A3, no handshake, each message may meet another
// instance); `connect` opens a flow bound to one instance, unreliable but with affinity (A4); `listen` accepts such
// flows, each as a connected socket of its own. Nothing is retransmitted and nothing waits for a reader.

import { EventEmitter } from 'node:events';
import { formatServiceId, makePrefix, Reason, type ServiceId } from '../core/base/index.ts';
import { type Driver, type Event, type Input, Protocol, type SocketId } from '../core/stack/index.ts';
import { defaultDriver } from './default-driver.ts';
import { misuse, type Syscall, serviceError } from './errors.ts';
import { narrow, parseTarget, resolveTarget, type ServiceName, type Target } from './names.ts';
import {
  checkGranted,
  clientSecurity,
  expectedKey,
  followIdentity,
  notePeer,
  readSecurity,
  type SecurityOptions,
} from './security.ts';

export interface DatagramSocketOptions extends SecurityOptions {
  readonly driver?: Driver | undefined;
  /** Aborting it closes the socket. */
  readonly signal?: AbortSignal | undefined;
}

export interface DatagramBindOptions {
  readonly service: ServiceName;
  /** As in `Server.listen`: 224 takes messages to any member. */
  readonly bits?: number | undefined;
}

export interface RemoteInfo {
  /** The sender's serviceID in text, or the name that the socket is connected to; undefined if it has none. */
  readonly service: string | undefined;
  readonly size: number;
}

type SendCallback = (error: Error | null, bytes: number) => void;
type Outgoing = Pick<Extract<Input, { kind: 'datagram' }>, 'bytes' | 'to' | 'expects'>;
type Role = 'new' | 'bound' | 'flow' | 'listener' | 'closed';

/** A datagram socket that is not bound yet; `listener` is added to 'message'. */
export function createSocket(
  options: DatagramSocketOptions = {},
  listener?: (message: Buffer, remote: RemoteInfo) => void,
): DatagramSocket {
  const socket = new DatagramSocket(options);
  return listener ? socket.on('message', listener) : socket;
}

/**
 * Events: 'listening' (bound), 'connect' (flow open), 'connection' (socket: a flow that `listen` accepted),
 * 'message' (Buffer, RemoteInfo), 'error', 'close'.
 */
export class DatagramSocket extends EventEmitter {
  #driver: Driver | undefined;
  #id: SocketId | undefined;
  #role: Role = 'new';
  #ready = false;
  #service = '';
  #peer: string | undefined;
  #unrefd = false;
  readonly #queue: (() => void)[] = [];
  readonly #options: DatagramSocketOptions;
  #target: Target | undefined;
  #targetId: ServiceId | undefined;
  #following: { close(): void } | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => void this.close();

  constructor(options: DatagramSocketOptions = {}) {
    super();
    this.#driver = options.driver;
    this.#options = options;
    this.#signal = options.signal;
    if (this.#signal?.aborted) process.nextTick(this.#onAbort);
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Takes the messages sent to `service`. Without one: a private name, to which others can reply. */
  bind(service?: ServiceName | DatagramBindOptions | (() => void), listener?: () => void): this {
    const done = typeof service === 'function' ? service : listener;
    const options = typeof service === 'function' ? undefined : bindOptions(service);
    this.#start('bound', options?.service, 'listening', done, (driver, id) =>
      driver.handle({
        kind: 'datagram-socket',
        ...(id && options ? { service: id, bits: options.bits ?? 256 } : {}),
        security: this.#serverSecurity(id, options?.bits),
      }),
    );
    return this;
  }

  /** Opens a flow to one instance of `service`. */
  connect(service: ServiceName, listener?: () => void): this {
    this.#start('flow', service, 'connect', listener, (driver, id, target) => {
      this.#targetId = id;
      const security = clientSecurity(this.#options, target!, id!);
      return driver.handle({ kind: 'connect', service: id!, protocol: Protocol.UDP, security });
    });
    this.#peer = this.#service;
    return this;
  }

  /** Accepts flows to `service`. */
  listen(service: ServiceName | DatagramBindOptions, listener?: () => void): this {
    const options = bindOptions(service)!;
    this.#start('listener', options.service, 'listening', listener, (driver, id) =>
      driver.handle({
        kind: 'listen',
        service: id!,
        bits: options.bits ?? 256,
        protocol: Protocol.UDP,
        security: this.#serverSecurity(id, options.bits),
      }),
    );
    return this;
  }

  /**
   * `send(message, [callback])` on a flow, `send(message, service, [callback])` otherwise. The callback tells that the
   * message left this process's hands, or why it did not; never that it arrived. Binds to a private name if need be.
   */
  send(message: string | Uint8Array, service?: ServiceName | SendCallback, callback?: SendCallback): void {
    const done = typeof service === 'function' ? service : callback;
    const target = typeof service === 'function' || service === undefined ? undefined : parseTarget(service);
    const bytes = typeof message === 'string' ? Buffer.from(message) : message;
    if (!(bytes instanceof Uint8Array)) throw misuse('ERR_INVALID_ARG_TYPE', 'a message is a string or bytes');
    this.#checkSend(target);
    if (this.#role === 'new') this.bind();
    if (this.#ready) this.#transmit(bytes, target, done);
    else this.#queue.push(() => this.#transmit(bytes, target, done));
  }

  /** The service that this socket is bound to, or null. */
  address(): { service: string } | null {
    const bound = this.#ready && (this.#role === 'bound' || this.#role === 'listener');
    return bound ? { service: this.#service } : null;
  }

  /** The service at the other end of a flow. */
  get remoteService(): string | undefined {
    return this.#peer;
  }

  close(listener?: () => void): this {
    if (listener) this.once('close', listener);
    if (this.#role === 'closed') return this;
    const id = this.#id;
    this.#finish();
    if (id !== undefined) this.#driver?.handle({ kind: 'close', socket: id });
    return this;
  }

  ref(): this {
    this.#unrefd = false;
    if (this.#id !== undefined) this.#driver?.ref(this.#id);
    return this;
  }

  unref(): this {
    this.#unrefd = true;
    if (this.#id !== undefined) this.#driver?.unref(this.#id);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#role === 'closed') return;
    await new Promise<void>((resolve) => this.close(resolve));
  }

  #start(
    role: Role,
    service: ServiceName | undefined,
    readyEvent: string,
    listener: (() => void) | undefined,
    open: (driver: Driver, id: ServiceId | undefined, target: Target | undefined) => SocketId,
  ): void {
    if (this.#role === 'closed') throw misuse('ERR_SOCKET_DGRAM_NOT_RUNNING', 'Not running', 'state');
    if (this.#role !== 'new') throw misuse('ERR_SOCKET_ALREADY_BOUND', 'Socket is already bound', 'state');
    const target = service === undefined ? undefined : parseTarget(service);
    readSecurity(this.#options);
    this.#target = target;
    const driver = this.#driver ?? defaultDriver();
    this.#driver = driver;
    this.#role = role;
    this.#service = target?.text ?? '';
    if (listener) this.once(readyEvent, listener);
    if (!target) {
      this.#attach(driver, open(driver, undefined, undefined));
      return;
    }
    resolveTarget(driver, target, (error, prefix) => {
      if (this.#role === 'closed') return;
      if (error) this.#fail(error);
      else this.#openSafely(driver, target, narrow(prefix, undefined).id, open);
    });
  }

  #attach(driver: Driver, id: SocketId): void {
    this.#id = id;
    driver.attach(id, (event) => this.#onEvent(event));
    if (this.#unrefd) driver.unref(id);
    this.#following = followIdentity(this.#options, (identity) =>
      driver.handle({ kind: 'identity', socket: id, identity }),
    );
    if (this.#role !== 'bound') return;
    process.nextTick(() => this.#onReady('listening'));
  }

  #onEvent(event: Event): void {
    switch (event.kind) {
      case 'listening':
        this.#onReady('listening');
        break;
      case 'connected':
        this.#onConnected(event);
        break;
      case 'connection':
        this.#accept(event);
        break;
      case 'datagram':
        this.#deliver(event.bytes, event.from && formatServiceId(event.from));
        break;
      case 'listen-failed':
        this.#fail(serviceError('bind', event.reason, this.#service, event.detail));
        break;
      case 'closed':
        this.#onClosed(event.reason, event.detail);
        break;
    }
  }

  #openSafely(
    driver: Driver,
    target: Target,
    id: ServiceId,
    open: (driver: Driver, id: ServiceId, target: Target) => SocketId,
  ): void {
    try {
      this.#attach(driver, open(driver, id, target));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #serverSecurity(id: ServiceId | undefined, bits: number | undefined) {
    const security = readSecurity(this.#options);
    if (id !== undefined) checkGranted(security.identity, makePrefix(id, bits ?? 256), this.#service);
    return security;
  }

  #onConnected({ peer }: Extract<Event, { kind: 'connected' }>): void {
    try {
      if (this.#target && this.#targetId) notePeer(this.#target, this.#targetId, peer);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#onReady('connect');
  }

  #onReady(name: string): void {
    if (this.#ready || this.#role === 'closed') return;
    this.#ready = true;
    this.emit(name);
    for (const send of this.#queue.splice(0)) send();
  }

  #accept(event: Extract<Event, { kind: 'connection' }>): void {
    const flow = new DatagramSocket({ driver: this.#driver });
    flow.#role = 'flow';
    flow.#ready = true;
    flow.#service = this.#service;
    flow.#peer = event.remoteService && formatServiceId(event.remoteService);
    flow.#attach(this.#driver!, event.connection);
    this.emit('connection', flow);
  }

  #deliver(bytes: Uint8Array, from: string | undefined): void {
    const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const service = this.#role === 'flow' ? this.#peer : from;
    this.emit('message', message, { service, size: bytes.length } satisfies RemoteInfo);
  }

  #onClosed(reason: Reason, detail: string): void {
    if (this.#role === 'closed') return;
    const syscall: Syscall = this.#role === 'flow' ? (this.#ready ? 'read' : 'connect') : 'bind';
    // A flow has no end of data: the peer's close is no failure.
    if (reason === Reason.OK || (reason === Reason.CLOSED && this.#ready)) this.#finish();
    else this.#fail(serviceError(syscall, reason, this.#service, detail));
  }

  #checkSend(target: Target | undefined): void {
    if (this.#role === 'closed') throw misuse('ERR_SOCKET_DGRAM_NOT_RUNNING', 'Not running', 'state');
    if (this.#role === 'listener') throw misuse('ERR_INVALID_STATE', 'a listening socket only accepts flows', 'state');
    if (this.#role === 'flow' && target) throw misuse('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected', 'state');
    if (this.#role !== 'flow' && !target) throw misuse('ERR_MISSING_ARGS', 'the service to send to must be given');
  }

  #transmit(bytes: Uint8Array, target: Target | undefined, callback: SendCallback | undefined): void {
    if (!target) {
      this.#hand({ bytes }, this.#peer ?? this.#service, callback);
      return;
    }
    resolveTarget(this.#driver!, target, (error, prefix) => {
      if (error) return this.#answer(callback, error, 0);
      let expects: ServiceId | undefined;
      try {
        expects = expectedKey(target, prefix.id);
      } catch (problem) {
        return this.#answer(callback, problem as Error, 0);
      }
      this.#hand({ bytes, to: prefix.id, ...(expects ? { expects } : {}) }, target.text, callback);
    });
  }

  #hand(datagram: Outgoing, service: string, callback: SendCallback | undefined): void {
    if (this.#id === undefined) return;
    const answer = this.#driver!.handle({ kind: 'datagram', socket: this.#id, ...datagram });
    if (answer === 1) this.#answer(callback, null, datagram.bytes.length);
    else this.#answer(callback, serviceError('send', answer === 0 ? Reason.CLOSED : (-answer as Reason), service), 0);
  }

  #answer(callback: SendCallback | undefined, error: Error | null, bytes: number): void {
    if (callback) process.nextTick(callback, error, bytes);
  }

  #fail(error: Error): void {
    this.#finish();
    process.nextTick(() => this.emit('error', error));
  }

  #finish(): void {
    this.#role = 'closed';
    this.#following?.close();
    this.#id = undefined;
    this.#queue.length = 0;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    setImmediate(() => this.emit('close'));
  }
}

function bindOptions(service: ServiceName | DatagramBindOptions | undefined): DatagramBindOptions | undefined {
  if (service === undefined) return undefined;
  return typeof service === 'string' || service instanceof Uint8Array ? { service } : service;
}
