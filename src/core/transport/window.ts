// The receive window (RFC 9293 sections 3.8.6.2.2, RFC 7323 section 2): what may be advertised, and how the buffer grows.
// Bytes count against it until the application consumed them, accepted or not. Invariant: the right edge never
// moves left, so a window that does not fit the scale is rounded up where rounding down would take bytes back.
// The buffer is tuned as in dynamic right-sizing: four times what the application consumed in a round trip, so that it
// stays ahead of a sender in slow start; memory is only used by bytes that really wait.

import { ackNumber, type Tcb } from './tcb.ts';

const maxRaw = 65_535;
const tuneFactor = 4;
const minRttUs = 1_000;

/** The window field for an ACK sent now; remembers the edge. */
export function advertise(tcb: Tcb): number {
  const ack = ackNumber(tcb);
  const unit = 1 << tcb.rcvScale;
  let raw = Math.floor((receiveEdge(tcb) - ack) / unit);
  if (ack + raw * unit < tcb.rcvAdv) raw = Math.ceil((tcb.rcvAdv - ack) / unit);
  raw = Math.max(0, Math.min(maxRaw, raw));
  tcb.rcvAdv = Math.max(tcb.rcvAdv, ack + raw * unit);
  return raw;
}

/** The window field of a SYN, which is never scaled. */
export function advertiseUnscaled(tcb: Tcb): number {
  const raw = Math.min(maxRaw, tcb.rcvBufBytes);
  tcb.rcvAdv = Math.max(tcb.rcvAdv, raw);
  return raw;
}

/** Where the window may end: it stays where it is until it can grow by a segment or half the buffer. */
function receiveEdge(tcb: Tcb): number {
  const edge = tcb.rcvConsumed + tcb.rcvBufBytes;
  return edge - tcb.rcvAdv >= Math.min(tcb.rcvMss, tcb.rcvBufBytes / 2) ? edge : tcb.rcvAdv;
}

/**
 * Whether the peer, unless it has ended, should hear of a larger window at once: it grew by two segments and at least
 * doubles what the peer has left, or it grew by half the buffer. Less would send an update for every read of a busy
 * application.
 */
export function windowUpdateDue(tcb: Tcb): boolean {
  if (tcb.finReceived) return false;
  const growth = tcb.rcvConsumed + tcb.rcvBufBytes - tcb.rcvAdv;
  if (growth >= tcb.rcvBufBytes / 2) return true;
  return growth >= 2 * tcb.rcvMss && growth >= tcb.rcvAdv - tcb.rcvNxt;
}

/** From a segment with timestamps that brought data: now less the echo, an upper bound of the round trip. */
export function sampleReceiverRtt(tcb: Tcb, elapsedMs: number): void {
  const rttUs = Math.max(minRttUs, elapsedMs * 1000);
  if (tcb.rcvRttUs === 0 || rttUs < tcb.rcvRttUs) tcb.rcvRttUs = rttUs;
  else tcb.rcvRttUs += (rttUs - tcb.rcvRttUs) / 8;
}

/** The application consumed more: once per round trip the buffer follows. */
export function tuneReceiveBuffer(tcb: Tcb, nowUs: number): void {
  if (tcb.rcvRttUs === 0) return;
  const elapsedUs = nowUs - tcb.tuneStartUs;
  if (elapsedUs < tcb.rcvRttUs) return;
  const consumed = tcb.rcvConsumed - tcb.tuneStart;
  const wanted = tuneFactor * consumed * Math.min(1, (2 * tcb.rcvRttUs) / elapsedUs);
  const limit = Math.min(tcb.options.receiveBufferBytes, maxRaw << tcb.rcvScale);
  tcb.rcvBufBytes = Math.min(limit, Math.max(tcb.rcvBufBytes, wanted));
  tcb.tuneStartUs = nowUs;
  tcb.tuneStart = tcb.rcvConsumed;
}
