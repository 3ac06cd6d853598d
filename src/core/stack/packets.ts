// The packets that SAL itself sends: opening, refusing, ending, and datagrams (docs/protocol.md, "Opening", "Closing").
// Each is built once into an array of its own, since it may be repeated byte for byte; the data path never comes here
// (poll.ts writes stream packets straight into the send buffer). What a flow's packets ask for is believed only with a
// tag; before there are keys, FAIL and RST echo the nonce instead.

import { aeadTagBytes, type FlowId, type Locator, noFlow, Reason } from '../base/index.ts';
import type { Answer } from '../security/index.ts';
import {
  baseHeaderBytes,
  type Control,
  ControlFlag,
  challengeBytes,
  controlBytes,
  cookieBytes,
  Direction,
  datagramHeaderBytes,
  emitBase,
  emitChallenge,
  emitControl,
  emitCookie,
  emitDatagramHeader,
  emitFinal,
  emitHandshake,
  emitMac,
  emitService,
  finalBytes,
  handshakeBytes,
  macBytes,
  macTagBytes,
  serviceBytes,
  synBytes,
} from '../wire/index.ts';
import { countDrop } from './counters.ts';
import { wayOf } from './flow-group.ts';
import { push, queueLength } from './queue.ts';
import type { Connection, StackState } from './state.ts';
import { Protocol } from './types.ts';

export { synBytes };
/** In front of every segment of a stream in its steady state, and of one with a tag. */
export const streamHeaderBytes = baseHeaderBytes;
export const taggedHeaderBytes = baseHeaderBytes + macBytes;
const echoBytes = baseHeaderBytes + controlBytes;
/** Of MAC, up to the tag. */
const tagAt = macBytes - macTagBytes;

/** What may wait for a link that is busy. Applications' datagrams stop between the two (datagrams.ts). */
const maxOutbox = 4096;
const maxForStrangers = 1024;

/** Over the limit it is dropped and counted: whatever matters is repeated. */
export function sendPacket(stack: StackState, bytes: Uint8Array, remote: Locator, link = 0): void {
  queuePacket(stack, bytes, remote, link, maxOutbox);
}

/**
 * To where the flow's peer is now, or another flow's of the connection, if that one is silent; not more than an unproven
 * address has earned: whatever matters is repeated.
 */
export function sendToPeer(stack: StackState, bytes: Uint8Array, connection: Connection): void {
  const way = wayOf(connection);
  if (way.allowanceBytes < bytes.length) return countDrop(stack.counters, Reason.LIMIT);
  way.allowanceBytes -= bytes.length;
  queuePacket(stack, bytes, way.peer, way.link, maxOutbox);
}

/** To who has proven nothing, or on others' behalf: the first to be dropped. `spare`: see OutgoingPacket. */
export function sendForStranger(stack: StackState, bytes: Uint8Array, remote: Locator, spare?: DataView): void {
  queuePacket(stack, bytes, remote, 0, maxForStrangers, spare);
}

function queuePacket(
  stack: StackState,
  bytes: Uint8Array,
  remote: Locator,
  link: number,
  limit: number,
  spare?: DataView,
): void {
  const { outbox, counters } = stack;
  if (queueLength(outbox) < limit) push(outbox, { bytes, remote, link, spare });
  else countDrop(counters, Reason.QUEUE_FULL);
}

export interface ControlValues {
  readonly flags: number;
  readonly reason?: number;
  readonly attempt?: number;
  readonly options?: number;
  readonly nonce: FlowId;
  readonly flow: FlowId;
}

function putControl(view: DataView, offset: number, values: ControlValues): number {
  const { flags, reason = 0, attempt = 0, options = 0, nonce, flow } = values;
  return emitControl(view, offset, {
    flags,
    reason,
    attempt,
    options,
    nonceHi: nonce.hi,
    nonceLo: nonce.lo,
    flowHi: flow.hi,
    flowLo: flow.lo,
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * 1,100 bytes, padding included: room for SOURCE, and a bound on what an answer may weigh. Repetitions differ in the
 * attempt and the cookie alone, which no transcript covers.
 */
export function buildSyn(connection: Connection, attempt = connection.attempt): Uint8Array {
  const { exchange, localNonce, localFlow, service } = connection;
  const bytes = new Uint8Array(synBytes);
  const view = viewOf(bytes);
  let at = baseHeaderBytes;
  at += putControl(view, at, { flags: ControlFlag.SYN, attempt, nonce: localNonce, flow: localFlow });
  at += emitService(view, at, service, connection.sourceService);
  if (exchange !== undefined) at += emitHandshake(view, at, 0, 0, exchange.offer.message);
  if (exchange?.cookie !== undefined) at += emitCookie(view, at, Direction.RESPONSE, exchange.cookie);
  const headerBytes = at;
  const segment = exchange?.segment ?? new Uint8Array(0);
  bytes.set(segment, at);
  emitBase(view, 0, headerBytes, connection.protocol, at + segment.length, 0, 0);
  return bytes;
}

/** Tagged as a whole by the key that the exchange has just made. */
export function buildSynAck(
  stack: StackState,
  {
    protocol,
    localFlow,
    localNonce,
    remoteFlow,
  }: Pick<Connection, 'protocol' | 'localFlow' | 'localNonce' | 'remoteFlow'>,
  pattern: number,
  { message, answerKey }: Answer,
  segment: Uint8Array,
): Uint8Array {
  const headerBytes = echoBytes + handshakeBytes(message.length) + macBytes;
  const bytes = new Uint8Array(headerBytes + segment.length);
  const view = viewOf(bytes);
  let at = baseHeaderBytes;
  at += putControl(view, at, {
    flags: ControlFlag.SYN | ControlFlag.ACK,
    nonce: localNonce,
    flow: localFlow,
  });
  at += emitHandshake(view, at, pattern, 1, message);
  const tag = at + tagAt;
  emitMac(view, at, 0);
  bytes.set(segment, headerBytes);
  const { hi, lo } = remoteFlow;
  emitBase(view, 0, headerBytes, protocol, bytes.length, hi, lo);
  bytes.set(stack.options.primitives.hmac(answerKey, bytes).subarray(0, macTagBytes), tag);
  return bytes;
}

/** A packet of one CONTROL that echoes what its receiver sent: its nonce, and its flow as the destination. */
function buildEcho(flags: number, reason: number, to: FlowId, nonce: FlowId, from: FlowId): Uint8Array {
  const bytes = new Uint8Array(echoBytes);
  const view = viewOf(bytes);
  putControl(view, baseHeaderBytes, { flags, reason, nonce, flow: from });
  emitBase(view, 0, echoBytes, 0, echoBytes, to.hi, to.lo);
  return bytes;
}

/**
 * The same of a flow with keys, with its tag and room for other extensions behind CONTROL, which `put` fills. `to`: where
 * the peer is found; padding up to `paddedBytes`.
 */
export function buildTagged(
  stack: StackState,
  connection: Connection,
  values: ControlValues | undefined,
  extraBytes = 0,
  put: (view: DataView, offset: number) => void = () => {},
  to: FlowId = connection.remoteFlow,
  paddedBytes = 0,
): Uint8Array {
  const length = baseHeaderBytes + (values ? controlBytes : 0) + extraBytes + macBytes;
  const bytes = new Uint8Array(Math.max(length, paddedBytes));
  const view = viewOf(bytes);
  let at = baseHeaderBytes;
  if (values !== undefined) at += putControl(view, at, values);
  put(view, at);
  emitMac(view, at + extraBytes, connection.keys?.tagEpoch ?? 0);
  emitBase(view, 0, length, 0, length, to.hi, to.lo);
  tagPacket(stack, connection, bytes, 0, length, at + extraBytes);
  return bytes;
}

/** Fills in the tag of the complete packet of `length` bytes at `offset`, whose MAC stands at `macOffset`. */
export function tagPacket(
  stack: StackState,
  { keys }: Connection,
  bytes: Uint8Array,
  offset: number,
  length: number,
  macOffset: number,
): void {
  if (keys === undefined) return;
  stack.options.primitives.mac.tag(keys.tagKey, bytes, offset, length, bytes, macOffset + tagAt);
}

/** What stands between base header and tag until the peer has shown that the opening is complete. */
export function openingBytes({ exchange }: Connection): number {
  return controlBytes + (exchange?.proof === undefined ? 0 : handshakeBytes(exchange.proof.length));
}

/** Writes the CONTROL that acknowledges the opening, and the client's proof under XX; answers their bytes. */
export function emitOpeningAck(view: DataView, offset: number, connection: Connection): number {
  const { remoteNonce, localFlow, exchange } = connection;
  const at = offset + putControl(view, offset, { flags: ControlFlag.ACK, nonce: remoteNonce, flow: localFlow });
  if (exchange?.proof === undefined) return at - offset;
  return at + emitHandshake(view, at, 2, 2, exchange.proof) - offset;
}

/** The ACK of an opening by itself. */
export function buildAck(stack: StackState, connection: Connection): Uint8Array {
  return buildTagged(stack, connection, undefined, openingBytes(connection), (view, at) => {
    emitOpeningAck(view, at, connection);
  });
}

/** FAIL to the sender of `syn`. */
export function buildRefusal(syn: Readonly<Control>, reason: Reason): Uint8Array {
  const flow = { hi: syn.flowHi, lo: syn.flowLo };
  return buildEcho(ControlFlag.FAIL, reason, flow, { hi: syn.nonceHi, lo: syn.nonceLo }, noFlow);
}

/** FAIL with a cookie: the SYN is to be repeated with it, to whoever sent this. */
export function buildCookieRequest(syn: Readonly<Control>, cookie: Uint8Array): Uint8Array {
  const headerBytes = echoBytes + cookieBytes(cookie.length);
  const bytes = new Uint8Array(headerBytes);
  const view = viewOf(bytes);
  const nonce = { hi: syn.nonceHi, lo: syn.nonceLo };
  putControl(view, baseHeaderBytes, { flags: ControlFlag.FAIL, reason: Reason.COOKIE_REQUIRED, nonce, flow: noFlow });
  emitCookie(view, echoBytes, Direction.REQUEST, cookie);
  emitBase(view, 0, headerBytes, 0, headerBytes, syn.flowHi, syn.flowLo);
  return bytes;
}

/** RST to whoever sent `control`, on whose behalf we hold nothing. */
export function buildResetFor(control: Readonly<Control>, reason: Reason): Uint8Array {
  const flow = { hi: control.flowHi, lo: control.flowLo };
  return buildEcho(ControlFlag.RST, reason, flow, { hi: control.nonceHi, lo: control.nonceLo }, noFlow);
}

/** Go on elsewhere; `ControlFlag.ACK` added in the answer. */
export function buildShed(stack: StackState, connection: Connection, flags: number = ControlFlag.FAIL): Uint8Array {
  const { remoteNonce, localFlow } = connection;
  return buildTagged(stack, connection, { flags, reason: Reason.SHED, nonce: remoteNonce, flow: localFlow });
}

export function buildConnectionReset(stack: StackState, connection: Connection, reason: Reason): Uint8Array {
  const { remoteFlow, remoteNonce, localFlow, keys } = connection;
  if (keys === undefined) return buildEcho(ControlFlag.RST, reason, remoteFlow, remoteNonce, localFlow);
  return buildTagged(stack, connection, { flags: ControlFlag.RST, reason, nonce: remoteNonce, flow: localFlow });
}

/** SAL's FIN with the final offsets of both directions; `ControlFlag.ACK` added in the answer. */
export function buildFin(stack: StackState, connection: Connection, flags: number = ControlFlag.FIN): Uint8Array {
  const { sentBytes, receivedBytes, remoteNonce, localFlow } = connection;
  return buildTagged(stack, connection, { flags, nonce: remoteNonce, flow: localFlow }, finalBytes, (view, at) => {
    emitFinal(view, at, { sentOffset: sentBytes, receivedOffset: receivedBytes });
  });
}

export function buildFinAck(stack: StackState, connection: Connection): Uint8Array {
  return buildFin(stack, connection, ControlFlag.FIN | ControlFlag.ACK);
}

/** Asks whether the peer receives at an address, or answers so. */
export function buildChallenge(
  stack: StackState,
  connection: Connection,
  direction: number,
  { hi, lo }: FlowId,
): Uint8Array {
  return buildTagged(stack, connection, undefined, challengeBytes, (view, at) => {
    emitChallenge(view, at, { direction, tokenHi: hi, tokenLo: lo });
  });
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

/** Length of what `buildConnectedDatagram` makes. */
export function connectedDatagramBytes(connection: Connection, payloadBytes: number, withAck: boolean): number {
  const sealed = connection.peerProof?.encrypted !== false;
  const headerBytes = baseHeaderBytes + (withAck ? openingBytes(connection) : 0) + (withAck || !sealed ? macBytes : 0);
  return headerBytes + datagramHeaderBytes + payloadBytes + (sealed ? aeadTagBytes : 0);
}

/**
 * Straight to the other end, numbered and sealed; with the ACK of the opening where the peer has not shown yet that it
 * arrived. In the clear it carries a tag instead.
 */
export function buildConnectedDatagram(
  stack: StackState,
  connection: Connection,
  payload: Uint8Array,
  withAck: boolean,
): Uint8Array {
  const { keys, remoteFlow } = connection;
  const sealed = connection.peerProof?.encrypted !== false;
  const opening = withAck ? openingBytes(connection) : 0;
  const tagged = withAck || !sealed;
  const headerBytes = baseHeaderBytes + opening + (tagged ? macBytes : 0);
  const numbered = headerBytes + datagramHeaderBytes;
  const bytes = new Uint8Array(connectedDatagramBytes(connection, payload.length, withAck));
  const view = viewOf(bytes);
  if (withAck) emitOpeningAck(view, baseHeaderBytes, connection);
  if (tagged) emitMac(view, baseHeaderBytes + opening, 0);
  const number = connection.nextDatagram++;
  emitDatagramHeader(view, headerBytes, number);
  if (sealed && keys !== undefined) {
    const { aead } = stack.options.primitives;
    aead.beginSeal(keys.sealKey, number, bytes.subarray(headerBytes, numbered));
    aead.update(payload, 0, bytes, numbered, payload.length);
    aead.finishSeal(bytes, numbered + payload.length);
  } else bytes.set(payload, numbered);
  emitBase(view, 0, headerBytes, Protocol.UDP, bytes.length, remoteFlow.hi, remoteFlow.lo);
  if (tagged) tagPacket(stack, connection, bytes, 0, bytes.length, baseHeaderBytes + opening);
  return bytes;
}
