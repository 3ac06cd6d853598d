// A connection to a service, shaped like net.Socket so that code and libraries written for it work unchanged (A6).
// Differences, all wanted: `connect` takes a service, never an address, and there are no addresses to read (N3):
// `remoteAddress` is undefined and `remoteService` says who. Nagle is off unless `setNoDelay(false)`: writes of one
// turn travel together anyway.

import { addAbortSignal } from 'node:stream';
import { type Locator, type Prefix, Reason } from '../core/base/index.ts';
import {
  type Driver,
  type Event,
  type PathPolicy,
  type PeerProof,
  Protocol,
  type ResumePoint,
  type SocketId,
} from '../core/stack/index.ts';
import { defaultDriver } from './default-driver.ts';
import { misuse, serviceError } from './errors.ts';
import { carryOn, readFailover } from './failover.ts';
import { asBuffer, type Carrier, type CarrierEvent, type Dial, Flow, type FlowOwner } from './flow.ts';
import { onReadableEnd } from './half-close.ts';
import type { Leaving } from './handoff/leaving.ts';
import type { Luggage } from './handoff/luggage.ts';
import { Passage } from './handoff/passage.ts';
import { type MigrateOptions, Moves } from './migrate.ts';
import { parseTarget, resolveTarget, type ServiceName, type Target } from './names.ts';
import { NetShape } from './net-shape.ts';
import {
  type Accepted,
  type ConnectOptions,
  checkCongestion,
  connectOptions,
  type DialOptions,
  dialOptions,
  duplexOptions,
  type Home,
  keepAliveUs,
  type SocketOptions,
  streamOptions,
} from './options.ts';
import { joinSmall, Outgoing } from './outgoing.ts';
import { type Path, pathOf, pathsOf, readPaths } from './paths.ts';
import { clientSecurity, notePeer } from './security.ts';
import type { Resumption } from './takeover.ts';
import { letGo, noteWrite } from './turn.ts';

/** Opens a connection to a service; `listener` is called once it is open. Throws only for a malformed argument. */
export function connect(service: ServiceName | ConnectOptions, listener?: () => void): Socket {
  const options = connectOptions(service);
  return new Socket(options).connect(options, listener);
}

export class Socket extends NetShape implements FlowOwner {
  connecting = false;
  bytesRead = 0;
  /** Who is at the other end: the name used to connect, or a serviceID in text; undefined if it has none. */
  remoteService: string | undefined;
  /** The service that this end serves; undefined on a client. */
  localService: string | undefined;
  /** What is known of the other end: whether it proved its name, its key, whether the data is encrypted. */
  peer: PeerProof | undefined;
  /** The client of this connection can go on at another instance (`failover`). */
  resumes = false;
  /** Another process goes on with it; 'close' follows. */
  handedOver = false;
  /** On the serving side: this connection goes on for one that was lost, and these are its counters at its beginning. */
  resumed: Resumption | undefined;
  #dialing: DialOptions;
  #target: Target | undefined;
  #service: Prefix | undefined;
  #driver: Driver | undefined;
  #flow: Carrier | undefined;
  /** The last flow, also when it is gone. */
  #led: Flow | undefined;
  /** Of an accepted one. */
  #home: Home | undefined;
  #outgoing: Outgoing | undefined;
  #finalCallback: (() => void) | undefined;
  #moves: Moves | undefined;
  #passage: Passage | undefined;
  #paths: PathPolicy | undefined;
  /** `_read` was called before there was anything to read from. */
  #readWanted = false;
  #unrefd = false;
  #onResumed: ((point: ResumePoint) => void) | undefined;
  #failover: ReturnType<typeof readFailover> | undefined;
  #noDelay: boolean;
  #keepAliveUs: number;

  constructor(options: SocketOptions = {}) {
    super(duplexOptions(options));
    this.#driver = options.driver;
    checkCongestion(options.congestion);
    this.#dialing = options;
    this.#noDelay = options.noDelay ?? true;
    this.#keepAliveUs = keepAliveUs(options.keepAlive ?? false, options.keepAliveInitialDelay);
    this.on('end', onReadableEnd);
    if (options.signal) addAbortSignal(options.signal, this);
  }

  /** @internal The socket of a connection that the stack has already opened. */
  static accept(accepted: Accepted, options: SocketOptions): Socket {
    const socket = new Socket(options);
    socket.#driver = accepted.driver;
    socket.#home = accepted.home;
    socket.localService = accepted.localService;
    socket.remoteService = accepted.remoteService;
    socket.peer = accepted.peer;
    socket.resumes = accepted.resumes;
    socket.#onResumed = accepted.onResumed;
    const { driver, id, carried } = accepted;
    socket.#led = new Flow(driver, id, true, socket);
    socket.#flow = socket.#led;
    if (carried) socket.#travel().unpack(carried);
    return socket;
  }

  /** @internal Stops it for another process, `to`. Undefined: it cannot leave now. */
  depart(to: Locator): Leaving | undefined {
    const led = this.#led;
    return led !== undefined && led === this.#flow && led.open ? this.#travel().depart(led, to) : undefined;
  }

  /** @internal What travels along with what the stack has. Undefined: it cannot leave any more. */
  pack(): Luggage | undefined {
    return this.#passage?.pack();
  }

  get pending(): boolean {
    return !this.#flow || this.connecting;
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.pending) return 'closed';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  get bytesWritten(): number {
    return (this.#outgoing?.sentBytes ?? 0) + this.writableLength;
  }

  /** `{ service }` on the serving side, otherwise `{}`. Never an address. */
  address(): { service?: string } {
    return this.localService === undefined ? {} : { service: this.localService };
  }

  /** As the function `connect`; a destroyed socket may connect again. */
  connect(service: ServiceName | ConnectOptions, listener?: () => void): this {
    const options = connectOptions(service);
    const target = parseTarget(options.service ?? '');
    const dialing = dialOptions(this.#dialing, options);
    const paths = readPaths(options.paths);
    const failover = readFailover(options.failover);
    if (this.connecting || (this.#flow && !this.destroyed))
      throw misuse('ERR_SOCKET_ALREADY_CONNECTED', 'this socket is connected or connecting', 'state');
    if (options.signal?.aborted) return this;
    if (this.destroyed) this.#renew();
    if (listener) this.once('connect', listener);
    if (options.timeout) this.setTimeout(options.timeout);
    this.connecting = true;
    this.remoteService = target.name ?? target.text;
    this.resumes = failover !== undefined;
    this.#failover = failover;
    this.#dialing = dialing;
    this.#target = target;
    this.#paths = paths;
    try {
      const driver = options.driver ?? this.#driver ?? defaultDriver();
      if (paths !== undefined) driver.useInterfaces?.();
      resolveTarget(driver, target, (error, prefix) => {
        if (this.destroyed || !this.connecting || this.#flow) return;
        if (error) this.destroy(error);
        else this.#openSafely(driver, target, prefix, options);
      });
    } catch (error) {
      this.destroy(error as Error);
    }
    return this;
  }

  setNoDelay(noDelay = true): this {
    if (noDelay === this.#noDelay) return this;
    this.#noDelay = noDelay;
    this.#flow?.setOptions({ nagle: !noDelay });
    return this;
  }

  setKeepAlive(enable = false, initialDelayMs?: number): this {
    const us = keepAliveUs(enable, initialDelayMs);
    if (us === this.#keepAliveUs) return this;
    this.#keepAliveUs = us;
    this.#flow?.setOptions({ keepAliveUs: us });
    return this;
  }

  /**
   * Moves the connection to another address or interface of this machine, or tells the other end again where this one is.
   * Resolves once the other end knows, as 'migrate' says; nothing that is under way is lost. Rejects with ETIMEDOUT when it
   * does not answer there, EADDRNOTAVAIL or ENOTCONN, and the connection goes on where it was. A later call takes the place
   * of one under way: both end as the later one. Changes of this machine's addresses are followed without it.
   */
  async migrate(options: MigrateOptions = {}): Promise<void> {
    this.#moves ??= new Moves();
    await this.#moves.begin(this.#flow, this.#serviceName(), options);
  }

  /** The ways that this connection goes by, in the order of their numbers; none while it is not open. */
  paths(): Path[] {
    return this.#flow?.open ? pathsOf(this.#flow.driver, this.#flow.id) : [];
  }

  ref(): this {
    this.#unrefd = false;
    this.#flow?.ref();
    return this;
  }

  unref(): this {
    this.#unrefd = true;
    this.#flow?.unref();
    return this;
  }

  /** RST: the peer sees ECONNRESET. */
  resetAndDestroy(): this {
    if (!this.#flow && !this.connecting) return this.destroy(misuse('ERR_SOCKET_CLOSED', 'Socket is closed', 'state'));
    this.#flow?.abort();
    return this.destroy();
  }

  /** On the serving side: asks the client to go on at another instance; false if it cannot, or was asked before. */
  shed(): boolean {
    return this.#led?.shed() ?? false;
  }

  /** @internal The application goes on with a lost connection; of the client's stream at byte `bytesRead`. */
  goOn({ token, receivedBytes: sentBytes }: ResumePoint, bytesRead: number): void {
    this.resumed = { token: asBuffer(token), bytesRead, bytesWritten: sentBytes };
    this.bytesRead = bytesRead;
    this.#written().sentBytes = sentBytes;
    this.#led?.resume({ token, sentBytes, receivedBytes: bytesRead, keptFrom: sentBytes });
  }

  /** @internal As resetAndDestroy, also when it was destroyed before and what was written is still being delivered. */
  cutOff(reason?: Reason): void {
    this.#led?.abort(reason);
    this.destroy();
  }

  override _read(): void {
    if (this.#flow?.open) this.#flow.read();
    else this.#readWanted = true;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#send([chunk], callback);
    noteWrite(this, this.#written(), chunk.length);
  }

  /** What was written before is written, also what the turn has held back. */
  override destroy(error?: Error): this {
    if (this.#outgoing !== undefined) letGo(this, this.#outgoing);
    return super.destroy(error);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#send(joinSmall(chunks), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.connecting) {
      this.#finalCallback = () => this._final(callback);
      return;
    }
    this.#flow?.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.connecting = false;
    this.stopTimer();
    this.#flow?.release(!this.#outgoing?.waiting && this.writableLength === 0);
    this.#flow = undefined;
    const tell = this.#outgoing?.drop(error);
    this.#moves?.settle(error ?? misuse('ERR_SOCKET_CLOSED', 'Socket is closed', 'state'));
    this.#passage?.end();
    callback(error);
    tell?.();
    // A turn later, as net's: whoever awaits 'error' can still wait for 'close'.
    setImmediate(() => {
      this.#home?.closed(this);
      this.emit('close', error !== null);
    });
  }

  #openSafely(driver: Driver, target: Target, prefix: Prefix, options: ConnectOptions): void {
    try {
      this.#open(driver, target, prefix, options);
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #open(driver: Driver, target: Target, prefix: Prefix, { connectTimeout, avoid }: ConnectOptions): void {
    const led = avoid === undefined ? undefined : avoid.#led;
    if (led !== undefined && led.driver !== driver)
      throw misuse('ERR_INVALID_ARG_VALUE', 'the socket to avoid belongs to another driver');
    const timeout = connectTimeout === undefined ? {} : { timeoutUs: connectTimeout * 1000 };
    const dial: Dial<Flow> = (listener, elsewhere = led?.id, resuming = false) => {
      const avoiding = elsewhere === undefined ? {} : { avoid: elsewhere };
      return this.#dial(driver, target, prefix, { ...timeout, ...avoiding, resuming }, listener);
    };
    this.#service = prefix;
    this.#flow = this.carry(dial, (event) => this.#onEvent(event));
  }

  /** @internal What this socket stands on: one connection. A subclass may dial again and put another in its place. */
  protected carry(dial: Dial<Flow>, listener: (event: CarrierEvent) => void): Carrier {
    if (this.#failover === undefined) return dial();
    return carryOn(this, this.#failover, dial, listener);
  }

  #dial(
    driver: Driver,
    target: Target,
    prefix: Prefix,
    options: { timeoutUs?: number; avoid?: SocketId; resuming: boolean },
    listener: ((event: Event) => void) | undefined,
  ): Flow {
    const security = clientSecurity(this.#dialing, target, prefix.id);
    const stream = streamOptions(this.#dialing.congestion, this.#noDelay, this.#keepAliveUs);
    const input = {
      kind: 'connect',
      service: prefix.id,
      protocol: Protocol.TCP,
      stream,
      security,
      resumes: this.resumes,
      ...(this.#paths === undefined ? {} : { paths: this.#paths }),
      ...options,
    } as const;
    const hear = (event: Event): void => {
      if (event.kind !== 'connected' || this.#meet(event.peer)) listener?.(event);
    };
    const flow = new Flow(driver, driver.handle(input), false, listener === undefined ? this : { hear });
    this.#led = flow;
    if (this.#unrefd) flow.unref();
    return flow;
  }

  /** @internal Of its flow. */
  hear(event: Event): void {
    if (event.kind !== 'connected' || this.#meet(event.peer)) this.#onEvent(event);
  }

  /** @internal As it. */
  letGo(): void {
    this.#home?.gone(this);
  }

  #travel(): Passage {
    this.#passage ??= new Passage(this, this.#written());
    return this.#passage;
  }

  #written(): Outgoing {
    this.#outgoing ??= new Outgoing();
    return this.#outgoing;
  }

  /** False: the other end is not who it has to be; the socket is destroyed. */
  #meet(peer: PeerProof): boolean {
    this.peer = peer;
    try {
      if (this.#target && this.#service) notePeer(this.#target, this.#service.id, peer);
      return true;
    } catch (error) {
      this.destroy(error as Error);
      return false;
    }
  }

  #onEvent(event: CarrierEvent): void {
    if (event.kind !== 'failed') this.#passage?.follow(event);
    switch (event.kind) {
      case 'connected':
        this.#onConnected();
        break;
      case 'data':
        this.#onData(event.bytes);
        break;
      case 'writable':
        this.#flush();
        break;
      case 'shed':
        this.emit('shed');
        break;
      case 'resumed':
        this.#onResumed?.(event.point);
        break;
      case 'end':
        this.push(null);
        this.read(0);
        break;
      case 'migrated':
        this.#moves?.settle();
        this.emit('migrate');
        break;
      case 'path':
        this.emit('path', pathOf(event.path));
        break;
      case 'migrate-failed':
        this.#moves?.settle(serviceError('migrate', event.reason, this.#serviceName()));
        break;
      case 'closed':
        this.#onClosed(event.reason, event.detail);
        break;
      case 'failed':
        this.destroy(event.error);
        break;
    }
  }

  #onConnected(): void {
    this.connecting = false;
    this.noteTraffic();
    this.#flush();
    this.#finalCallback?.();
    this.#finalCallback = undefined;
    if (this.#readWanted) this.#flow?.read();
    this.#readWanted = false;
    this.emit('connect');
    this.emit('ready');
    if (!this.destroyed && !this.isPaused()) this.read(0);
  }

  #onData(bytes: Uint8Array): void {
    this.bytesRead += bytes.length;
    this.noteTraffic();
    this.push(asBuffer(bytes));
  }

  #serviceName(): string {
    return this.remoteService ?? this.localService ?? 'unknown';
  }

  #onClosed(reason: Reason, detail: string): void {
    const service = this.#serviceName();
    const left = this.#passage?.left();
    if (left !== undefined) {
      this.handedOver = true;
      this.destroy(left.late ? serviceError('write', Reason.HANDED_OVER, service) : undefined);
      return;
    }
    const waiting = this.#outgoing?.waiting ?? false;
    const syscall = this.connecting ? 'connect' : waiting ? 'write' : 'read';
    if (reason !== Reason.OK || waiting)
      this.destroy(serviceError(syscall, reason === Reason.OK ? Reason.CLOSED : reason, service, detail));
  }

  #send(chunks: readonly Uint8Array[], callback: (error?: Error | null) => void): void {
    this.#written().begin(chunks, callback);
    if (!this.connecting) this.#flush();
  }

  /** Hands on what the stack takes; the rest waits for `writable`. */
  #flush(): void {
    const flow = this.#flow;
    if (!flow) this.#outgoing?.finish(misuse('ERR_SOCKET_CLOSED', 'Socket is closed', 'state'));
    else if (this.#outgoing?.flush((chunk, offset) => flow.write(chunk, offset))) this.noteTraffic();
  }

  /** Back to a fresh socket, as net's connect does with a destroyed one. */
  #renew(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    if (Object.hasOwn(this, 'write')) delete (this as { write?: unknown }).write;
    this.bytesRead = 0;
    this.#outgoing = undefined;
    this.#passage = undefined;
    this.#finalCallback = undefined;
    this.#readWanted = false;
  }
}
