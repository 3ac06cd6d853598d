// The application's side of sending: room, queueing, and whether a small segment may leave (Nagle, RFC 896 in
// Minshall's variant; silly-window avoidance, RFC 9293 section 3.8.6.2.1). The send buffer follows the congestion
// window: twice what may be in flight keeps the sender busy without hoarding what the network cannot take.

import { extendBlocks, type Piece, pieceAt, writeBlocks } from './blocks.ts';
import { deliveredEdge, type Tcb, undeliveredBytes } from './tcb.ts';
import { Signal } from './types.ts';

const leastSendBytes = 256 * 1024;
/** Two records of the largest size, which stand in the buffer while their verification is awaited. */
const slackBytes = 128 * 1024;
/**
 * The least that is worth a packet of its own in a window that is smaller than what waits: below it, one for each probe. A
 * peer that never offered more than a few bytes would otherwise draw a packet for each of its ACKs.
 */
const leastWorthBytes = 256;
/** WRITABLE comes when this part of the buffer is free: late enough to be worth a write, early enough not to starve. */
const lowWaterShare = 4;

/** Bytes that may be queued now. */
export function sendSpace(tcb: Tcb): number {
  if (tcb.finQueued) return 0;
  return Math.max(0, sendLimit(tcb) - queuedBytes(tcb));
}

/**
 * Queues bytes and answers how many: all, or 0 after `finish` or the end of the connection. `sendSpace` is the
 * caller's measure; a record is never cut because it is a little too long.
 */
export function enqueue(tcb: Tcb, _nowUs: number, source: Uint8Array, offset: number, length: number): number {
  if (tcb.finQueued || (tcb.begun && tcb.state === 'CLOSED')) return 0;
  writeBlocks(tcb.pool, tcb.sendBuffer, tcb.sndEnd, source, offset, length);
  tcb.sndEnd += length;
  noteSpace(tcb);
  return length;
}

/** Queues `length` bytes that the caller then writes in place, with `sendPiece`; answers where they begin. */
export function extend(tcb: Tcb, length: number): number {
  const at = tcb.sndEnd;
  extendBlocks(tcb.pool, tcb.sendBuffer, at, length);
  tcb.sndEnd += length;
  noteSpace(tcb);
  return at;
}

/** Queued bytes in place: the first stretch of `length` bytes from `at` on, into `out`. */
export function sendPiece(tcb: Tcb, at: number, length: number, out: Piece): void {
  pieceAt(tcb.sendBuffer, at, length, out);
}

/** The caller found less room than it needed, be it that the limit fell with the window: WRITABLE is owed. */
export function awaitSpace(tcb: Tcb): void {
  tcb.spaceLow = true;
}

/** After ACKs: tells when there is room again. */
export function signalSpace(tcb: Tcb): void {
  if (!tcb.spaceLow) return;
  const limit = sendLimit(tcb);
  if (limit - queuedBytes(tcb) < limit / lowWaterShare) return;
  tcb.spaceLow = false;
  tcb.signals |= Signal.WRITABLE;
}

/** Queued and never sent. */
export function unsentBytes(tcb: Tcb): number {
  return Math.max(0, tcb.sndEnd - tcb.scoreboard.end);
}

/** What the peer's window leaves. */
export function usableWindow(tcb: Tcb): number {
  return Math.max(0, tcb.sndUna + tcb.sndWnd - tcb.scoreboard.end);
}

/**
 * Whether `bytes` of new data, less than a full segment, may leave now. SACKed data does not hold small segments
 * back: the peer may need just them to complete a record, and acknowledges nothing before.
 */
export function maySendSmall(tcb: Tcb, bytes: number): boolean {
  const last = bytes === unsentBytes(tcb);
  if (!last) return tcb.overrideSws || bytes >= Math.max(leastWorthBytes, tcb.maxSndWnd / 2);
  if (!tcb.options.nagle || tcb.finQueued || undeliveredBytes(tcb) === 0) return true;
  return tcb.sndSml <= deliveredEdge(tcb);
}

function noteSpace(tcb: Tcb): void {
  const limit = sendLimit(tcb);
  if (limit - queuedBytes(tcb) < limit / lowWaterShare) tcb.spaceLow = true;
}

function sendLimit(tcb: Tcb): number {
  return Math.min(tcb.options.sendBufferBytes, Math.max(leastSendBytes, 2 * tcb.congestion.cwndBytes + slackBytes));
}

function queuedBytes(tcb: Tcb): number {
  return tcb.sndEnd - Math.min(tcb.sndEnd, Math.max(0, tcb.sndUna));
}
