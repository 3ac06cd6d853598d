// A service's listener, shaped like net.Server. Listening registers the name, closing unregisters it first, so that
// no first packet is sent to a listener that is about to refuse it (A5); accepted connections go on, and 'close' comes
// after the last of them, as in net. `address()` is the service: there is no other address (N3).

import { EventEmitter, on } from 'node:events';
import { formatPrefix, formatServiceId, type Prefix, prefixContains, Reason } from '../core/base/index.ts';
import { type Driver, type Event, Protocol, type ResumePoint, type SocketId } from '../core/stack/index.ts';
import { defaultDriver } from './default-driver.ts';
import { Departures, type DrainOptions, type DrainResult, type ShedOptions, type ShedResult } from './departures.ts';
import { misuse, serviceError } from './errors.ts';
import {
  Channel,
  type HandoffOptions,
  type HandoffResult,
  type Host,
  handOff,
  type Imported,
  openReceiver,
  type Receiver,
  TakingOver,
  type Traveller,
} from './handoff/index.ts';
import { narrow, parseTarget, resolveTarget, type ServiceName } from './names.ts';
import { noteServer } from './operate.ts';
import {
  type Accepted,
  checkCongestion,
  type Home,
  keepAliveUs,
  type SocketOptions,
  streamOptions,
} from './options.ts';
import { checkGranted, followIdentity, readSecurity } from './security.ts';
import { Socket } from './socket.ts';
import { Claim, type TakeOver } from './takeover.ts';

/** Options for every connection that the server accepts. */
export interface ServerOptions extends Omit<SocketOptions, 'signal'> {
  readonly pauseOnConnect?: boolean | undefined;
  /** Refuse clients that prove no name. */
  readonly requireKey?: boolean | undefined;
  /** Goes on with connections whose clients have lost their instance. Default: such clients are refused. */
  readonly failover?: TakeOver | undefined;
}

export interface ListenOptions {
  readonly service: ServiceName;
  /** Binds the first `bits` of the serviceID: 224 is a service with all its members (A2). Default: all 256. */
  readonly bits?: number | undefined;
  /** Share of the connections among equal instances. */
  readonly weight?: number | undefined;
  /** Higher is preferred; lower ones are used when no higher one is left. */
  readonly priority?: number | undefined;
  /** Connections not yet given to the application. */
  readonly backlog?: number | undefined;
  /**
   * Where another process may hand over its connections (`handoff`): the path of a Unix socket, for processes of this user, or
   * true, for whoever proves the key of the server's own `identity`. Each is a 'handoff' event, with its Socket and
   * the Buffer that goes with it. Nothing is read from it before all listeners were called, and one that destroys it refuses it.
   */
  readonly handoff?: string | true | undefined;
  /** Aborting it closes the server. */
  readonly signal?: AbortSignal | undefined;
}

export interface ServiceAddress {
  /** As it was given to `listen`. */
  readonly service: string;
  /** The serviceID, or prefix with its `/bits`, in text. */
  readonly id: string;
  /** Whether a router holds the name; otherwise it is found ad hoc. */
  readonly registered: boolean;
}

type ConnectionListener = (socket: Socket) => void;

/** A server that is not listening yet. */
export function createServer(
  options?: ServerOptions | ConnectionListener,
  connectionListener?: ConnectionListener,
): Server {
  return new Server(options, connectionListener);
}

export class Server extends EventEmitter {
  /** Beyond so many open connections, more are aborted and 'drop' is emitted. */
  maxConnections: number | undefined;
  readonly #options: ServerOptions;
  readonly #connections = new Set<Socket>();
  readonly #departures = new Departures({
    askToGo: (socket) => this.askToGo(socket),
    isClosed: () => this.#state === 'idle' && !this.#closePending,
    closeRest: () => this.closeAllConnections(),
  });
  readonly #home: Home = {
    closed: (socket) => {
      this.#connections.delete(socket);
      this.#emitCloseIfDrained();
    },
    gone: (socket) => this.#departures.gone(socket),
  };
  #driver: Driver | undefined;
  #id: SocketId | undefined;
  #service = '';
  #prefix: Prefix | undefined;
  #registered = false;
  /** `closing`: told the stack to close the listener, which is not gone yet. */
  #state: 'idle' | 'opening' | 'listening' | 'closing' = 'idle';
  #closePending = false;
  #following: { close(): void } | undefined;
  #unrefd = false;
  #handoffAt: string | true | undefined;
  #receiver: Receiver | undefined;
  /** Wait until nobody can come any more. */
  readonly #stopped: (() => void)[] = [];
  /** Takes it out of what operators can reach. */
  #forget: (() => void) | undefined;

  constructor(options?: ServerOptions | ConnectionListener, connectionListener?: ConnectionListener) {
    super();
    this.#options = typeof options === 'function' || options === undefined ? {} : options;
    checkCongestion(this.#options.congestion);
    const listener = typeof options === 'function' ? options : connectionListener;
    if (listener) this.on('connection', listener);
  }

  get listening(): boolean {
    return this.#state === 'listening';
  }

  /**
   * `listen(service, [listener])` or `listen({ service, ... }, [listener])`; `listener` is called on 'listening'.
   * Throws ERR_SERVER_ALREADY_LISTEN, or for a malformed name; other failures are 'error' events (EADDRINUSE, ...).
   */
  listen(service: ServiceName | ListenOptions, ...rest: (number | (() => void) | undefined)[]): this {
    const options = listenOptions(service, rest);
    const target = parseTarget(options.service);
    readSecurity(this.#options);
    if (this.#state !== 'idle')
      throw misuse('ERR_SERVER_ALREADY_LISTEN', 'Listen method has been called more than once', 'state');
    const driver = this.#options.driver ?? defaultDriver();
    for (const listener of rest) if (typeof listener === 'function') this.once('listening', listener);
    this.#state = 'opening';
    this.#service = target.text;
    this.#handoffAt = options.handoff;
    this.#closeOnAbort(options.signal);
    resolveTarget(driver, target, (error, prefix) => {
      if (this.#state === 'closing') this.#onGone();
      else if (error) this.#fail(error);
      else this.#openSafely(driver, narrow(prefix, options.bits), options);
    });
    return this;
  }

  /** Null until 'listening'. */
  address(): ServiceAddress | null {
    if (!this.listening || !this.#prefix) return null;
    return { service: this.#service, id: formatPrefix(this.#prefix), registered: this.#registered };
  }

  /** Unregisters, then accepts no more; 'close' (and `callback`) come when every connection has ended. */
  close(callback?: (error?: Error) => void): this {
    const running = this.#state === 'opening' || this.#state === 'listening';
    const error = running ? undefined : notRunning();
    this.#endReceiving();
    if (callback) this.once('close', () => callback(error));
    this.#closePending = true;
    if (running) {
      this.#state = 'closing';
      if (this.#id !== undefined) this.#driver?.handle({ kind: 'close', socket: this.#id });
    } else this.#emitCloseIfDrained();
    return this;
  }

  /**
   * Asks a share of the clients to go on at another instance: of those that can, the oldest first; nothing is broken off, and
   * who cannot go stays. For a second newcomers are sent to their next instance, if there is one. Resolves when those
   * asked have gone, or after `timeoutMs`. Throws RangeError ERR_OUT_OF_RANGE.
   */
  shed({ fraction = 1, timeoutMs = 10_000 }: ShedOptions = {}): Promise<ShedResult> {
    if (!(fraction >= 0 && fraction <= 1))
      throw misuse('ERR_OUT_OF_RANGE', `the fraction to shed is from 0 to 1, not ${fraction}`, 'range');
    const waitMs = timerMs(timeoutMs, 'timeoutMs');
    const asked = this.#departures.ask(fraction);
    if (asked.size > 0 && this.#id !== undefined) this.#driver?.handle({ kind: 'shed', socket: this.#id });
    return this.#departures.whenGone(asked, waitMs);
  }

  /**
   * Closes, and asks every client that can to go on at another instance; the others may finish. Whoever is left at the
   * deadline is reset. Resolves when all have gone and have what was written to them. May be called again: the nearest
   * deadline counts. Throws RangeError ERR_OUT_OF_RANGE.
   */
  drain({ deadlineMs = 30_000 }: DrainOptions = {}): Promise<DrainResult> {
    const waitMs = timerMs(deadlineMs, 'deadlineMs');
    this.close();
    return this.#departures.drain(waitMs);
  }

  /**
   * Hands the connections of this server to another process, which goes on with them; their clients notice nothing. `to`: a
   * path at which it takes over (`listen({ handoff })`); absent: another instance, anywhere, that proves the same key.
   * When they have gone this server closes, and who came meanwhile follows; if any was refused it serves on. Rejects with a ServiceError (ECONNREFUSED,
   * ECONNRESET, ETIMEDOUT, EACCES) or what `state` throws; a connection that has not moved goes on here then as before.
   */
  async handoff(to?: string | HandoffOptions, options: HandoffOptions = {}): Promise<HandoffResult> {
    if (typeof to === 'object') return this.handoff(undefined, to);
    const driver = this.#driver;
    if (driver === undefined || this.#prefix === undefined) throw notRunning();
    this.#endReceiving();
    return handOff(to, this.#traveller(driver, this.#prefix), options, {
      connections: () => [...this.#connections],
      close: () => this.#stopListening(),
    });
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections.size);
    return this;
  }

  /** Destroys every open connection; what was written to them is still delivered. */
  closeAllConnections(): void {
    for (const socket of this.#connections) socket.destroy();
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

  /** Closes and waits for the last connection; nothing if it does not listen. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'idle') return;
    await new Promise<void>((resolve) => {
      this.once('close', () => resolve());
      this.close();
    });
  }

  /** The connections as they come, until the server closes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Socket, void, undefined> {
    for await (const [socket] of on(this, 'connection', { close: ['close'] } as object)) yield socket as Socket;
  }

  #note(driver: Driver, prefix: string): () => void {
    return noteServer(driver, {
      prefix,
      connections: () => this.#departures.size,
      drain: (options) => this.drain(options),
      shed: (options) => this.shed(options),
    });
  }

  /** Asks the client of `socket` to go on elsewhere. False: it cannot. */
  protected askToGo(socket: Socket): boolean {
    return socket.shed();
  }

  #openSafely(driver: Driver, prefix: Prefix, options: ListenOptions): void {
    try {
      this.#open(driver, prefix, options);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #open(driver: Driver, prefix: Prefix, options: ListenOptions): void {
    const security = readSecurity(this.#options);
    checkGranted(security.identity, prefix, this.#service);
    this.#driver = driver;
    this.#prefix = prefix;
    const { noDelay, keepAlive, keepAliveInitialDelay, congestion } = this.#options;
    const id = driver.handle({
      kind: 'listen',
      service: prefix.id,
      bits: prefix.bits,
      protocol: Protocol.TCP,
      stream: streamOptions(congestion, noDelay ?? true, keepAliveUs(keepAlive ?? false, keepAliveInitialDelay)),
      security: { ...security, ...(this.#options.requireKey ? { requireKey: true } : {}) },
      ...(options.backlog === undefined ? {} : { backlog: options.backlog }),
      ...(options.weight === undefined ? {} : { weight: options.weight }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
    });
    this.#id = id;
    this.#forget = this.#note(driver, formatPrefix(prefix));
    driver.attach(id, (event) => this.#onEvent(event));
    this.#following = followIdentity(this.#options, (identity) =>
      driver.handle({ kind: 'identity', socket: id, identity }),
    );
    if (this.#unrefd) driver.unref(id);
  }

  #onEvent(event: Event): void {
    switch (event.kind) {
      case 'listening':
        this.#onListening(event.registered);
        break;
      case 'connection':
        this.#accept(event);
        break;
      case 'listen-failed':
        this.#fail(serviceError('listen', event.reason, this.#service, event.detail));
        break;
      case 'closed':
        this.#onGone(event.reason, event.detail);
        break;
    }
  }

  /** Comes again when a router takes or loses the name. */
  #onListening(registered: boolean): void {
    this.#registered = registered;
    if (this.#state !== 'opening') return;
    this.#state = 'listening';
    if (this.#handoffAt === undefined) this.emit('listening');
    else void this.#receive(this.#handoffAt);
  }

  async #receive(at: string | true): Promise<void> {
    const driver = this.#driver!;
    const host = { driver, listener: () => this.#listener(), welcome: this.#welcome };
    try {
      const traveller = this.#traveller(driver, this.#prefix!);
      const receiver = await openReceiver(at, traveller, (stream) => new TakingOver(new Channel(stream), host));
      if (this.#state !== 'listening') return receiver.close();
      this.#receiver = receiver;
      this.emit('listening');
    } catch (error) {
      this.close();
      this.emit('error', error);
    }
  }

  #listener(): SocketId | undefined {
    return this.#state === 'listening' ? this.#id : undefined;
  }

  #traveller(driver: Driver, prefix: Prefix): Traveller {
    return { driver, security: readSecurity(this.#options), prefix, text: this.#service, createServer };
  }

  readonly #welcome: Host['welcome'] = (who, carried, settled) => {
    if (!this.#prefix || !prefixContains(this.#prefix, who.service)) return 'it serves another name';
    if (this.#isFull()) return 'it has as many connections as it may';
    if (this.listenerCount('handoff') === 0) return 'its program takes no connections over';
    const { unread, unwritten, bytesRead, bytesWritten } = carried;
    const socket = this.#adopt(who.socket, who, {
      carried: { unread, unwritten, bytesRead, bytesWritten, settled },
    });
    this.emit('handoff', socket, Buffer.from(carried.blob));
    return socket.destroyed ? 'its program refuses' : undefined;
  };

  #accept(event: Extract<Event, { kind: 'connection' }>): void {
    const driver = this.#driver!;
    if (event.resuming && this.#options.failover === undefined)
      return turnAway(driver, event.connection, Reason.NOT_RESUMED);
    if (this.#isFull()) {
      turnAway(driver, event.connection, Reason.ABORTED);
      this.emit('drop', { localService: this.#nameOf(event.service) });
      return;
    }
    const { failover } = this.#options;
    const claim = event.resuming && failover ? new Claim(failover, (taken) => this.#present(taken)) : undefined;
    const onResumed = claim && ((point: ResumePoint): void => claim.hear(point));
    const socket = this.#adopt(event.connection, event, { onResumed });
    if (claim === undefined) this.#present(socket);
    else claim.hold(socket);
  }

  /** The connection is the application's. */
  #present(socket: Socket): void {
    if (this.#options.pauseOnConnect) socket.pause();
    else socket.read(0);
    this.emit('connection', socket);
    this.#departures.welcomed(socket);
  }

  #isFull(): boolean {
    return this.maxConnections !== undefined && this.#connections.size >= this.maxConnections;
  }

  #adopt(
    id: SocketId,
    who: Pick<Imported, 'service' | 'remoteService' | 'peer' | 'resumes'>,
    more: Pick<Accepted, 'carried' | 'onResumed'> = {},
  ): Socket {
    const { peer, resumes } = who;
    const accepted: Accepted = {
      driver: this.#driver!,
      id,
      localService: this.#nameOf(who.service),
      remoteService: who.remoteService && formatServiceId(who.remoteService),
      peer,
      resumes,
      home: this.#home,
      ...more,
    };
    const socket = Socket.accept(accepted, this.#options);
    this.#connections.add(socket);
    this.#departures.arrived(socket);
    return socket;
  }

  /** What the server was told to listen on if it is that, otherwise the member that was asked for. */
  #nameOf(service: Uint8Array): string {
    const whole = this.#prefix?.bits === 256 && prefixContains(this.#prefix, service);
    return whole ? this.#service : formatServiceId(service);
  }

  /** Resolves once nobody can come any more. */
  #stopListening(): Promise<void> {
    if (this.#state === 'opening' || this.#state === 'listening') this.close();
    return this.#state === 'closing' ? new Promise((resolve) => this.#stopped.push(resolve)) : Promise.resolve();
  }

  /** Takes over no more. */
  #endReceiving(): void {
    this.#receiver?.close();
    this.#receiver = undefined;
  }

  #closeOnAbort(signal: AbortSignal | undefined): void {
    if (!signal) return;
    const close = (): void => void this.close();
    if (signal.aborted) process.nextTick(close);
    else signal.addEventListener('abort', close, { once: true });
    this.once('close', () => signal.removeEventListener('abort', close));
  }

  #fail(error: Error): void {
    this.#becomeIdle();
    this.#forget?.();
    process.nextTick(() => this.emit('error', error));
  }

  #becomeIdle(): void {
    this.#following?.close();
    this.#state = 'idle';
    this.#id = undefined;
    for (const resolve of this.#stopped.splice(0)) resolve();
  }

  /** The stack's listener is gone: because of `close`, after a failure, or with the driver. */
  #onGone(reason?: Reason, detail = ''): void {
    if (this.#state === 'idle') return;
    const wanted = this.#state === 'closing';
    this.#becomeIdle();
    this.#closePending = true;
    if (!wanted && reason) this.emit('error', serviceError('listen', reason, this.#service, detail));
    this.#emitCloseIfDrained();
  }

  #emitCloseIfDrained(): void {
    if (!this.#closePending || this.#state !== 'idle' || this.#connections.size > 0) return;
    this.#closePending = false;
    this.#forget?.();
    process.nextTick(() => {
      this.emit('close');
      this.#departures.serverClosed();
    });
  }
}

function notRunning(): Error {
  return misuse('ERR_SERVER_NOT_RUNNING', 'Server is not running.', 'state');
}

function turnAway(driver: Driver, socket: SocketId, reason: Reason): void {
  driver.attach(socket, () => {});
  driver.handle({ kind: 'abort', socket, reason });
}

/** A timer would take what is too long for it, Infinity too, for nothing. */
function timerMs(ms: number, what: string): number {
  if (!(ms >= 0)) throw misuse('ERR_OUT_OF_RANGE', `${what} is a number of milliseconds, not ${ms}`, 'range');
  return Math.min(ms, 2 ** 31 - 1);
}

function listenOptions(
  service: ServiceName | ListenOptions,
  rest: (number | (() => void) | undefined)[],
): ListenOptions {
  if (typeof service === 'string' || service instanceof Uint8Array) {
    const backlog = rest.find((value) => typeof value === 'number');
    return backlog === undefined ? { service } : { service, backlog };
  }
  if (typeof service === 'object' && service !== null) return service;
  throw misuse('ERR_INVALID_ARG_TYPE', `a server listens on a service's name, not on ${typeof service} ${service}`);
}
