// Records that do not come, or are not authentic (docs/protocol.md, "Records"): somebody sends data in the peer's name. What
// waits for the rest of such a record is thrown away, for the peer to send again; for a while only packets with a tag
// bring payload then; and a peer that goes on so in tagged ones is at the end of it.

import { Reason } from '../base/index.ts';
import { readableBytes, rejectBytes, type Tcb } from '../transport/index.ts';
import { countDrop } from './counters.ts';
import { firstOf } from './flow-group.ts';
import { distrustUs } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/**
 * An incomplete record that does not grow while the peer is alive: its header was forged, and what it claims to wait for
 * will never come. It is thrown away, for the peer to send again. While the rest has no room because our
 * application does not read, it may wait.
 */
export function awaitRecord(
  stack: StackState,
  connection: Connection,
  tcb: Tcb,
  readable: number,
  recordBytes: number,
): void {
  const shut = firstOf(connection).unreadBytes > 0 && tcb.rcvAcked + recordBytes > tcb.rcvAdv;
  if (readable === 0 || shut) connection.recordDeadlineUs = Number.POSITIVE_INFINITY;
  else if (readable !== connection.recordReadable || connection.recordDeadlineUs === Number.POSITIVE_INFINITY)
    connection.recordDeadlineUs = stack.nowUs + Math.max(recordPatienceUs, 4 * tcb.rtt.rtoUs);
  connection.recordReadable = readable;
}

/** A peer that has the rest to send repeats it sooner. */
const recordPatienceUs = 3_000_000;

/** The patience with an incomplete record is at its end. */
export function discardRecord(stack: StackState, connection: Connection): void {
  const { tcb } = connection;
  connection.recordDeadlineUs = Number.POSITIVE_INFINITY;
  if (tcb === undefined) return;
  distrust(stack, connection, tcb);
  rejectBytes(tcb, stack.nowUs, readableBytes(tcb));
}

/**
 * A record failed: somebody sends data in the peer's name. One such packet for each of the peer's would stop the flow, so
 * for a while only tagged ones count; the ACK that is due tells the peer.
 */
export function distrust(stack: StackState, connection: Connection, { rcvAcked }: Tcb): void {
  countDrop(stack.counters, Reason.BAD_RECORD);
  connection.distrustUntilUs = stack.nowUs + distrustUs;
  if (connection.refusedOffset !== rcvAcked) connection.refusedTimes = 0;
  connection.refusedOffset = rcvAcked;
  connection.refusedTimes++;
}

/** Forged bytes are gone after two or three refusals, since none but tagged ones come after them. */
export const mostRefusals = 16;
