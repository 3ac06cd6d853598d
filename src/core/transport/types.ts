// The contract of the stream engine: TCP (RFC 9293) as functions over a plain `Tcb` record. It moves opaque bytes
// and knows nothing of flows, services or addresses: it is given a `Lower`, so the same engine runs above SAL and,
// in the gateway, on an IP 5-tuple. Work is per batch: many segments in, one `endBatch`; one `egress`, many segments out.
//
// Invariant: bytes are acknowledged cumulatively only up to `rcvAcked`, the last byte that the layer above accepted
// (a verified record); bytes received past it are reported as SACK, which RFC 2018 lets a receiver withdraw.

import type { CongestionName } from './congestion.ts';

/** What carries segments. One per connection; every member may change between two calls of `egress`. */
export interface Lower {
  /** Bytes to leave in front of a segment. */
  readonly headerBytes: number;
  /**
   * The same for a trusted segment: one whose ACK, window, timestamps and FIN the peer will believe. It costs more than
   * others, so each batch has one, its last. Equal where nothing tells them apart (plain TCP): then all are trusted.
   */
  readonly trustedHeaderBytes: number;
  /**
   * Who opens and aborts. `lower`: SAL drives SYN and SYN-ACK (`emitSyn`), owns RST and TIME-WAIT.
   * `self`: plain TCP, with its own SYN retransmission, RST and TIME-WAIT.
   */
  readonly opening: 'lower' | 'self';
  /** Padding may follow a packet, which the engine of the other end is not given: a probe may be longer than its data. */
  readonly pads: boolean;
  /**
   * Writes the lower header at `offset`, in front of the segment of `segmentBytes` that stands there complete; a lower
   * layer that wants a TCP checksum or a tag fills it in here.
   */
  emitHeader(batch: PacketBatch, offset: number, segmentBytes: number, trusted: boolean): void;
}

/** Room for packets to one destination, owned by the caller and reused: equal sizes, only the last may be shorter. */
export interface PacketBatch {
  readonly buffer: Uint8Array;
  readonly view: DataView;
  /** Bytes filled so far, from offset 0. */
  bytes: number;
  /** Size of each packet but the last: the segment size for UDP_SEGMENT. */
  packetBytes: number;
  packets: number;
  /** A path MTU probe: to be sent alone, unfragmented, padding included. */
  probe: boolean;
}

/** RFC 9293 section 3.3.2. `CLOSED` also stands for "freed". */
export type TcpState =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT';

/** Bits of `tcb.signals`: what happened since the caller last cleared them. */
export const Signal = {
  ESTABLISHED: 1,
  /** Contiguous bytes past `rcvAcked` have grown. */
  READABLE: 2,
  /** `sendSpace` grew past the low-water mark after it had been exhausted. */
  WRITABLE: 4,
  /** The peer's FIN is in sequence, after all data; in `lower` mode SAL decides what it means. */
  FIN_RECEIVED: 8,
  /** Everything sent, our FIN included, is acknowledged. */
  FIN_ACKED: 16,
  /** The peer reset (self mode). */
  RESET: 32,
  /** Retransmission or keep-alive gave up, or the peer takes nothing. */
  TIMED_OUT: 64,
  /** The peer acknowledged what was withheld from it: it lies about what it receives. */
  HOSTILE: 128,
  /** `mtu` has found out something. */
  PATH_MTU: 256,
} as const;

export interface TcbOptions {
  readonly opening: 'lower' | 'self';
  /** Initial send sequence number: 32 random bits. */
  readonly iss: number;
  /** Start of the timestamp clock; random unless given. */
  readonly tsOffset?: number;
  /** Whole-packet size (lower header + segment) to begin with; 1,200 unless the path is known. */
  readonly packetBytes: number;
  /** The most that a path MTU search may reach at first: what the outgoing link allows (`setPathLimit`). */
  readonly maxPacketBytes: number;
  /** Lower header of a trusted segment, for computing the MSS: any segment may have to be repeated as one. */
  readonly headerBytes: number;
  readonly sendBufferBytes: number;
  readonly receiveBufferBytes: number;
  /** RFC 896; false sends small segments at once. */
  readonly nagle: boolean;
  /** CUBIC unless given; for the whole life of the connection. */
  readonly congestion?: CongestionName;
  readonly keepAlive?: KeepAlive;
  /** Give up when nothing was acknowledged for this long; by default after 15 retransmissions. */
  readonly timeoutUs?: number;
  /** Give up when data waits and the peer takes less than a segment of it for this long, alive or not; by default never (RFC 1122, 4.2.2.17). */
  readonly stallUs?: number;
  /** `self` mode; above SAL both are 0. */
  readonly localPort?: number;
  readonly remotePort?: number;
}

/** What several connections may have in common. */
export type EngineOptions = Omit<TcbOptions, 'iss' | 'tsOffset'>;

export interface KeepAlive {
  readonly idleUs: number;
  readonly intervalUs: number;
  readonly probes: number;
}
