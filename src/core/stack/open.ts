// The client's half of opening (docs/protocol.md, "Opening"): resolve, SYN, SYN-ACK, ACK. SYNs are repeated with
// back-off under a growing attempt number; an instance that refuses is avoided by the next attempt; only the router, or
// three refusals, make it ECONNREFUSED. The first valid SYN-ACK wins; the sender of any other is reset.

import { Reason } from '../base/index.ts';
import { forgetOffer } from '../control/index.ts';
import { handleSegment, requestAck } from '../transport/index.ts';
import { echoesNonce } from './close.ts';
import { buildAck, buildResetFor, buildSyn, sendPacket, synBytes } from './packets.ts';
import { routeFirstPacket, suspectRouter } from './route.ts';
import { joinSearch } from './search.ts';
import {
  arm,
  attachTransport,
  conclude,
  createConnection,
  emitEvent,
  markReady,
  releaseFlow,
  setPeer,
  touch,
} from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { type Input, Protocol, type SocketId } from './types.ts';

const firstRetryUs = 300_000;
const defaultTimeoutUs = 10_000_000;
const maxRefusals = 3;
/** SYNs unanswered before a router found by search is searched for anew. */
const triesBeforeSuspicion = 2;

/** Answers the new socket; what went wrong, if anything, follows as `closed`. */
export function connect(stack: StackState, input: Extract<Input, { kind: 'connect' }>): SocketId {
  const connection = createConnection(stack, {
    protocol: input.protocol,
    role: 'client',
    service: input.service,
    listener: 0,
    stream: input.stream ?? {},
    via: input.via,
  });
  if (connection === undefined) return refuseUnopened(stack);
  connection.state = 'RESOLVING';
  connection.giveUpUs = stack.nowUs + (input.timeoutUs ?? defaultTimeoutUs);
  stack.counters.connectionsOpened++;
  if (input.protocol === Protocol.TCP) attachTransport(stack, connection);
  sendSyn(stack, connection);
  return connection.socket;
}

function refuseUnopened(stack: StackState): SocketId {
  const socket = stack.nextSocket++;
  emitEvent(stack, { kind: 'closed', socket, reason: Reason.LIMIT, detail: 'the flow table is full' });
  return socket;
}

/** Sends a SYN where the name leads now, or waits for the search, or fails. */
export function sendSyn(stack: StackState, connection: Connection): void {
  const { service, protocol, localFlow, localNonce, attempt } = connection;
  const route = connection.via
    ? ({ kind: 'send', locator: connection.via } as const)
    : routeFirstPacket(stack, service, protocol, localFlow, localNonce, attempt >> 1, synBytes);
  if (route.kind === 'refuse') return fail(stack, connection, route.reason, route.detail);
  if (route.kind === 'wait') return waitForSearch(stack, connection);
  connection.peer = route.locator;
  connection.state = 'SYN-SENT';
  sendPacket(stack, buildSyn(stack, connection), route.locator);
  connection.controlDeadlineUs = Math.min(
    stack.nowUs + firstRetryUs * 2 ** connection.controlTries,
    connection.giveUpUs,
  );
  arm(stack, connection);
}

function waitForSearch(stack: StackState, connection: Connection): void {
  joinSearch(stack, connection.service, connection.protocol).sockets.add(connection.socket);
  connection.state = 'RESOLVING';
  connection.controlDeadlineUs = connection.giveUpUs;
  arm(stack, connection);
}

/** The search for the name ended: go on, or learn that nobody is there. */
export function resumeOpening(stack: StackState, socket: SocketId, found: boolean): void {
  const connection = stack.sockets.get(socket);
  if (connection?.kind !== 'connection' || connection.state !== 'RESOLVING') return;
  if (found) sendSyn(stack, connection);
  else fail(stack, connection, Reason.NO_SUCH_SERVICE, 'no router was found and nobody on this network announces it');
}

/** The retry deadline of an opening has come. */
export function retrySyn(stack: StackState, connection: Connection): void {
  if (stack.nowUs >= connection.giveUpUs) {
    const whom = connection.state === 'RESOLVING' ? 'the search found nothing' : 'no answer to the SYN';
    return fail(stack, connection, Reason.TIMED_OUT, `${whom} after ${connection.controlTries + 1} attempts`);
  }
  connection.controlTries++;
  connection.attempt = Math.min(255, connection.attempt + 1);
  if (connection.controlTries === triesBeforeSuspicion && connection.via === undefined) suspectRouter(stack);
  sendSyn(stack, connection);
}

export function handleSynAck(stack: StackState, connection: Connection): Reason {
  const { control, packet, view, bytes } = stack.work;
  if (connection.state !== 'SYN-SENT') return handleLateSynAck(stack, connection);
  if (connection.tcb !== undefined) {
    const { payloadOffset, payloadBytes } = packet;
    const verdict = handleSegment(connection.tcb, stack.nowUs, view, bytes, payloadOffset, payloadBytes);
    if (verdict !== Reason.OK) return verdict;
  }
  connection.remoteFlow = { hi: control.flowHi, lo: control.flowLo };
  connection.remoteNonce = { hi: control.nonceHi, lo: control.nonceLo };
  connection.state = 'ESTABLISHED';
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  setPeer(stack, connection, stack.remote);
  emitEvent(stack, { kind: 'connected', socket: connection.socket, service: connection.service });
  acknowledgeOpening(stack, connection);
  touch(stack, connection);
  return Reason.OK;
}

/** A repeated SYN-ACK of our peer: our ACK was lost. One of another instance: it must not keep half a connection. */
function handleLateSynAck(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  const ours = control.flowHi === connection.remoteFlow.hi && control.flowLo === connection.remoteFlow.lo;
  if (ours && connection.state === 'ESTABLISHED') acknowledgeOpening(stack, connection);
  else sendPacket(stack, buildResetFor(control, Reason.DUPLICATE), stack.remote);
  return Reason.DUPLICATE;
}

/** A stream's next segments carry the ACK; a datagram flow has none, so the ACK goes by itself. */
function acknowledgeOpening(stack: StackState, connection: Connection): void {
  if (connection.tcb === undefined) return sendPacket(stack, buildAck(connection), connection.peer);
  requestAck(connection.tcb);
  markReady(stack, connection);
}

/** FAIL: from the router it is final; from an instance it leads to another one, three times. */
export function handleRefusal(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  if (connection.state !== 'SYN-SENT') return Reason.BAD_STATE;
  if (!echoesNonce(connection, control)) return Reason.BAD_NONCE;
  const reason = control.reason as Reason;
  if (reason !== Reason.REFUSED && reason !== Reason.OVERLOADED) fail(stack, connection, reason, 'the router refused');
  else if (++connection.refusals >= maxRefusals) fail(stack, connection, reason, 'three instances refused');
  else avoidInstance(stack, connection);
  return Reason.OK;
}

/** The next even attempt ranks another instance first. A peer found ad hoc is forgotten: its offer was stale. */
function avoidInstance(stack: StackState, connection: Connection): void {
  connection.attempt = Math.min(254, (connection.attempt | 1) + 1);
  forgetOffer(stack.discovery, connection.service, connection.protocol, connection.peer);
  sendSyn(stack, connection);
}

/** The opening failed: nothing was exchanged, so nothing lingers. */
function fail(stack: StackState, connection: Connection, reason: Reason, detail: string): void {
  releaseFlow(stack, connection);
  conclude(stack, connection, reason, detail);
}
