// Failover (docs/protocol.md, "Failover"): a client that lost its connection opens another one, at another instance, on its
// behalf. That it does so it says in its first message; how far the lost connection had come, in a record behind the
// opening, which nobody on the way reads. The server answers by such a record, or aborts the flow. Until both are there
// nothing else passes: an instance that knows nothing of the lost connection must never be taken for one that goes on with
// it. Where they go on is the applications' business; nothing here keeps a byte of the lost connection.

import { Reason } from '../base/index.ts';
import { writeResume } from '../security/index.ts';
import { decodeResume, encodeResume } from '../wire/index.ts';
import { abort, queueClose } from './close.ts';
import { tellResume } from './schedule.ts';
import { emitEvent, markReady, tellWritable } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import type { Input } from './types.ts';
import { pointSink } from './workspace.ts';

/** A connection that goes on for a lost one, until both ends have said where. */
export interface Resuming {
  told: boolean;
  heard: boolean;
  /** The peer sent something else first, or said it twice. */
  broken: boolean;
}

export function createResuming(): Resuming {
  return { told: false, heard: false, broken: false };
}

/** Says where this end stands; the server once it has heard the client. Answers 1 if it was said. */
export function resume(
  stack: StackState,
  connection: Connection,
  { point }: Extract<Input, { kind: 'resume' }>,
): number {
  const { resuming, state, writer, role, subflow } = connection;
  if (resuming === undefined || resuming.told || state !== 'ESTABLISHED' || writer === undefined) return 0;
  if (role === 'server' && !resuming.heard) return 0;
  resuming.told = true;
  const body = encodeResume(point);
  if (subflow !== undefined) tellResume(stack, subflow, body);
  else writeResume(writer, body, pointSink(stack.work, connection));
  connection.awaitsReply = true;
  markReady(stack, connection);
  goOn(stack, connection, resuming);
  return 1;
}

/** What the peer says. */
export function takeResume(stack: StackState, connection: Connection, body: Uint8Array): void {
  const { resuming, role } = connection;
  const point = decodeResume(body);
  if (resuming === undefined || point === undefined || resuming.heard || (role === 'client' && !resuming.told)) {
    connection.resuming = { told: true, heard: true, broken: true };
    return;
  }
  resuming.heard = true;
  connection.awaitsReply = false;
  emitEvent(stack, { kind: 'resumed', socket: connection.socket, point });
  goOn(stack, connection, resuming);
}

/** Something else has come. True: before it was its turn. */
export function comesTooEarly({ resuming }: Connection): boolean {
  if (resuming === undefined) return false;
  resuming.broken = true;
  return true;
}

/** What was read shows that the other end does not know what it goes on with. True: it is over. */
export function endIfBroken(stack: StackState, connection: Connection): boolean {
  if (connection.resuming?.broken !== true) return false;
  abort(stack, connection, Reason.NOT_RESUMED, 'the other end does not say where it goes on');
  return true;
}

/** Both have said it: the connection is one like any other. */
function goOn(stack: StackState, connection: Connection, { told, heard }: Resuming): void {
  if (!told || !heard) return;
  connection.resuming = undefined;
  tellWritable(stack, connection);
  if (connection.localEnd) queueClose(stack, connection);
}
