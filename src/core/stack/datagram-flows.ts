// Datagrams on a flow: the handshake of a stream and no transport above it. Each one carries its number, which is the nonce
// of its seal, and goes straight to the other end; a window refuses what arrives twice. The flow is an application's own
// connection, or an association, which serves a datagram socket. Unreliable by contract: what does not fit is dropped.

import { aeadTagBytes, type Locator, Reason } from '../base/index.ts';
import { isFresh, noteReceived } from '../security/index.ts';
import { datagramHeaderBytes, parseDatagramHeader } from '../wire/index.ts';
import { type Association, awaitsProbe, noteHeard, noteUsed } from './association-table.ts';
import { abort } from './close.ts';
import { countDrop } from './counters.ts';
import { buildAck, buildConnectedDatagram, connectedDatagramBytes, sendToPeer } from './packets.ts';
import { noteAddress } from './path.ts';
import { arm, confirm, emitDatagram } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { Protocol } from './types.ts';

/** An association that was not used for so long is closed. */
export const idleUs = 60_000_000;
/** Far below what AES-GCM bears under one key. */
const lastDatagramNumber = 2 ** 36;

/** Counts it and answers what the sender is told: the reason with a minus. */
export function dropDatagram(stack: StackState, reason: Reason): number {
  countDrop(stack.counters, reason);
  return -reason;
}

export function tooLong(stack: StackState, packetBytes: number, remote: Locator, link: number): boolean {
  return packetBytes > stack.options.maxPacketBytes(remote, link);
}

/** Answers 1 if the datagram was sent, or as `dropDatagram`. */
export function sendConnected(stack: StackState, connection: Connection, bytes: Uint8Array): number {
  const { peer, link, association } = connection;
  if (connection.state !== 'ESTABLISHED' || connection.protocol !== Protocol.UDP)
    return dropDatagram(stack, Reason.BAD_STATE);
  // A nonce is never used twice, so a flow ends where its numbers do.
  if (connection.nextDatagram >= lastDatagramNumber) {
    abort(stack, connection, Reason.LIMIT, 'the flow has used up its numbers');
    return dropDatagram(stack, Reason.LIMIT);
  }
  if (tooLong(stack, connectedDatagramBytes(connection, bytes.length, false), peer, link))
    return dropDatagram(stack, Reason.LIMIT);
  sendToPeer(
    stack,
    buildConnectedDatagram(stack, connection, bytes, acknowledges(stack, connection, bytes)),
    connection,
  );
  connection.packetsOut++;
  connection.bytesOut += bytes.length;
  if (association !== undefined) {
    noteUsed(stack, connection, association);
    if (awaitsProbe(stack, association)) armAssociation(stack, connection, association);
  }
  return 1;
}

/** Whether the ACK of the opening rides on this datagram; where there is no room for it, it goes ahead. */
function acknowledges(stack: StackState, connection: Connection, bytes: Uint8Array): boolean {
  if (connection.confirmed) return false;
  const { peer, link } = connection;
  if (!tooLong(stack, connectedDatagramBytes(connection, bytes.length, true), peer, link)) return true;
  sendToPeer(stack, buildAck(stack, connection), connection);
  return false;
}

/** The opening is complete: what waited for it goes, and the time without use begins. */
export function beginAssociation(stack: StackState, connection: Connection, association: Association): void {
  const waiting = association.waiting.splice(0);
  stack.associations.waiting -= waiting.length;
  for (const bytes of waiting) sendConnected(stack, connection, bytes);
  armAssociation(stack, connection, association);
}

export function armAssociation(stack: StackState, connection: Connection, { usedUs, probeUs }: Association): void {
  connection.controlDeadlineUs = Math.min(usedUs + idleUs, probeUs);
  arm(stack, connection);
}

/** A datagram of a flow: new by its number, and sealed (or, in the clear, tagged) by the other end. */
export function receiveConnected(stack: StackState, connection: Connection, tagged: boolean): Reason {
  const { packet, view, datagram } = stack.work;
  const { replay, association } = connection;
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
  if (association === undefined) return emitDatagram(stack, connection, bytes, connection.remoteService);
  noteUsed(stack, connection, association);
  noteHeard(connection);
  const socket = stack.sockets.get(association.socket);
  if (socket?.kind !== 'datagram-socket') return Reason.BAD_STATE;
  return emitDatagram(stack, socket, bytes, association.remoteName);
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
