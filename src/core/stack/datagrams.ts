// Datagrams, of two kinds. Unbound: every packet carries the destination's name and the sender's, and is routed like a
// first packet; replies go to the sender's name. Where a made-up name was last heard from is remembered, that of any
// other name never: whoever claims to be `clock` must not be sent what is meant for it. Connected: a flow with the
// handshake of a stream and no transport above it; each packet carries its number and goes straight to the other end.
// Unreliable by contract: where a queue is full or a name unknown, the datagram is dropped and counted.

import { aeadTagBytes, formatServiceId, type Locator, Reason, randomId, type ServiceId } from '../base/index.ts';
import { isFresh, isPrivateName, noteReceived } from '../security/index.ts';
import { getExpiring, setExpiring, type Target } from '../tables/index.ts';
import { datagramHeaderBytes, parseDatagramHeader } from '../wire/index.ts';
import { abort } from './close.ts';
import { countDrop } from './counters.ts';
import { buildConnectedDatagram, buildUnboundDatagram, sendPacket } from './packets.ts';
import { noteAddress } from './path.ts';
import { queueLength } from './queue.ts';
import { routeFirstPacket } from './route.ts';
import { type HeldDatagram, joinSearch } from './search.ts';
import { confirm, emitEvent } from './sockets.ts';
import type { Connection, DatagramSocket, StackState } from './state.ts';
import { type Input, Protocol } from './types.ts';

/** Packets waiting for the link before datagrams are dropped; streams have their own bounds. */
const maxOutbox = 1024;
const maxHeldPerName = 64;
const learnedUs = 60_000_000;
/** Far below what AES-GCM bears under one key. */
const lastDatagramNumber = 2 ** 36;
/** What the header's total length can say; the bound of the path is usually lower. */
const maxPacketBytes = 0xffff;

/** Answers 1 if the datagram was taken (sent or held for a search), 0 if it was dropped. */
export function sendDatagram(stack: StackState, input: Extract<Input, { kind: 'datagram' }>): number {
  const socket = stack.sockets.get(input.socket);
  if (socket === undefined || socket.kind === 'listener') return 0;
  if (queueLength(stack.outbox) >= maxOutbox) return drop(stack, Reason.QUEUE_FULL);
  if (socket.kind === 'connection') return sendConnected(stack, socket, input.bytes);
  return input.to === undefined ? 0 : sendUnbound(stack, socket, input.to, input.bytes);
}

function drop(stack: StackState, reason: Reason): number {
  countDrop(stack.counters, reason);
  return 0;
}

function sendConnected(stack: StackState, connection: Connection, bytes: Uint8Array): number {
  if (connection.state !== 'ESTABLISHED' || connection.protocol !== Protocol.UDP) return drop(stack, Reason.BAD_STATE);
  // A nonce is never used twice, so a flow ends where its numbers do.
  if (connection.nextDatagram >= lastDatagramNumber) {
    abort(stack, connection, Reason.LIMIT, 'the flow has used up its numbers');
    return 0;
  }
  const packet = buildConnectedDatagram(stack, connection, bytes);
  if (tooLong(stack, packet, connection.peer)) return drop(stack, Reason.LIMIT);
  sendPacket(stack, packet, connection.peer);
  connection.packetsOut++;
  connection.bytesOut += bytes.length;
  return 1;
}

function sendUnbound(stack: StackState, socket: DatagramSocket, to: ServiceId, bytes: Uint8Array): number {
  const packet = buildUnboundDatagram(to, socket.service, bytes);
  if (packet.length > maxPacketBytes) return drop(stack, Reason.LIMIT);
  const learned = getExpiring(stack.learned, formatServiceId(to), stack.nowUs);
  if (learned !== undefined) {
    if (tooLong(stack, packet, learned)) return drop(stack, Reason.LIMIT);
    sendPacket(stack, packet, learned);
    return 1;
  }
  const spread = randomId(stack.random);
  const route = routeFirstPacket(stack, to, Protocol.UDP, spread, spread, 0, packet.length);
  if (route.kind === 'refuse') return drop(stack, route.reason);
  if (route.kind === 'wait') return hold(stack, socket, to, bytes);
  if (tooLong(stack, packet, route.locator)) return drop(stack, Reason.LIMIT);
  sendPacket(stack, packet, route.locator);
  return 1;
}

function tooLong(stack: StackState, packet: Uint8Array, remote: Locator): boolean {
  return packet.length > stack.options.maxPacketBytes(remote);
}

function hold(stack: StackState, socket: DatagramSocket, to: ServiceId, bytes: Uint8Array): number {
  const { datagrams } = joinSearch(stack, to, Protocol.UDP);
  if (datagrams.length >= maxHeldPerName) return drop(stack, Reason.QUEUE_FULL);
  datagrams.push({ socket: socket.socket, bytes: bytes.slice(), to });
  return 1;
}

/** The search for a name ended: what was held for it goes, or is dropped. */
export function releaseHeld(stack: StackState, datagrams: readonly HeldDatagram[], found: boolean): void {
  for (const { socket, bytes, to } of datagrams) {
    if (found) sendDatagram(stack, { kind: 'datagram', socket, bytes, to });
    else countDrop(stack.counters, Reason.NO_SUCH_SERVICE);
  }
}

/** An unbound datagram that resolved to a socket here. */
export function receiveUnbound(
  stack: StackState,
  target: Target,
  from: ServiceId | undefined,
  sender: Locator,
  bytes: Uint8Array,
): Reason {
  const socket = stack.sockets.get(target.socket);
  if (socket?.kind !== 'datagram-socket') return Reason.BAD_STATE;
  if (from !== undefined && isPrivateName(from))
    setExpiring(stack.learned, formatServiceId(from), sender, stack.nowUs + learnedUs);
  emitEvent(stack, { kind: 'datagram', socket: socket.socket, bytes, from });
  return Reason.OK;
}

/** A datagram of a flow: new by its number, and sealed (or, in the clear, tagged) by the other end. */
export function receiveConnected(stack: StackState, connection: Connection, tagged: boolean): Reason {
  const { packet, view, datagram } = stack.work;
  const { replay } = connection;
  const verdict = parseDatagramHeader(view, packet.payloadOffset, packet.payloadBytes, datagram);
  if (verdict !== Reason.OK || replay === undefined) return verdict;
  if (!isFresh(replay, datagram.datagramNumber)) return Reason.DUPLICATE;
  const bytes = openDatagram(stack, connection, tagged);
  if (bytes === undefined) return Reason.NOT_AUTHENTIC;
  const newest = datagram.datagramNumber > replay.newest;
  noteReceived(replay, datagram.datagramNumber);
  confirm(connection);
  if (newest) noteAddress(stack, connection);
  connection.bytesIn += bytes.length;
  emitEvent(stack, { kind: 'datagram', socket: connection.socket, bytes, from: connection.remoteService });
  return Reason.OK;
}

function openDatagram(stack: StackState, connection: Connection, tagged: boolean): Uint8Array | undefined {
  const { packet, bytes, datagram } = stack.work;
  const { keys, peerProof } = connection;
  const start = packet.payloadOffset + datagramHeaderBytes;
  const end = packet.payloadOffset + packet.payloadBytes;
  if (peerProof?.encrypted === false) return tagged ? bytes.slice(start, end) : undefined;
  const plainBytes = end - start - aeadTagBytes;
  if (keys === undefined || plainBytes < 0) return undefined;
  const { aead } = stack.options.primitives;
  const plain = new Uint8Array(plainBytes);
  aead.beginOpen(keys.openKey, datagram.datagramNumber, bytes.subarray(packet.payloadOffset, start));
  aead.update(bytes, start, plain, 0, plainBytes);
  return aead.finishOpen(bytes, start + plainBytes) ? plain : undefined;
}
