// The associations of a stack as records: which flow inside the stack serves a datagram socket's dealings with a name, which
// of them was used longest ago, what waits for an opening, which openings failed lately. What happens to them stands in
// associations.ts; this file is below everything that opens and closes flows, so that the end of one is noted here whatever
// its cause. Bounded throughout: names and senders come from applications and from the network.

import { type FlowId, formatServiceId, memberOffset, Reason, type ServiceId, ssIdBytes } from '../base/index.ts';
import { isPrivateName, privateName } from '../security/index.ts';
import { createExpiringMap, type ExpiringMap, getExpiring, setExpiring } from '../tables/index.ts';
import { countDrop } from './counters.ts';
import type { Connection, StackState } from './state.ts';
import type { SocketId } from './types.ts';

export interface Association {
  /** The datagram socket that it serves. */
  readonly socket: SocketId;
  /** Its entries in `byName`; the first one is paused when it fails. */
  readonly keys: readonly string[];
  /** What the application knows the other end by; undefined: by nothing that it could reply to. */
  readonly remoteName: ServiceId | undefined;
  /** Datagrams that wait for the opening. */
  readonly waiting: Uint8Array[];
  /** Of the last datagram of an application, in either direction; and as the order of use knows it. */
  usedUs: number;
  orderedUs: number;
  /** When to ask whether the other end is still there; Infinity: it was heard since something was sent. */
  probeUs: number;
  /** Questions that stay unanswered. */
  probes: number;
}

export interface Associations {
  /** By `associationKey`: where datagrams to a name go. */
  readonly byName: Map<string, Connection>;
  /** The longest unused first. */
  readonly opened: Set<Connection>;
  readonly accepted: Set<Connection>;
  /** Openings that failed lately, with the reason: they are not repeated for each datagram. */
  readonly paused: ExpiringMap<string, Reason>;
  /** Datagrams that wait, in all. */
  waiting: number;
}

const pauseUs = 1_000_000;
const maxPaused = 1024;
/** The order of use is right to within this, so that it costs nothing per datagram. */
const orderUs = 1_000_000;
/** A packet was sent and nothing came back for this long. */
const probeAfterUs = 1_000_000;

export function createAssociations(): Associations {
  return {
    byName: new Map(),
    opened: new Set(),
    accepted: new Set(),
    paused: createExpiringMap(maxPaused, 'evict'),
    waiting: 0,
  };
}

/** `expects`: the key that the sender wants to see behind the name. */
export function associationKey(socket: SocketId, name: ServiceId, expects?: ServiceId): string {
  const plain = `${socket} ${formatServiceId(name)}`;
  return expects === undefined ? plain : `${plain} ${formatServiceId(expects)}`;
}

export function createAssociation(
  { nowUs }: StackState,
  socket: SocketId,
  keys: readonly string[],
  remoteName: ServiceId | undefined,
): Association {
  return {
    socket,
    keys,
    remoteName,
    waiting: [],
    usedUs: nowUs,
    orderedUs: nowUs,
    probeUs: Number.POSITIVE_INFINITY,
    probes: 0,
  };
}

/** Of several with one name the newest is the one that is sent to. */
export function enterAssociation(stack: StackState, connection: Connection, association: Association): void {
  connection.association = association;
  for (const key of association.keys) stack.associations.byName.set(key, connection);
  orderOf(stack, connection).add(connection);
}

/** The flow is over, whatever ended it: what waits is dropped, and after a failure the next opening waits a moment. */
export function forgetAssociation(stack: StackState, connection: Connection, association: Association): void {
  const { associations, counters, nowUs } = stack;
  const { keys, waiting } = association;
  const reason = connection.over ?? Reason.OK;
  for (const key of keys) if (associations.byName.get(key) === connection) associations.byName.delete(key);
  orderOf(stack, connection).delete(connection);
  associations.waiting -= waiting.length;
  for (let i = 0; i < waiting.length; i++) countDrop(counters, reason);
  waiting.length = 0;
  const [key] = keys;
  if (key !== undefined && isFailure(reason)) setExpiring(associations.paused, key, reason, nowUs + pauseUs);
}

/** Why the last opening failed, if that was a moment ago. */
export function pausedReason({ associations, nowUs }: StackState, key: string): Reason | undefined {
  return getExpiring(associations.paused, key, nowUs);
}

/** A datagram of the application left or arrived. */
export function noteUsed(stack: StackState, connection: Connection, association: Association): void {
  association.usedUs = stack.nowUs;
  if (stack.nowUs - association.orderedUs < orderUs) return;
  association.orderedUs = stack.nowUs;
  const order = orderOf(stack, connection);
  order.delete(connection);
  order.add(connection);
}

/** A packet that only the other end can have sent, and only now. */
export function noteHeard({ association }: Connection): void {
  if (association === undefined) return;
  association.probeUs = Number.POSITIVE_INFINITY;
  association.probes = 0;
}

/** Something was sent; whether a question has to be planned, in case nothing comes back. */
export function awaitsProbe({ nowUs }: StackState, association: Association): boolean {
  if (association.probeUs !== Number.POSITIVE_INFINITY) return false;
  association.probeUs = nowUs + probeAfterUs;
  return true;
}

/**
 * A name for a sender that proved none. It stands for the association and dies with it: it never leaves this stack, and no
 * sender can ask for it, so that nobody receives what is meant for somebody else.
 */
export function makeAlias(stack: StackState): ServiceId {
  const alias = privateName(stack.random);
  writeId(alias, stack.instance);
  return alias;
}

export function isAlias({ instance }: StackState, name: ServiceId): boolean {
  if (!isPrivateName(name)) return false;
  const view = new DataView(name.buffer, name.byteOffset, memberOffset);
  return view.getUint32(ssIdBytes) === instance.hi && view.getUint32(ssIdBytes + 4) === instance.lo;
}

function writeId(name: ServiceId, { hi, lo }: FlowId): void {
  const view = new DataView(name.buffer, name.byteOffset, memberOffset);
  view.setUint32(ssIdBytes, hi);
  view.setUint32(ssIdBytes + 4, lo);
}

function orderOf({ associations }: StackState, { role }: Connection): Set<Connection> {
  return role === 'client' ? associations.opened : associations.accepted;
}

/** Ended by use, by the other end's closing, or for want of room: another one may be opened at once. */
function isFailure(reason: Reason): boolean {
  return reason !== Reason.OK && reason !== Reason.CLOSED && reason !== Reason.LIMIT;
}
