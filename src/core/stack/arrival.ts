// A connection that stands still until the peer has committed where it is: one that another process handed over, or one that
// was handed over and is taken back. Until then somebody else may be this end of it, and whatever both would send would
// be two streams in one. The move itself is migrate.ts's; here is what its end means.

import { Reason } from '../base/index.ts';
import { pathChanged, resume } from '../transport/index.ts';
import { queueClose } from './close.ts';
import { synBytes } from './packets.ts';
import { arm, conclude, deliver, markReady, releaseFlow, tellWritable } from './sockets.ts';
import type { Arriving, Connection, StackState } from './state.ts';

/** How long the peer may leave the move unanswered. */
const arriveUs = 30_000_000;

/** The move is about to be told. */
export function awaitArrival(stack: StackState, connection: Connection, arriving: Arriving): void {
  connection.arriving = arriving;
  arriving.begun = true;
  connection.controlDeadlineUs = stack.nowUs + arriveUs;
}

/** The peer has committed: this is the connection now. */
export function arrive(stack: StackState, connection: Connection): void {
  const { arriving, tcb } = connection;
  if (arriving === undefined) return;
  connection.arriving = undefined;
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  if (tcb !== undefined) {
    if (arriving.fresh) pathChanged(tcb, stack.nowUs, synBytes, true);
    resume(tcb, stack.nowUs);
  }
  if (connection.localEnd) queueClose(stack, connection);
  tellWritable(stack, connection);
  deliver(stack, connection);
  markReady(stack, connection);
  arm(stack, connection);
}

/** Nobody answers. If it lives, then elsewhere: it must not be reset from here. */
export function giveUpArrival(stack: StackState, connection: Connection): void {
  connection.arriving = undefined;
  releaseFlow(stack, connection);
  conclude(stack, connection, Reason.TIMED_OUT, 'the peer does not answer from where the connection was handed to');
}
