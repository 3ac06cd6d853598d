// Several flows of one connection (docs/protocol.md, "Several flows"): what is kept beside their engines. The first flow is
// the application's connection; the others are connections in no socket table, with its keys, records and end. A group is
// made when the other end, or the application, wants more than one flow; a connection without knows nothing of it. Here is
// the record, and what can be said of a flow at a glance; schedule.ts sends, reorder.ts receives, join.ts opens.

import { sameBytes } from '../base/index.ts';
import { createReplayWindow, type ReplayWindow } from '../security/index.ts';
import { consumeBytes, overdueAtUs } from '../transport/index.ts';
import type { LocatorEntry } from '../wire/index.ts';
import { createQueue, type Queue } from './queue.ts';
import type { Connection, StackState } from './state.ts';
import type { PathPolicy } from './types.ts';

/** Flows of one connection, the first included. */
export const maxSubflows = 8;

/** A record that was written and that no flow's peer has acknowledged. */
export interface SentRecord {
  readonly number: number;
  /** Bytes of all records before it: the distance of two records is the difference. */
  readonly offset: number;
  readonly bytes: number;
  /** The flows whose send buffers hold it. */
  readonly carriers: Subflow[];
}

/** A record in the send buffer of one flow, and where it begins there. */
export interface Placed {
  readonly record: SentRecord;
  readonly at: number;
}

/** A record that came before those in front of it. */
export interface AheadRecord {
  readonly type: number;
  readonly plain: Uint8Array;
}

/** Data goes by the preferred flows, while none of them works by regular ones, while none of those does by backups. */
export type Role = 'preferred' | 'regular' | 'backup';

export interface Subflow {
  readonly group: FlowGroup;
  readonly connection: Connection;
  /** Number within the connection, for people; 0 is the first flow's. */
  readonly pathId: number;
  /** Of the JOIN that asked for it, counted from 1; 0: the first flow. */
  readonly joinNumber: number;
  readonly role: Role;
  /** Of a client's flow beside the first: the interface that it leaves from. */
  readonly interface: string;
  /** What the application was told last. */
  told: 'up' | 'down';
  /** What it carries, oldest first; whole records that were acknowledged are gone. */
  readonly sent: Queue<Placed>;
  /** Since when its peer is silent although an answer is due; Infinity: it is not. */
  suspectUs: number;
  /** When a silent peer is asked again. */
  probeUs: number;
}

export interface FlowGroup {
  readonly first: Connection;
  /** The first flow's stands first. */
  readonly subflows: Subflow[];
  /** Of the application; undefined: the other end opens flows. */
  readonly policy: PathPolicy | undefined;

  /** By number, the lowest first. */
  readonly outstanding: Map<number, SentRecord>;
  writtenBytes: number;
  /** The last change of keys that was written; nothing goes before it is acknowledged. -1: none. */
  updateNumber: number;

  readonly ahead: Map<number, AheadRecord>;
  aheadBytes: number;
  /** The most that the flows' windows have allowed to be ahead. */
  mostAheadBytes: number;
  /** Number of the peer's close record; Infinity: not seen. */
  closeNumber: number;

  /** Numbers of JOINs that were received. */
  readonly joins: ReplayWindow;
  /** Of the last JOIN that was sent. */
  lastJoin: number;
  /** Where else the peer says that it is; undefined: it has not said. When it was asked; Infinity: it was not. */
  peers: readonly LocatorEntry[] | undefined;
  askedUs: number;
  /** The peer wants to know where else this end is, now and when it changes; and what it was told last. */
  tellsPeer: boolean;
  told: Uint8Array;
  /** Openings that failed, by link. */
  readonly failures: Map<number, { count: number; untilUs: number }>;
  /** When it is looked at again which flows are missing. */
  lookUs: number;
  /** What has passed each interface on flows that are gone, in bytes. */
  readonly spent: Map<string, number>;
}

export function createGroup(first: Connection, policy: PathPolicy | undefined): FlowGroup {
  const group: FlowGroup = {
    first,
    subflows: [],
    policy,
    outstanding: new Map(),
    writtenBytes: 0,
    updateNumber: -1,
    ahead: new Map(),
    aheadBytes: 0,
    mostAheadBytes: 0,
    closeNumber: Number.POSITIVE_INFINITY,
    joins: createReplayWindow(),
    lastJoin: 0,
    peers: undefined,
    askedUs: Number.POSITIVE_INFINITY,
    tellsPeer: false,
    told: new Uint8Array(0),
    failures: new Map(),
    lookUs: Number.POSITIVE_INFINITY,
    spent: new Map(),
  };
  addSubflow(group, first, 0, 0, 'regular');
  return group;
}

export function addSubflow(
  group: FlowGroup,
  connection: Connection,
  pathId: number,
  joinNumber: number,
  role: Role,
  name = '',
): Subflow {
  const subflow: Subflow = {
    group,
    connection,
    pathId,
    joinNumber,
    role,
    interface: name,
    told: pathId === 0 ? 'up' : 'down',
    sent: createQueue(),
    suspectUs: Number.POSITIVE_INFINITY,
    probeUs: Number.POSITIVE_INFINITY,
  };
  connection.subflow = subflow;
  group.subflows.push(subflow);
  return subflow;
}

/** A flow beside the first: no application knows it. */
export function isJoined({ subflow }: Connection): boolean {
  return subflow !== undefined && subflow.pathId !== 0;
}

/** There is no other flow, and never was: records stand in its stream in their order. */
export function isAlone({ group }: Subflow): boolean {
  return group.subflows.length === 1 && group.lastJoin === 0 && group.joins.newest === 0;
}

/** The application's connection that `connection` is a flow of. */
export function firstOf(connection: Connection): Connection {
  return connection.subflow?.group.first ?? connection;
}

/** It is open, and its engine has not given up. */
export function isLive({ connection }: Subflow): boolean {
  const { state, tcb } = connection;
  return (state === 'ESTABLISHED' || state === 'FIN-SENT') && tcb !== undefined && tcb.state !== 'CLOSED';
}

/** Data that it carries had better go another way, too; nothing new is given to it while there is a better one. */
export function isSuspect(subflow: Subflow): boolean {
  return subflow.suspectUs !== Number.POSITIVE_INFINITY || !isLive(subflow) || isFrozen(subflow);
}

/** Beyond doubt: the backups are to carry on. */
export function isDown(subflow: Subflow): boolean {
  return !isLive(subflow) || isFrozen(subflow) || (subflow.connection.tcb?.timeouts ?? 0) > 0;
}

function isFrozen({ connection }: Subflow): boolean {
  return (connection.tcb?.frozenAtUs ?? -1) >= 0;
}

/** When something of this flow is to be looked at: it is overdue, a silent peer is asked again, flows are missing. */
export function subflowDeadlineUs({ subflow }: Connection): number {
  if (subflow === undefined) return Number.POSITIVE_INFINITY;
  const lookUs = subflow.pathId === 0 ? subflow.group.lookUs : Number.POSITIVE_INFINITY;
  const { tcb } = subflow.connection;
  if (tcb === undefined || !isLive(subflow)) return lookUs;
  if (subflow.suspectUs !== Number.POSITIVE_INFINITY) return Math.min(lookUs, subflow.probeUs);
  return Math.min(lookUs, overdueAtUs(tcb));
}

/** The way that control packets of `connection` go: its own, unless that is in doubt and another flow's is not. */
export function wayOf(connection: Connection): Connection {
  const { subflow } = connection;
  if (subflow === undefined || !isSuspect(subflow)) return connection;
  const better = subflow.group.subflows.find((other) => !isSuspect(other));
  return better?.connection ?? connection;
}

/** The local address that its packets leave from; undefined: unknown. */
export function ownAddress({ links, options, locals }: StackState, { link, peer }: Connection): Uint8Array | undefined {
  if (link !== 0) return links.find((known) => known.link === link)?.local.address;
  if (options.sourceOf !== undefined) return options.sourceOf(peer);
  return locals.find(({ address }) => address.length === peer.address.length)?.address;
}

/** What the interface with this own address is called; '': not known. */
export function interfaceOf({ interfaces }: StackState, address: Uint8Array): string {
  return interfaces.find((one) => sameBytes(one.address, address))?.name ?? '';
}

/** Whether both go the same way, as far as this end can see. */
export function sharesPath(stack: StackState, a: Connection, b: Connection): boolean {
  if (!sameBytes(a.peer.address, b.peer.address)) return false;
  const [from, to] = [ownAddress(stack, a), ownAddress(stack, b)];
  return from !== undefined && to !== undefined && sameBytes(from, to);
}

/**
 * Opens the windows of all flows as far as they were read, unless as much waits for the application as one flow's window
 * holds. Answers the flows that have something to tell.
 */
export function openWindows({ first, subflows, aheadBytes }: FlowGroup, nowUs: number): Connection[] {
  let largest = 0;
  for (const { connection } of subflows) largest = Math.max(largest, connection.tcb?.rcvBufBytes ?? 0);
  if (first.unreadBytes > 0 && first.unreadBytes + aheadBytes >= largest) return [];
  const opened: Connection[] = [];
  for (const { connection } of subflows) {
    const { tcb } = connection;
    if (tcb === undefined || tcb.rcvConsumed === tcb.rcvAcked) continue;
    consumeBytes(tcb, nowUs, tcb.rcvAcked - tcb.rcvConsumed);
    opened.push(connection);
  }
  return opened;
}

/** What waits for its turn is not wanted any more. */
export function dropAhead({ blocks }: StackState, group: FlowGroup): void {
  blocks.elsewhereBytes -= group.aheadBytes;
  group.aheadBytes = 0;
  group.ahead.clear();
}
