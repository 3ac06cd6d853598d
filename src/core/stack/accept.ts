// The server's half of opening. A SYN for a name bound here makes one half-open connection and one SYN-ACK; the same SYN
// again gets the byte-identical SYN-ACK. `connection` fires on the ACK. Half-open connections are bounded by the
// listener's backlog and by the stack, and go after a few retransmissions of the SYN-ACK (a bounded answer to one SYN).

import { type Locator, Reason, type ServiceId } from '../base/index.ts';
import { getExpiring, setExpiring, type Target } from '../tables/index.ts';
import { handleSegment } from '../transport/index.ts';
import type { Control } from '../wire/index.ts';
import { buildRefusal, buildSynAck, sendPacket } from './packets.ts';
import { arm, attachTransport, createConnection, emitEvent, releaseFlow, setPeer } from './sockets.ts';
import type { Connection, Listener, StackState } from './state.ts';
import { Protocol } from './types.ts';

const firstRetryUs = 300_000;
const maxRetries = 5;
const maxHalfOpen = 4096;
/** A SYN may still arrive twice after this long only from a broken network. */
const duplicateUs = 15_000_000;

export interface Syn {
  readonly service: ServiceId;
  readonly source: ServiceId | undefined;
  readonly control: Readonly<Control>;
  readonly protocol: number;
  /** Where the answer goes: the sender, or the client as the first router saw it. */
  readonly client: Locator;
  /** It came through a router. */
  readonly routed: boolean;
}

/** A SYN that resolved to `target`, a socket of this stack. */
export function acceptSyn(stack: StackState, target: Target, syn: Syn): Reason {
  const key = openingKey(syn.control);
  const known = getExpiring(stack.opened, key, stack.nowUs);
  if (known !== undefined) return repeatSynAck(stack, known, syn.client);
  const listener = stack.sockets.get(target.socket);
  if (listener?.kind !== 'listener' || listener.closing || listener.protocol !== syn.protocol)
    return refuseSyn(stack, syn, Reason.REFUSED);
  if (stack.halfOpen >= maxHalfOpen || listener.halfOpen >= listener.backlog) return Reason.QUEUE_FULL;
  const connection = createConnection(stack, {
    protocol: syn.protocol,
    role: 'server',
    service: syn.service,
    listener: listener.socket,
    stream: listener.stream,
    via: undefined,
  });
  if (connection === undefined) return Reason.LIMIT;
  connection.remoteService = syn.source;
  connection.remoteFlow = { hi: syn.control.flowHi, lo: syn.control.flowLo };
  connection.remoteNonce = { hi: syn.control.nonceHi, lo: syn.control.nonceLo };
  const tcb = syn.protocol === Protocol.TCP ? attachTransport(stack, connection) : undefined;
  setPeer(stack, connection, syn.client);
  if (tcb !== undefined) {
    const { packet, view, bytes } = stack.work;
    const verdict = handleSegment(tcb, stack.nowUs, view, bytes, packet.payloadOffset, packet.payloadBytes);
    if (verdict !== Reason.OK) {
      discard(stack, connection);
      return verdict;
    }
  }
  connection.state = 'SYN-RECEIVED';
  listener.halfOpen++;
  stack.halfOpen++;
  setExpiring(stack.opened, key, connection.socket, stack.nowUs + duplicateUs);
  connection.controlPacket = buildSynAck(stack, connection);
  sendSynAck(stack, connection);
  return Reason.OK;
}

function openingKey(control: Readonly<Control>): string {
  return `${control.flowHi} ${control.flowLo} ${control.nonceHi} ${control.nonceLo}`;
}

/** The client may have been rebound by a NAT since its first SYN: it is where its last one came from. */
function repeatSynAck(stack: StackState, socket: number, client: Locator): Reason {
  const connection = stack.sockets.get(socket);
  if (connection?.kind !== 'connection' || connection.state !== 'SYN-RECEIVED') return Reason.DUPLICATE;
  setPeer(stack, connection, client);
  if (connection.controlPacket !== undefined) sendPacket(stack, connection.controlPacket, client);
  return Reason.DUPLICATE;
}

function sendSynAck(stack: StackState, connection: Connection): void {
  if (connection.controlPacket !== undefined) sendPacket(stack, connection.controlPacket, connection.peer);
  connection.controlDeadlineUs = stack.nowUs + firstRetryUs * 2 ** connection.controlTries;
  arm(stack, connection);
}

export function retrySynAck(stack: StackState, connection: Connection): void {
  if (++connection.controlTries > maxRetries) return dropHalfOpen(stack, connection);
  sendSynAck(stack, connection);
}

/** The ACK of the opening, or any packet that carries it: the connection is the application's from here on. */
export function establish(stack: StackState, connection: Connection): void {
  const listener = leaveHalfOpen(stack, connection);
  connection.state = 'ESTABLISHED';
  connection.confirmed = true;
  connection.controlPacket = undefined;
  connection.controlTries = 0;
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  stack.counters.connectionsAccepted++;
  emitEvent(stack, {
    kind: 'connection',
    socket: listener?.socket ?? connection.listener,
    connection: connection.socket,
    service: connection.service,
    ...(connection.remoteService === undefined ? {} : { remoteService: connection.remoteService }),
  });
}

function leaveHalfOpen(stack: StackState, connection: Connection): Listener | undefined {
  stack.halfOpen--;
  const listener = stack.sockets.get(connection.listener);
  if (listener?.kind !== 'listener') return undefined;
  listener.halfOpen--;
  if (listener.closing && listener.halfOpen === 0) stack.controlPlaneUs = 0;
  return listener;
}

/** A half-open connection ends without ever having been told to the application. */
export function dropHalfOpen(stack: StackState, connection: Connection): void {
  leaveHalfOpen(stack, connection);
  discard(stack, connection);
}

function discard(stack: StackState, connection: Connection): void {
  releaseFlow(stack, connection);
  stack.sockets.delete(connection.socket);
}

/** Half-open connections of a listener that closes. */
export function halfOpenOf(stack: StackState, listener: Listener): Connection[] {
  const found: Connection[] = [];
  if (listener.halfOpen === 0) return found;
  for (const socket of stack.sockets.values())
    if (socket.kind === 'connection' && socket.state === 'SYN-RECEIVED' && socket.listener === listener.socket)
      found.push(socket);
  return found;
}

/** Tells the client at once, so that it need not wait for its timeout. */
export function refuseSyn(stack: StackState, syn: Syn, reason: Reason): Reason {
  stack.counters.refused++;
  sendPacket(stack, buildRefusal(syn.control, reason), syn.client);
  return reason;
}
