// The ends of a connection (docs/protocol.md, "Closing"). Orderly: a close record, then the transport's FIN, each way;
// the first end to see both directions over sends SAL's FIN with the final offsets, the other answers FIN|ACK and keeps
// the flow in TIME-WAIT to answer repeats. Abort: RST. Both carry the flow's tag. TIME-WAIT lives here and only here.

import { Reason, reasonName, sameFlow } from '../base/index.ts';
import { writeClose } from '../security/index.ts';
import { finish, forgetAck } from '../transport/index.ts';
import { type Control, ControlFlag, type Final } from '../wire/index.ts';
import { firstOf, isJoined } from './flow-group.ts';
import { dropFlow, outlives } from './leave.ts';
import { buildAck, buildConnectionReset, buildFin, buildFinAck, sendPacket, sendToPeer } from './packets.ts';
import { spend } from './path.ts';
import { closeGroup } from './schedule.ts';
import { arm, conclude, deliver, markReady, releaseFlow, releaseTransport } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { dropUnread } from './unread.ts';
import { pointSink } from './workspace.ts';

const firstRetryUs = 200_000;
const maxFinTries = 8;
/** Long enough for the peer's last FIN retransmissions to find an answer. */
const timeWaitUs = 2_000_000;
/** RSTs that one aborted flow sends at most. */
const maxResets = 16;
const resetMemoryUs = 5_000_000;
const lostMemoryUs = 60_000_000;

/** The application ended its side. */
export function endLocal(stack: StackState, connection: Connection): void {
  if (connection.localEnd || connection.over !== undefined) return;
  connection.localEnd = true;
  queueClose(stack, connection);
}

/** Queues the close record and the transport's FIN as soon as there is a transport with room. */
export function queueClose(stack: StackState, connection: Connection): void {
  const { tcb, writer } = connection;
  if (connection.closeQueued || tcb === undefined || writer === undefined || connection.resuming !== undefined) return;
  connection.closeQueued = true;
  // The transport's FIN would end one flow of several.
  if (connection.subflow !== undefined) return closeGroup(stack, connection.subflow);
  writeClose(writer, pointSink(stack.work, connection));
  finish(tcb, stack.nowUs);
  markReady(stack, connection);
}

/** Both directions are over as far as this end can see: say so, with the final offsets. */
export function maybeFinish(stack: StackState, connection: Connection): void {
  if (connection.state !== 'ESTABLISHED' || !connection.finAcked || !connection.remoteEnd) return;
  connection.state = 'FIN-SENT';
  connection.controlTries = 0;
  connection.controlPacket = buildFin(stack, connection);
  sendFin(stack, connection);
  // The final offsets say what an ACK would.
  if (connection.tcb !== undefined) forgetAck(connection.tcb);
}

function sendFin(stack: StackState, connection: Connection): void {
  if (connection.controlPacket !== undefined) sendToPeer(stack, connection.controlPacket, connection);
  connection.controlDeadlineUs = stack.nowUs + firstRetryUs * 2 ** connection.controlTries;
  arm(stack, connection);
}

/** All data was acknowledged, so a FIN that stays unanswered ends the connection all the same. */
export function retryFin(stack: StackState, connection: Connection): void {
  if (++connection.controlTries >= maxFinTries) return endOrderly(stack, connection);
  sendFin(stack, connection);
}

function endOrderly(stack: StackState, connection: Connection): void {
  releaseFlow(stack, connection);
  conclude(stack, connection, Reason.OK, '');
}

/** SAL's FIN, or FIN|ACK, with the peer's final offsets. */
export function handleFin(
  stack: StackState,
  connection: Connection,
  control: Readonly<Control>,
  final: Readonly<Final>,
): Reason {
  if (!echoesNonce(connection, control)) return Reason.BAD_NONCE;
  if (connection.state === 'TIME-WAIT' && connection.over !== Reason.OK) return repeatReset(stack, connection);
  const { receivedBytes, sentBytes } = connection;
  if (final.sentOffset !== receivedBytes || final.receivedOffset !== sentBytes) return Reason.BAD_STATE;
  if ((control.flags & ControlFlag.ACK) !== 0) {
    if (connection.state === 'FIN-SENT') endOrderly(stack, connection);
    return Reason.OK;
  }
  if (!connection.closeQueued || !connection.remoteEnd) return Reason.BAD_STATE;
  // To where it came from: behind a NAT that has made another mapping since, nobody is at the address before.
  const answer = buildFinAck(stack, connection);
  if (spend(connection, stack.remote, answer.length)) sendPacket(stack, answer, stack.remote, stack.link);
  if (connection.state === 'ESTABLISHED') enterTimeWait(stack, connection, timeWaitUs);
  return Reason.OK;
}

function enterTimeWait(stack: StackState, connection: Connection, lastsUs: number): void {
  connection.state = 'TIME-WAIT';
  connection.controlPacket = undefined;
  connection.controlDeadlineUs = stack.nowUs + lastsUs;
  releaseTransport(stack, connection);
  arm(stack, connection);
  conclude(stack, connection, Reason.OK, '');
}

/** Before there are keys, whoever echoes our nonce has at least seen the handshake. */
export function echoesNonce({ localNonce }: Pick<Connection, 'localNonce'>, control: Readonly<Control>): boolean {
  return sameFlow(localNonce, { hi: control.nonceHi, lo: control.nonceLo });
}

/** Abort by the application, or because the transport gave up; the failure of one flow of several is no more than that. */
export function abort(stack: StackState, connection: Connection, reason: Reason, detail: string): void {
  if (outlives(stack, connection, reason)) return;
  if (isJoined(connection)) return abort(stack, firstOf(connection), reason, detail);
  const opened = connection.state === 'ESTABLISHED' || connection.state === 'FIN-SENT';
  connection.demandBytes = 0;
  dropUnread(stack, connection);
  // Whoever gives up is told of no end: what came before it has just been thrown away.
  connection.endTold = true;
  if (opened) sendReset(stack, connection, reason);
  if (connection.state !== 'TIME-WAIT' && connection.state !== 'CLOSED') keepForResets(stack, connection, reason);
  conclude(stack, connection, reason, detail);
  deliver(stack, connection);
}

/** The server must have learnt of a connection to learn of its end: the ACK that a client still owes goes first. */
function sendReset(stack: StackState, connection: Connection, reason: Reason): void {
  const { tcb, role, confirmed } = connection;
  if (role === 'client' && tcb !== undefined && !confirmed) sendToPeer(stack, buildAck(stack, connection), connection);
  sendToPeer(stack, buildConnectionReset(stack, connection, reason), connection);
}

/** A flow just aborted answers what still arrives for it with RST, for a while; a peer that was only slow comes late. */
function keepForResets(stack: StackState, connection: Connection, reason: Reason): void {
  connection.state = 'TIME-WAIT';
  connection.controlTries = 0;
  connection.controlPacket = undefined;
  connection.controlDeadlineUs = stack.nowUs + (reason === Reason.PEER_LOST ? lostMemoryUs : resetMemoryUs);
  releaseTransport(stack, connection);
  arm(stack, connection);
}

/** Data for a flow that this side aborted: the RST was lost, or went where the peer is no more. Bounded, and never for a flow that ended in order. */
export function repeatReset(stack: StackState, connection: Connection): Reason {
  if (connection.over === Reason.OK || connection.controlTries >= maxResets) return Reason.CLOSED;
  connection.controlTries++;
  sendPacket(
    stack,
    buildConnectionReset(stack, connection, connection.over ?? Reason.ABORTED),
    stack.remote,
    stack.link,
  );
  return Reason.CLOSED;
}

export function handleReset(stack: StackState, connection: Connection, control: Readonly<Control>): Reason {
  if (!echoesNonce(connection, control)) return Reason.BAD_NONCE;
  if (connection.state === 'SYN-SENT') return Reason.BAD_STATE;
  if (connection.state === 'TIME-WAIT') return Reason.OK;
  if (isJoined(connection)) return loseFlow(stack, connection);
  releaseFlow(stack, connection);
  const why = resetDetail(control.reason);
  conclude(stack, connection, control.reason === Reason.OK ? Reason.ABORTED : (control.reason as Reason), why);
  return Reason.OK;
}

/** The other end has left one flow of several. */
function loseFlow(stack: StackState, connection: Connection): Reason {
  const { subflow } = connection;
  const first = firstOf(connection);
  if (subflow !== undefined && !dropFlow(stack, subflow))
    abort(stack, first, Reason.TIMED_OUT, 'there is no other flow to go on by');
  return Reason.OK;
}

function resetDetail(reason: number): string {
  if (reason === Reason.CLOSED) return 'it has closed';
  if (reason === Reason.NOT_AUTHORIZED) return 'the service refuses whom it does not know';
  return reason === Reason.ABORTED ? 'the peer aborted the connection' : `the peer says: ${reasonName(reason)}`;
}
