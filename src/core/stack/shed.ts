// Shedding (docs/protocol.md, "Shedding"): an instance asks clients that can go on elsewhere to do so, and breaks nothing.
// FAIL with the reason SHED on an open flow is repeated until the client has acknowledged it by FAIL|ACK; the client's
// application is told once and leaves in its own time. Meanwhile the listener sends on whoever would come to it first, so
// that those who leave do not come back by chance; who has been sent on already is taken, since there may be nobody else.

import { Reason } from '../base/index.ts';
import { type Control, ControlFlag } from '../wire/index.ts';
import { echoesNonce } from './close.ts';
import { buildShed, sendToPeer } from './packets.ts';
import { findConnection } from './rest.ts';
import { arm, emitEvent, findBinding } from './sockets.ts';
import type { Binding, Connection, StackState } from './state.ts';
import type { SocketId } from './types.ts';

const firstRetryUs = 200_000;
/** After the last one, 6.2 s after the first, the client is left alone. */
const maxTries = 6;
const turnAwayUs = 1_000_000;
/** Of a SYN that was refused elsewhere, or by us, or that two SYNs to its first choice went before. */
const secondChoiceAttempt = 2;

/** Of a connection, or of a listener; answers 1 if it could be. */
export function shed(stack: StackState, id: SocketId): number {
  const socket = findBinding(stack, id) ?? findConnection(stack, id);
  if (socket === undefined) return 0;
  if (socket.kind === 'connection') return askToGo(stack, socket);
  socket.shedUntilUs = stack.nowUs + turnAwayUs;
  return 1;
}

function askToGo(stack: StackState, connection: Connection): number {
  const { role, resumes, state, shedding } = connection;
  if (role !== 'server' || !resumes || state !== 'ESTABLISHED' || shedding) return 0;
  connection.shedding = true;
  sendShed(stack, connection);
  return 1;
}

function sendShed(stack: StackState, connection: Connection): void {
  sendToPeer(stack, buildShed(stack, connection), connection);
  connection.shedDeadlineUs = stack.nowUs + firstRetryUs * 2 ** connection.shedTries++;
  arm(stack, connection);
}

/** No answer: the client is asked again, unless the flow is ending. */
export function retryShed(stack: StackState, connection: Connection): void {
  connection.shedDeadlineUs = Number.POSITIVE_INFINITY;
  if (connection.state === 'ESTABLISHED' && connection.shedTries < maxTries) sendShed(stack, connection);
}

/** The server asks; every request is answered, the application hears of the first. */
export function handleShed(stack: StackState, connection: Connection, control: Readonly<Control>): Reason {
  const { role, resumes, state } = connection;
  if (!echoesNonce(connection, control)) return Reason.BAD_NONCE;
  if (role !== 'client' || !resumes || state !== 'ESTABLISHED') return Reason.BAD_STATE;
  sendToPeer(stack, buildShed(stack, connection, ControlFlag.FAIL | ControlFlag.ACK), connection);
  if (connection.shedding) return Reason.DUPLICATE;
  connection.shedding = true;
  emitEvent(stack, { kind: 'shed', socket: connection.socket });
  return Reason.OK;
}

/** The client has heard. */
export function handleShedAck(connection: Connection, control: Readonly<Control>): Reason {
  if (!echoesNonce(connection, control)) return Reason.BAD_NONCE;
  if (connection.role !== 'server' || !connection.shedding) return Reason.BAD_STATE;
  connection.shedDeadlineUs = Number.POSITIVE_INFINITY;
  return Reason.OK;
}

/** Whether a SYN for `binding` is to try another instance first. */
export function turnsAway({ nowUs }: StackState, { shedUntilUs }: Binding, attempt: number): boolean {
  return nowUs < shedUntilUs && attempt < secondChoiceAttempt;
}
