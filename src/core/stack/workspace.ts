// Working room of one stack, reused for every packet: parse results, a control message, the batch being read. Nothing
// in it outlives one call; it is part of the state only so that no module keeps any.

import { Reason } from '../base/index.ts';
import { type ControlMessage, createControlMessage, maxControlBytes } from '../control/index.ts';
import { type ByteSink, type ByteSource, createRecordResult, type RecordResult } from '../security/index.ts';
import { copyReadable, extend, readablePiece, sendPiece, type Tcb } from '../transport/index.ts';
import {
  type Challenge,
  type Control,
  type Cookie,
  createChallenge,
  createControl,
  createCookie,
  createDatagramHeader,
  createDataSeq,
  createFinal,
  createHandshake,
  createLineage,
  createMac,
  createPacket,
  createService,
  createSource,
  type DatagramHeader,
  type DataSeq,
  type Final,
  type Handshake,
  type Lineage,
  type Mac,
  macTagBytes,
  maxTcpHeaderBytes,
  type Packet,
  parseHandshake,
  type Service,
  type Source,
} from '../wire/index.ts';
import type { Connection } from './state.ts';

/** The transport's send buffer as the record layer sees it, pointed at one connection at a time. */
export interface ConnectionSink extends ByteSink {
  connection: Connection | undefined;
}

/** The transport's received bytes as the record layer sees them. */
export interface ConnectionSource extends ByteSource {
  readableBytes: number;
  tcb: Tcb | undefined;
}

export interface Workspace {
  /** The datagram being handled: as it was given, and as it is read. */
  given: Uint8Array;
  bytes: Uint8Array;
  view: DataView;
  readonly packet: Packet;
  readonly control: Control;
  readonly service: Service;
  readonly source: Source;
  readonly final: Final;
  readonly handshake: Handshake;
  readonly cookie: Cookie;
  readonly challenge: Challenge;
  readonly lineage: Lineage;
  readonly dataSeq: DataSeq;
  /** What the packet at hand takes of its datagram, padding behind it included. */
  datagramBytes: number;
  readonly mac: Mac;
  /** How far the epoch of the tag checked last is ahead of the one in use. */
  epochsAhead: number;
  /** The tag that a packet carries, and the one that it should. */
  readonly shownTag: Uint8Array;
  readonly tag: Uint8Array;
  /** A SYN of the transport. */
  readonly segment: Uint8Array;
  readonly segmentView: DataView;
  readonly datagram: DatagramHeader;
  readonly message: ControlMessage;
  readonly answer: ControlMessage;
  readonly payload: Uint8Array;
  readonly record: RecordResult;
  readonly sink: ConnectionSink;
  readonly received: ConnectionSource;
}

export function createWorkspace(): Workspace {
  const bytes = new Uint8Array(0);
  const segment = new Uint8Array(maxTcpHeaderBytes);
  return {
    given: bytes,
    bytes,
    view: new DataView(bytes.buffer),
    packet: createPacket(),
    control: createControl(),
    service: createService(),
    source: createSource(),
    final: createFinal(),
    handshake: createHandshake(),
    cookie: createCookie(),
    challenge: createChallenge(),
    lineage: createLineage(),
    dataSeq: createDataSeq(),
    datagramBytes: 0,
    mac: createMac(),
    epochsAhead: 0,
    shownTag: new Uint8Array(macTagBytes),
    tag: new Uint8Array(macTagBytes),
    segment,
    segmentView: new DataView(segment.buffer),
    datagram: createDatagramHeader(),
    message: createControlMessage(),
    answer: createControlMessage(),
    payload: new Uint8Array(maxControlBytes),
    record: createRecordResult(),
    sink: createSink(),
    received: createReceived(),
  };
}

function createSink(): ConnectionSink {
  return {
    connection: undefined,
    extend(length) {
      const { connection } = this;
      if (connection?.tcb === undefined) return 0;
      connection.sentBytes += length;
      return extend(connection.tcb, length);
    },
    piece(at, length, out) {
      if (this.connection?.tcb !== undefined) sendPiece(this.connection.tcb, at, length, out);
    },
  };
}

function createReceived(): ConnectionSource {
  return {
    readableBytes: 0,
    tcb: undefined,
    copy(at, target, targetOffset, length) {
      if (this.tcb !== undefined) copyReadable(this.tcb, at, target, targetOffset, length);
    },
    piece(at, length, out) {
      if (this.tcb !== undefined) readablePiece(this.tcb, at, length, out);
    },
  };
}

/** The send buffer of `connection`, for the record writer. */
export function pointSink(work: Workspace, connection: Connection): ByteSink {
  work.sink.connection = connection;
  return work.sink;
}

/** Message `number` of the key exchange in the packet at hand, copied, its pattern in `handshake`; undefined: there is none. */
export function readHandshake({ packet, view, bytes, handshake }: Workspace, number: number): Uint8Array | undefined {
  if (packet.handshakeOffset === 0 || parseHandshake(view, packet.handshakeOffset, handshake) !== Reason.OK)
    return undefined;
  if (handshake.message !== number) return undefined;
  return bytes.slice(handshake.bodyOffset, handshake.bodyOffset + handshake.bodyBytes);
}

/**
 * Points the workspace at a received datagram; the views are made anew only when the buffer is another one. Node's own
 * class of bytes has a `slice` that does not copy, so whatever comes in is looked at as plain bytes.
 */
export function openDatagram(work: Workspace, given: Uint8Array): void {
  if (work.given === given) return;
  work.given = given;
  work.bytes = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  work.view = new DataView(given.buffer, given.byteOffset, given.byteLength);
}
