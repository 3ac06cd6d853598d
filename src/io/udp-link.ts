// What carries packets over UDP: one socket, both IP versions, batches in and out. Two links keep this contract: the
// offload link (FFI, kernel segmentation) and the dgram link (node:dgram alone). A receiver splits a super-packet by the
// packets' own lengths, so nothing here needs to know where one packet ends.

import { release } from 'node:os';
import type { Locator } from '../core/base/index.ts';
import { isUsable, usableAddresses } from './interfaces.ts';
import type { Libc } from './libc.ts';

/** `blocked`: the link keeps the batch and says `writable` once it is gone. `failed`: dropped and counted. */
export type SendResult = 'ok' | 'blocked' | 'too-big' | 'failed';

export interface LinkCallbacks {
  /** One datagram or super-packet. The buffer is the link's: to be read before returning. */
  received(buffer: Uint8Array, bytes: number, remote: Locator): void;
  /** After the last `received` of one wake-up, and after the first where it is likely to be the last. */
  drained(): void;
  /** After `blocked`: everything kept has been sent. */
  writable(): void;
  /** The host at `remote` says of a packet of ours that no program has that port; anybody can forge it. Not every link hears. */
  unreachable(remote: Locator): void;
}

export interface LinkCounters {
  batchesSent: number;
  packetsSent: number;
  bytesSent: number;
  batchesReceived: number;
  bytesReceived: number;
  /** Sends that found the socket's buffer full; each was kept. */
  blocked: number;
  /** Batches dropped because too many were kept already. */
  overflowed: number;
  tooBig: number;
  failed: number;
  /** Error code of the last failure. */
  lastError: string;
}

export interface LinkReport {
  readonly kind: 'offload' | 'dgram';
  /** Why this link, in words. */
  readonly why: string;
  readonly forced: boolean;
  readonly kernel: string;
  readonly koffi: string | undefined;
  readonly segmentation: boolean;
  readonly coalescing: boolean;
  /** Whether packets carry "don't fragment", so that the path MTU can be searched. */
  readonly dontFragment: boolean;
  readonly ipv6: boolean;
  /** As the kernel counts them: about twice what was asked for. */
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly port: number;
}

export interface UdpLink {
  readonly kind: 'offload' | 'dgram';
  /** A batch written here is sent without a copy. Its length is the most that one batch may hold. */
  readonly sendBuffer: Uint8Array;
  readonly counters: LinkCounters;
  /** The port is bound. Rejects with a system error (EADDRINUSE, EACCES, ...). */
  readonly ready: Promise<void>;
  /** Where others reach this socket now, best first; empty before `ready`, and while the address it is bound to is gone. */
  locals(): Locator[];
  /** `bytes` of `buffer` in packets of `packetBytes`, the last of which may be shorter. `probe`: one packet, as it is. */
  send(
    buffer: Uint8Array,
    bytes: number,
    packetBytes: number,
    packets: number,
    remote: Locator,
    probe: boolean,
  ): SendResult;
  /** Takes what has arrived without waiting for a wake-up; answers how many super-packets. */
  drain(): number;
  /** Interface MTU on the way to `remote` less IP and UDP headers. */
  maxPacketBytes(remote: Locator): number;
  /** The local address that packets to `remote` leave from; undefined: there is no way to it. Absent: the link cannot tell. */
  sourceOf?(remote: Locator): Uint8Array | undefined;
  /** Addresses or routes have changed: what is remembered of ways to others is stale. */
  forgetRoutes(): void;
  /** Packets that the kernel dropped because the receive buffer was full; 0 where unknown. */
  receiveDrops(): number;
  ref(): void;
  unref(): void;
  close(): Promise<void>;
  report(): LinkReport;
}

export interface LinkOptions {
  readonly callbacks: LinkCallbacks;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** One local address to bind to; absent: all, of both IP versions. */
  readonly address?: string;
  /** Interface that its packets leave and come by, where the kernel lets us choose; absent: as the routes say. */
  readonly device?: string;
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
  /** Super-packets per wake-up, before other work of the process gets its turn. */
  readonly drainBudget?: number;
  /** Overrides the environment's CARACAL_LINK. */
  readonly kind?: 'offload' | 'dgram';
  /** The C library; a test gives one that fails on demand. */
  readonly libc?: Libc;
}

/** The largest datagram that fits IPv4 as well as IPv6: the bound of a batch. */
export const maxBatchBytes = 65_487;
/** What every kernel with UDP_SEGMENT takes in one call (newer ones take 128). */
export const maxSegments = 64;
/** What passes everywhere unfragmented: used where the link cannot know better (docs/protocol.md, "Path MTU"). */
export const safePacketBytes = 1_200;

/** Addresses that reach a socket bound to every address. */
export function localLocators(port: number, ipv6: boolean): Locator[] {
  const near: Locator[] = [];
  const far: Locator[] = [];
  for (const { address, internal } of usableAddresses()) {
    if (address.length === 16 && !ipv6) continue;
    (internal ? near : far).push({ address, port });
  }
  far.sort((a, b) => a.address.length - b.address.length);
  return [...far, ...near];
}

/** Of a socket bound to `address`. */
export function oneLocator(address: Uint8Array, port: number): Locator[] {
  return isUsable(address, usableAddresses()) ? [{ address, port }] : [];
}

export function newCounters(): LinkCounters {
  return {
    batchesSent: 0,
    packetsSent: 0,
    bytesSent: 0,
    batchesReceived: 0,
    bytesReceived: 0,
    blocked: 0,
    overflowed: 0,
    tooBig: 0,
    failed: 0,
    lastError: '',
  };
}

export function kernelRelease(): string {
  return `${process.platform} ${release()}`;
}
