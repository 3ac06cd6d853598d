// Unbound datagrams to and from a name that demands a key (docs/protocol.md, "Datagrams"): at its first use of such a name a
// datagram socket opens an association, a connected flow inside the stack to one instance, and keeps it while it is used.
// The application sends and receives by name as ever and is told nothing of the flow. A sender that proved its name is
// reported by it; any other by a name that stands for the association alone. Ending one is quiet: an RST, no lingering.

import { Reason, type ServiceId } from '../base/index.ts';
import {
  type Association,
  associationKey,
  createAssociation,
  enterAssociation,
  isAlias,
  makeAlias,
  pausedReason,
} from './association-table.ts';
import { armAssociation, dropDatagram, idleUs, sendConnected } from './datagram-flows.ts';
import { openFlow } from './open.ts';
import { buildAck, buildConnectionReset, sendToPeer } from './packets.ts';
import { ask } from './path.ts';
import { demandsKey, hasProven } from './proof.ts';
import { conclude, releaseFlow } from './sockets.ts';
import type { Connection, DatagramSocket, StackState } from './state.ts';
import { Protocol } from './types.ts';

const maxWaiting = 64;
/** In all associations together. */
const maxWaitingInAll = 4096;
const openingUs = 5_000_000;
/** After a silence: so many questions, so far apart. An instance that died is given up within three seconds. */
const maxProbes = 4;
const probeIntervalUs = 500_000;
/** Senders of one address make room for each other once they hold this share of the accepted associations. */
const addressShare = 1 / 4;

/** Sends, or holds until the association is open, what may not go in the clear; undefined: `to` asks for none of this. */
export function sendAssociated(
  stack: StackState,
  socket: DatagramSocket,
  to: ServiceId,
  expects: ServiceId | undefined,
  bytes: Uint8Array,
): number | undefined {
  const key = associationKey(socket.socket, to, expects);
  const known = stack.associations.byName.get(key);
  if (known !== undefined) return sendOrHold(stack, known, bytes);
  // The association that this name stood for is gone, and nobody else ever had it.
  if (isAlias(stack, to)) return dropDatagram(stack, Reason.UNREACHABLE);
  if (expects === undefined && !demandsKey(stack, to)) return undefined;
  const paused = pausedReason(stack, key);
  if (paused !== undefined) return dropDatagram(stack, paused);
  const opened = open(stack, socket, to, expects, key);
  return typeof opened === 'number' ? dropDatagram(stack, opened) : sendOrHold(stack, opened, bytes);
}

function sendOrHold(stack: StackState, connection: Connection, bytes: Uint8Array): number {
  const { association, state } = connection;
  if (state === 'ESTABLISHED' || association === undefined) return sendConnected(stack, connection, bytes);
  const { associations } = stack;
  if (association.waiting.length >= maxWaiting || associations.waiting >= maxWaitingInAll)
    return dropDatagram(stack, Reason.QUEUE_FULL);
  association.waiting.push(bytes.slice());
  associations.waiting++;
  return 1;
}

/** The instance is chosen now, as for any flow. Under a key that was asked for, the name alone leads to it, too. */
function open(
  stack: StackState,
  socket: DatagramSocket,
  to: ServiceId,
  expects: ServiceId | undefined,
  key: string,
): Connection | Reason {
  const { opened } = stack.associations;
  const [oldest] = opened;
  if (oldest !== undefined && opened.size >= stack.limits.associations) end(stack, oldest, Reason.LIMIT);
  const keys = expects === undefined ? [key] : [key, associationKey(socket.socket, to)];
  const connection = openFlow(
    stack,
    {
      kind: 'connect',
      service: to,
      source: socket.service,
      protocol: Protocol.UDP,
      timeoutUs: openingUs,
      security: expects === undefined ? socket.security : { ...socket.security, expects },
    },
    createAssociation(stack, socket.socket, keys, to),
  );
  return connection === undefined ? Reason.LIMIT : (connection.over ?? connection);
}

/** A flow to a datagram socket has just been established: it is an association from here on. */
export function acceptAssociation(stack: StackState, connection: Connection): void {
  const socket = stack.sockets.get(connection.listener);
  if (socket?.kind !== 'datagram-socket') return;
  const { accepted } = stack.associations;
  const oldest = accepted.size >= stack.limits.associations ? leastUseful(stack, connection) : undefined;
  if (oldest !== undefined) end(stack, oldest, Reason.LIMIT);
  const name = nameOf(stack, connection);
  const keys = name === undefined ? [] : [associationKey(socket.socket, name)];
  const association = createAssociation(stack, socket.socket, keys, name);
  enterAssociation(stack, connection, association);
  armAssociation(stack, connection, association);
}

/** Whoever claims a name that demands a key, and shows none, has no name; a label proves nothing, so it is not repeated. */
function nameOf(stack: StackState, connection: Connection): ServiceId | undefined {
  const { remoteService } = connection;
  if (remoteService === undefined || hasProven(stack, connection, remoteService)) return remoteService;
  return demandsKey(stack, remoteService) ? undefined : makeAlias(stack);
}

/** The longest unused; of the newcomer's own address, if that has more than its share. */
function leastUseful(stack: StackState, { peerAddress }: Connection): Connection | undefined {
  const { accepted } = stack.associations;
  let held = 0;
  let own: Connection | undefined;
  for (const each of accepted) {
    if (each.peerAddress !== peerAddress) continue;
    own ??= each;
    held++;
  }
  const [oldest] = accepted;
  return held > stack.limits.associations * addressShare ? own : oldest;
}

/** The deadline of an association that is open: it is idle, or the other end has been silent. */
export function pollAssociation(stack: StackState, connection: Connection): void {
  const { association } = connection;
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  if (association === undefined) return;
  if (stack.nowUs - association.usedUs >= idleUs) return end(stack, connection, Reason.CLOSED);
  if (stack.nowUs >= association.probeUs) {
    if (association.probes === maxProbes) return end(stack, connection, Reason.TIMED_OUT);
    probe(stack, connection, association);
  }
  armAssociation(stack, connection, association);
}

/** Asks as of a new address (path.ts). The answer shows an opener that its ACK has arrived, if nothing else did. */
function probe(stack: StackState, connection: Connection, association: Association): void {
  const { peer, link } = connection;
  if (!connection.confirmed) sendToPeer(stack, buildAck(stack, connection), connection);
  ask(stack, connection, peer, link);
  association.probes++;
  association.probeUs = stack.nowUs + probeIntervalUs;
}

/** The socket closes: whoever it dealt with may forget it, too. */
export function closeAssociations(stack: StackState, socket: number): void {
  const { opened, accepted } = stack.associations;
  for (const connection of [...opened, ...accepted])
    if (connection.association?.socket === socket) end(stack, connection, Reason.CLOSED);
}

function end(stack: StackState, connection: Connection, reason: Reason): void {
  if (connection.state === 'ESTABLISHED')
    sendToPeer(stack, buildConnectionReset(stack, connection, Reason.CLOSED), connection);
  releaseFlow(stack, connection);
  conclude(stack, connection, reason, '');
}
