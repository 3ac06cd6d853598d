// Unbound datagrams. Every packet carries the destination's name and the sender's, and is routed like a first packet; replies
// go to the sender's name. In the clear they go only to labels that nothing is known of, and stay on private networks; any
// other name is reached by an association (associations.ts). Where a made-up name was last heard from is remembered, that of
// any other name never: whoever claims to be `clock` must not be sent what is meant for it. Unreliable by contract: where a
// queue is full or a name unknown, the datagram is dropped and counted.

import { formatServiceId, type Locator, Reason, randomId, type ServiceId } from '../base/index.ts';
import { isPrivateName } from '../security/index.ts';
import { getExpiring, setExpiring, type Target } from '../tables/index.ts';
import { sendAssociated } from './associations.ts';
import { countDrop } from './counters.ts';
import { dropDatagram, sendConnected, tooLong } from './datagram-flows.ts';
import { buildUnboundDatagram, sendPacket } from './packets.ts';
import { demandsKey, isReserved, mayGoInClear } from './proof.ts';
import { queueLength } from './queue.ts';
import { routeFirstPacket } from './route.ts';
import { type HeldDatagram, joinSearch } from './search.ts';
import { emitDatagram } from './sockets.ts';
import type { DatagramSocket, StackState } from './state.ts';
import { type Input, Protocol } from './types.ts';

/** Packets waiting for the link before datagrams are dropped; streams have their own bounds. */
const maxOutbox = 2048;
const maxHeldPerName = 64;
const learnedUs = 60_000_000;
/** What the header's total length can say; the bound of the path is usually lower. */
const maxPacketBytes = 0xffff;

/** Answers 1 if the datagram was taken (sent, or held until it can be); dropped, the reason with a minus; 0: no socket. */
export function sendDatagram(stack: StackState, input: Extract<Input, { kind: 'datagram' }>): number {
  const socket = stack.sockets.get(input.socket);
  if (socket === undefined || socket.kind === 'listener' || socket.kind === 'resting') return 0;
  if (queueLength(stack.outbox) >= maxOutbox) return dropDatagram(stack, Reason.QUEUE_FULL);
  if (socket.kind === 'connection') return sendConnected(stack, socket, input.bytes);
  return input.to === undefined ? 0 : sendUnbound(stack, socket, input.to, input.expects, input.bytes);
}

function sendUnbound(
  stack: StackState,
  socket: DatagramSocket,
  to: ServiceId,
  expects: ServiceId | undefined,
  bytes: Uint8Array,
): number {
  const answer = sendAssociated(stack, socket, to, expects, bytes);
  return answer ?? sendInClear(stack, socket, to, bytes);
}

/** A label that nothing is known of: to this machine and private networks, and no further. */
function sendInClear(stack: StackState, socket: DatagramSocket, to: ServiceId, bytes: Uint8Array): number {
  const packet = buildUnboundDatagram(to, socket.service, bytes);
  if (packet.length > maxPacketBytes) return dropDatagram(stack, Reason.LIMIT);
  const learned = getExpiring(stack.learned, formatServiceId(to), stack.nowUs);
  if (learned !== undefined) return transmit(stack, socket, to, packet, learned);
  const spread = randomId(stack.random);
  const route = routeFirstPacket(stack, to, Protocol.UDP, spread, spread, 0, packet.length);
  if (route.kind === 'refuse') return dropDatagram(stack, route.reason);
  if (route.kind === 'wait') return hold(stack, socket, to, bytes);
  return transmit(stack, socket, to, packet, route.locator);
}

/** What the directory answers may go as far as what it is asked. */
function transmit(
  stack: StackState,
  { service }: DatagramSocket,
  to: ServiceId,
  packet: Uint8Array,
  next: Locator,
): number {
  if (!mayGoInClear(stack, to, next) && !isReserved(stack, service)) return dropDatagram(stack, Reason.UNTRUSTED);
  if (tooLong(stack, packet.length, next, 0)) return dropDatagram(stack, Reason.LIMIT);
  sendPacket(stack, packet, next);
  return 1;
}

function hold(stack: StackState, socket: DatagramSocket, to: ServiceId, bytes: Uint8Array): number {
  const { datagrams } = joinSearch(stack, to, Protocol.UDP);
  if (datagrams.length >= maxHeldPerName) return dropDatagram(stack, Reason.QUEUE_FULL);
  datagrams.push({ socket: socket.socket, bytes: bytes.slice(), to });
  return 1;
}

/** The search for a name ended: what was held for it goes, or is dropped. */
export function releaseHeld(stack: StackState, datagrams: readonly HeldDatagram[], found: boolean): void {
  for (const { socket, bytes, to } of datagrams) {
    if (found) sendDatagram(stack, { kind: 'datagram', socket, bytes, to });
    else countDrop(stack.counters, Reason.NO_SUCH_SERVICE);
  }
}

/** An unbound datagram that came in the clear and resolved to a socket here. */
export function receiveUnbound(
  stack: StackState,
  target: Target,
  to: ServiceId,
  from: ServiceId | undefined,
  sender: Locator,
  bytes: Uint8Array,
): Reason {
  const socket = stack.sockets.get(target.socket);
  if (socket?.kind !== 'datagram-socket') return Reason.BAD_STATE;
  if (demandsKey(stack, to)) return Reason.UNTAGGED;
  if (from !== undefined && isPrivateName(from))
    setExpiring(stack.learned, formatServiceId(from), sender, stack.nowUs + learnedUs);
  // A name that demands a key is not taken from who shows none.
  const known = from === undefined || demandsKey(stack, from) ? undefined : from;
  return emitDatagram(stack, socket, bytes, known);
}
