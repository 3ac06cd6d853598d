// The packets that SAL itself sends: opening, refusing, ending, and datagrams (docs/protocol.md, "Opening", "Closing").
// Each is built once into an array of its own, since it may be repeated byte for byte; the data path never comes here
// (egress.ts writes stream packets straight into the send buffer).

import { type FlowId, type Locator, noFlow, type Reason } from '../base/index.ts';
import { emitSyn } from '../transport/index.ts';
import {
  baseHeaderBytes,
  type Control,
  ControlFlag,
  controlBytes,
  datagramHeaderBytes,
  emitBase,
  emitControl,
  emitDatagramHeader,
  emitFinal,
  emitService,
  finalBytes,
  maxTcpHeaderBytes,
  serviceBytes,
  synBytes,
} from '../wire/index.ts';
import { push } from './queue.ts';
import type { Connection, StackState } from './state.ts';
import { Protocol } from './types.ts';

export { synBytes };
/** In front of every segment of a stream in its steady state. */
export const streamHeaderBytes = baseHeaderBytes;
/** With the CONTROL that acknowledges the opening. */
export const openingHeaderBytes = baseHeaderBytes + controlBytes;

export function sendPacket(stack: StackState, bytes: Uint8Array, remote: Locator): void {
  push(stack.outbox, { bytes, remote });
}

interface ControlValues {
  readonly flags: number;
  readonly reason?: number;
  readonly attempt?: number;
  readonly nonce: FlowId;
  readonly flow: FlowId;
}

function putControl(view: DataView, offset: number, values: ControlValues): number {
  const { flags, reason = 0, attempt = 0, nonce, flow } = values;
  return emitControl(view, offset, {
    flags,
    reason,
    attempt,
    options: 0,
    nonceHi: nonce.hi,
    nonceLo: nonce.lo,
    flowHi: flow.hi,
    flowLo: flow.lo,
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** 1,100 bytes, padding included: room for SOURCE, and a bound on what an answer may weigh. */
export function buildSyn(stack: StackState, connection: Connection): Uint8Array {
  const bytes = new Uint8Array(synBytes);
  const view = viewOf(bytes);
  let at = baseHeaderBytes;
  at += putControl(view, at, {
    flags: ControlFlag.SYN,
    attempt: connection.attempt,
    nonce: connection.localNonce,
    flow: connection.localFlow,
  });
  at += emitService(view, at, connection.service);
  const headerBytes = at;
  if (connection.tcb !== undefined) at += emitSyn(connection.tcb, stack.nowUs, view, at);
  emitBase(view, 0, headerBytes, connection.protocol, at, 0, 0);
  return bytes;
}

export function buildSynAck(stack: StackState, connection: Connection): Uint8Array {
  const bytes = new Uint8Array(openingHeaderBytes + maxTcpHeaderBytes);
  const view = viewOf(bytes);
  let at = baseHeaderBytes;
  at += putControl(view, at, {
    flags: ControlFlag.SYN | ControlFlag.ACK,
    nonce: connection.localNonce,
    flow: connection.localFlow,
  });
  const headerBytes = at;
  if (connection.tcb !== undefined) at += emitSyn(connection.tcb, stack.nowUs, view, at);
  emitBase(view, 0, headerBytes, connection.protocol, at, connection.remoteFlow.hi, connection.remoteFlow.lo);
  return bytes.subarray(0, at);
}

/** A packet of one CONTROL that echoes what its receiver sent: its nonce, and its flow as the destination. */
function buildEcho(flags: number, reason: number, to: FlowId, nonce: FlowId, from: FlowId): Uint8Array {
  const bytes = new Uint8Array(openingHeaderBytes);
  const view = viewOf(bytes);
  putControl(view, baseHeaderBytes, { flags, reason, nonce, flow: from });
  emitBase(view, 0, openingHeaderBytes, 0, openingHeaderBytes, to.hi, to.lo);
  return bytes;
}

/** Writes the CONTROL that acknowledges the opening at `offset`; every packet carries it until the peer answers. */
export function emitOpeningAck(view: DataView, offset: number, connection: Connection): void {
  const nonce = connection.remoteNonce;
  putControl(view, offset, { flags: ControlFlag.ACK, nonce, flow: connection.localFlow });
}

/** The ACK of an opening by itself. */
export function buildAck(connection: Connection): Uint8Array {
  return buildEcho(ControlFlag.ACK, 0, connection.remoteFlow, connection.remoteNonce, connection.localFlow);
}

/** FAIL to the sender of `syn`. */
export function buildRefusal(syn: Readonly<Control>, reason: Reason): Uint8Array {
  const flow = { hi: syn.flowHi, lo: syn.flowLo };
  return buildEcho(ControlFlag.FAIL, reason, flow, { hi: syn.nonceHi, lo: syn.nonceLo }, noFlow);
}

/** RST to whoever sent `control`, on whose behalf we hold nothing. */
export function buildResetFor(control: Readonly<Control>, reason: Reason): Uint8Array {
  const flow = { hi: control.flowHi, lo: control.flowLo };
  return buildEcho(ControlFlag.RST, reason, flow, { hi: control.nonceHi, lo: control.nonceLo }, noFlow);
}

export function buildConnectionReset(connection: Connection, reason: Reason): Uint8Array {
  return buildEcho(ControlFlag.RST, reason, connection.remoteFlow, connection.remoteNonce, connection.localFlow);
}

/** SAL's FIN with the final offsets of both directions; `ControlFlag.ACK` added in the answer. */
export function buildFin(connection: Connection, flags: number = ControlFlag.FIN): Uint8Array {
  const headerBytes = openingHeaderBytes + finalBytes;
  const bytes = new Uint8Array(headerBytes);
  const view = viewOf(bytes);
  putControl(view, baseHeaderBytes, { flags, nonce: connection.remoteNonce, flow: connection.localFlow });
  const { sentBytes, receivedBytes } = connection;
  emitFinal(view, openingHeaderBytes, { sentOffset: sentBytes, receivedOffset: receivedBytes });
  emitBase(view, 0, headerBytes, 0, headerBytes, connection.remoteFlow.hi, connection.remoteFlow.lo);
  return bytes;
}

export function buildFinAck(connection: Connection): Uint8Array {
  return buildFin(connection, ControlFlag.FIN | ControlFlag.ACK);
}

/** Names in, and out: the sender's own where an answer is wanted. */
export function buildUnboundDatagram(to: Uint8Array, from: Uint8Array | undefined, payload: Uint8Array): Uint8Array {
  const headerBytes = baseHeaderBytes + serviceBytes(from !== undefined);
  const bytes = new Uint8Array(headerBytes + payload.length);
  const view = viewOf(bytes);
  emitService(view, baseHeaderBytes, to, from);
  bytes.set(payload, headerBytes);
  emitBase(view, 0, headerBytes, Protocol.UDP, bytes.length, 0, 0);
  return bytes;
}

/** Straight to the other end, numbered; with the ACK of the opening until the peer has shown that it arrived. */
export function buildConnectedDatagram(connection: Connection, payload: Uint8Array): Uint8Array {
  const headerBytes = connection.confirmed ? streamHeaderBytes : openingHeaderBytes;
  const bytes = new Uint8Array(headerBytes + datagramHeaderBytes + payload.length);
  const view = viewOf(bytes);
  if (!connection.confirmed) emitOpeningAck(view, baseHeaderBytes, connection);
  emitDatagramHeader(view, headerBytes, connection.nextDatagram++);
  bytes.set(payload, headerBytes + datagramHeaderBytes);
  const { hi, lo } = connection.remoteFlow;
  emitBase(view, 0, headerBytes, Protocol.UDP, bytes.length, hi, lo);
  return bytes;
}
