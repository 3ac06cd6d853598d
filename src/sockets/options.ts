// What a Socket is told when it is made and when it connects, and how that reads for streams and for the stack. Names and
// units are net's (milliseconds) wherever net has the option.

import type { DuplexOptions } from 'node:stream';
import type { CongestionName, Driver, PeerProof, ResumePoint, SocketId, StreamOptions } from '../core/stack/index.ts';
import { misuse, say } from './errors.ts';
import type { StreamFailoverOptions } from './failover.ts';
import type { Arrival } from './handoff/passage.ts';
import type { ServiceName } from './names.ts';
import type { PathMode, PathOptions } from './paths.ts';
import { readSecurity, type SecurityOptions } from './security.ts';
import type { Socket } from './socket.ts';

export interface SocketOptions extends SecurityOptions {
  /** Whose connections these are; the process's default driver if absent. */
  readonly driver?: Driver | undefined;
  /** False (default): our side ends by itself when the peer's does. */
  readonly allowHalfOpen?: boolean | undefined;
  /** Aborting it destroys the socket. */
  readonly signal?: AbortSignal | undefined;
  readonly noDelay?: boolean | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
  /** Bytes buffered on this side, each way. Default 64 KiB. */
  readonly highWaterMark?: number | undefined;
  /**
   * How fast this end sends: 'cubic' (default), which takes each loss for a full queue, as most of the internet's traffic does,
   * or 'bbr', which measures what the path carries, for long paths that lose packets without being full.
   */
  readonly congestion?: CongestionName | undefined;
}

/** What stays the same when a socket connects again. */
export type DialOptions = SecurityOptions & Pick<SocketOptions, 'congestion'>;

export interface ConnectOptions extends SocketOptions {
  readonly service?: ServiceName | undefined;
  /** What URL-minded callers give instead of `service`: `NAME.svc` or a plain name. */
  readonly host?: string | undefined;
  /** Milliseconds of silence before 'timeout', as in net. */
  readonly timeout?: number | undefined;
  /** Milliseconds after which connecting fails with ETIMEDOUT; the stack's own bound if absent. */
  readonly connectTimeout?: number | undefined;
  /**
   * When its instance is lost, or asks its clients to go, the connection goes on at another one, byte by byte, if that one
   * can ('failover', docs/operations.md); otherwise it fails with ERR_CARACAL_NOT_RESUMED. Who listens to 'shed' sees to
   * that request without it.
   */
  readonly failover?: boolean | StreamFailoverOptions | undefined;
  /**
   * Several interfaces of this machine at once, as they come and go; by default a single one, as its routes say. 'path'
   * tells of each that joins, fails or leaves.
   */
  readonly paths?: PathMode | PathOptions | undefined;
  /**
   * Not the instance that this socket is, or was up to a minute ago, connected to. Two instances are asked at once, so that
   * a dead one costs no time; if nobody else serves the name, connecting fails.
   */
  readonly avoid?: Socket | undefined;
}

/** A connection that a listener accepted. */
export interface Accepted {
  readonly driver: Driver;
  readonly id: SocketId;
  readonly localService: string;
  readonly remoteService: string | undefined;
  readonly peer: PeerProof;
  readonly resumes: boolean;
  /** It comes from another process, with this. */
  readonly carried?: Arrival | undefined;
  /** The client has said where its lost connection stands. */
  readonly onResumed?: ((point: ResumePoint) => void) | undefined;
  readonly home: Home;
}

/** What an accepted Socket belongs to: one for all of a server. */
export interface Home {
  /** Just before its 'close'. */
  closed(socket: Socket): void;
  /** Nothing more of it is delivered, or waits for the other end; its 'close' may have been long before. */
  gone(socket: Socket): void;
}

const defaultHighWaterMark = 64 * 1024;
/** Linux's tcp_keepalive_time, used when no delay is given. */
const defaultKeepAliveMs = 7_200_000;

export function connectOptions(service: ServiceName | ConnectOptions): ConnectOptions & { service: ServiceName } {
  if (typeof service === 'string' || service instanceof Uint8Array) return { service };
  if (typeof service !== 'object' || service === null)
    throw misuse('ERR_INVALID_ARG_TYPE', `a service is a name, a serviceID or options, not ${typeof service}`);
  const name = service.service ?? service.host;
  if (name === undefined) throw misuse('ERR_MISSING_ARGS', 'The "service" option must be given');
  return { ...service, service: name };
}

export function duplexOptions(options: SocketOptions): DuplexOptions {
  return {
    allowHalfOpen: options.allowHalfOpen ?? false,
    highWaterMark: options.highWaterMark ?? defaultHighWaterMark,
    emitClose: false,
    autoDestroy: true,
    decodeStrings: true,
  };
}

export function keepAliveUs(enable: boolean, initialDelayMs: number | undefined): number {
  return enable ? (initialDelayMs || defaultKeepAliveMs) * 1000 : 0;
}

/** Of a stream that is dialled or listened for; throws ERR_INVALID_ARG_VALUE. */
export function streamOptions(congestion: unknown, noDelay: boolean, keepAliveUs: number): StreamOptions {
  checkCongestion(congestion);
  return { nagle: !noDelay, keepAliveUs, ...(congestion === undefined ? {} : { congestion }) };
}

export function checkCongestion(congestion: unknown): asserts congestion is CongestionName | undefined {
  if (congestion === undefined || congestion === 'cubic' || congestion === 'bbr') return;
  throw misuse('ERR_INVALID_ARG_VALUE', `congestion is "cubic" or "bbr", not ${say(congestion)}`);
}

/** `connect`'s options go before those of the constructor, where they are given. Throws for what is wrong in either. */
export function dialOptions(own: DialOptions, given: DialOptions): DialOptions {
  const { identity, insecure, unauthenticated, paddingBytes, congestion } = given;
  const entries = Object.entries({ identity, insecure, unauthenticated, paddingBytes, congestion });
  const options = { ...own, ...Object.fromEntries(entries.filter(([, value]) => value !== undefined)) };
  readSecurity(options);
  checkCongestion(options.congestion);
  return options;
}
