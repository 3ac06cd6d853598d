// What the layer above does with received bytes: read, accept, consume or reject. `rcvAcked` <= `rcvNxt`: between
// them stand bytes that are contiguous and not yet vouched for. Accepting moves the cumulative acknowledgement,
// consuming opens the window, rejecting throws bytes away as if they had never come (RFC 2018 lets a receiver do
// that with what it only SACKed); the sender repeats them.

import { updateWindowIfDue } from './ack.ts';
import { copyBlocks, type Piece, pieceAt, releaseBlocks, truncateBlocks } from './blocks.ts';
import { receivedFin } from './closing.ts';
import { noteHeard } from './probe.ts';
import { dropReassembly, heldBytes, insertInterval } from './reassembly.ts';
import type { Tcb } from './tcb.ts';
import { tuneReceiveBuffer } from './window.ts';

/** Contiguous bytes from `rcvAcked` on that wait for a verdict. */
export function readableBytes(tcb: Tcb): number {
  return tcb.rcvNxt - tcb.rcvAcked;
}

/** Copies readable bytes, from `at` after the first of them. */
export function copyReadable(tcb: Tcb, at: number, target: Uint8Array, targetOffset: number, length: number): void {
  copyBlocks(tcb.receiveBuffer, tcb.rcvAcked + at, target, targetOffset, length);
}

/** The readable bytes in place: the first stretch from `at` on, at most `length` bytes, into `out`. */
export function readablePiece(tcb: Tcb, at: number, length: number, out: Piece): void {
  pieceAt(tcb.receiveBuffer, tcb.rcvAcked + at, length, out);
}

/** The first `bytes` readable bytes are authentic, and taken: their memory goes, their ACK is scheduled by `endBatch`. */
export function acceptBytes(tcb: Tcb, nowUs: number, bytes: number): void {
  tcb.rcvAcked += Math.min(bytes, readableBytes(tcb));
  noteHeard(tcb, nowUs);
  releaseBlocks(tcb.pool, tcb.receiveBuffer, tcb.rcvAcked);
  if (tcb.rcvAcked === tcb.rcvFinAt && !tcb.finReceived) receivedFin(tcb, nowUs);
}

/** The application took `bytes` of what was accepted: the window opens. */
export function consumeBytes(tcb: Tcb, nowUs: number, bytes: number): void {
  tcb.rcvConsumed = Math.min(tcb.rcvAcked, tcb.rcvConsumed + bytes);
  tuneReceiveBuffer(tcb, nowUs);
  updateWindowIfDue(tcb, nowUs);
}

/** The first `bytes` readable bytes are not authentic: dropped, their SACK withdrawn. What stands above them stays. */
export function rejectBytes(tcb: Tcb, _nowUs: number, bytes: number): void {
  const { rcvAcked, rcvNxt } = tcb;
  const keptFrom = rcvAcked + Math.min(bytes, readableBytes(tcb));
  if (keptFrom === rcvAcked) return;
  tcb.counters.rejectedBytes += keptFrom - rcvAcked;
  tcb.rcvNxt = rcvAcked;
  tcb.rcvFinAt = -1;
  tcb.lastRcvNxtAcked = Math.min(tcb.lastRcvNxtAcked, rcvAcked);
  if (keptFrom < rcvNxt) insertInterval(tcb.reassembly, tcb.pool.columns, keptFrom, rcvNxt);
  tcb.ackNow = true;
}

/** Received above a hole. */
export function outOfOrderBytes(tcb: Tcb): number {
  return heldBytes(tcb.reassembly);
}

/** Memory is short: what stands above a hole is dropped as if it had never come, for the sender to repeat. */
export function discardOutOfOrder(tcb: Tcb): void {
  if (tcb.reassembly.intervals.count === 0) return;
  dropReassembly(tcb.reassembly, tcb.pool.columns);
  truncateBlocks(tcb.pool, tcb.receiveBuffer, tcb.rcvNxt);
  tcb.ackNow = true;
}
