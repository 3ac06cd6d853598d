// Socket records: creation, look-up, events owed to the application, and the end of each. `closed` is always a
// socket's last event, and a connection's comes only after everything verified was delivered.

import {
  type FlowId,
  formatFlowId,
  type Locator,
  noFlow,
  noLocator,
  Reason,
  randomId,
  type ServiceId,
} from '../base/index.ts';
import { allocate, cancel, free, schedule, setExpiring } from '../tables/index.ts';
import { consumeBytes, destroyTcb, nextDeadlineUs, setPathLimit } from '../transport/index.ts';
import { forgetAssociation } from './association-table.ts';
import { dropAhead, openWindows, subflowDeadlineUs } from './flow-group.ts';
import { uncountPeer } from './limits.ts';
import { createLiveness, expectPeer } from './owed.ts';
import { synBytes } from './packets.ts';
import { adoptPath } from './path-cache.ts';
import { push } from './queue.ts';
import { mayRest } from './quiet.ts';
import { leaveRendezvous } from './rendezvous.ts';
import type { Binding, Connection, DatagramSocket, StackState } from './state.ts';
import type { Event, SecurityOptions, SocketId, StreamOptions } from './types.ts';
import { dropUnread, releaseUnread } from './unread.ts';

/** What the SYN has shown to pass; the path MTU search goes up from there with the first data. */
export const basePacketBytes = synBytes;
/** Six of them, and a short one that is tagged, fill a batch of 64 KiB. */
const mostPacketBytes = 10_880;

/** How long a forged record, or another forged packet, makes one end distrust packets without a tag. */
export const distrustUs = 10_000_000;

/** So long after its end it is known where a connection led. */
const departedUs = 60_000_000;

/** Datagrams that wait for one application, with what each costs beside its bytes. */
const maxWaitingBytes = 4 * 1024 * 1024;
const datagramCostBytes = 512;

/** What an application that does not keep up is not told any more is counted. */
export function emitDatagram(
  stack: StackState,
  owner: Connection | DatagramSocket,
  bytes: Uint8Array,
  from: ServiceId | undefined,
): Reason {
  const costBytes = bytes.length + datagramCostBytes;
  if (owner.waitingBytes + costBytes > maxWaitingBytes) return Reason.QUEUE_FULL;
  owner.waitingBytes += costBytes;
  emitEvent(stack, { kind: 'datagram', socket: owner.socket, bytes, from });
  return Reason.OK;
}

/** An event is about to be dispatched. */
export function noteDispatched(stack: StackState, event: Event): void {
  if (event.kind !== 'datagram') return;
  const owner = stack.sockets.get(event.socket);
  if (owner?.kind === 'connection' || owner?.kind === 'datagram-socket')
    owner.waitingBytes -= event.bytes.length + datagramCostBytes;
}

export function emitEvent(stack: StackState, event: Event): void {
  push(stack.events, event);
}

/** An application that waits to write may go on. */
export function tellWritable(stack: StackState, connection: Connection): void {
  if (!connection.writeBlocked) return;
  connection.writeBlocked = false;
  emitEvent(stack, { kind: 'writable', socket: connection.socket });
}

export function nextSocketId(stack: StackState): SocketId {
  return stack.nextSocket++;
}

export interface ConnectionSeed {
  readonly protocol: number;
  readonly role: 'client' | 'server';
  readonly service: ServiceId;
  readonly sourceService: ServiceId | undefined;
  readonly listener: SocketId;
  readonly stream: StreamOptions;
  readonly security: SecurityOptions;
  readonly via: Locator | undefined;
  readonly resumes: boolean;
}

/** A connection with a flowID of its own, in no state yet; undefined when the flow table is full. */
export function createConnection(
  stack: StackState,
  seed: ConnectionSeed,
  localNonce = randomId(stack.random),
): Connection | undefined {
  const connection: Connection & { localFlow: FlowId } = makeConnection(nextSocketId(stack), noFlow, localNonce, seed);
  const flow = allocate(stack.flows, stack.random, connection);
  if (flow === undefined) return undefined;
  connection.localFlow = flow;
  stack.sockets.set(connection.socket, connection);
  return connection;
}

/** The listener or datagram socket of this id. */
export function findBinding({ sockets }: StackState, id: SocketId): Binding | undefined {
  const socket = sockets.get(id);
  return socket?.kind === 'listener' || socket?.kind === 'datagram-socket' ? socket : undefined;
}

/** The record alone, in no table. */
export function makeConnection(
  socket: SocketId,
  localFlow: FlowId,
  localNonce: FlowId,
  seed: ConnectionSeed,
): Connection {
  return {
    kind: 'connection',
    socket,
    protocol: seed.protocol,
    role: seed.role,
    service: seed.service,
    sourceService: seed.sourceService,
    listener: seed.listener,
    stream: seed.stream,
    security: seed.security,
    via: seed.via,
    resumes: seed.resumes,
    resuming: undefined,
    subflow: undefined,
    association: undefined,
    localFlow,
    localNonce,
    exchange: undefined,
    keys: undefined,
    peerProof: undefined,
    challenge: undefined,
    allowanceBytes: Number.POSITIVE_INFINITY,
    pinned: false,
    migration: undefined,
    source: undefined,
    strandedFrom: undefined,
    leaving: undefined,
    arriving: undefined,
    formerFlow: undefined,
    passedOnUntilUs: 0,
    formerPeer: undefined,
    formerAsked: 0,
    returnedUntilUs: 0,
    respondedUs: Number.NEGATIVE_INFINITY,
    hintedUs: Number.NEGATIVE_INFINITY,
    state: 'CLOSED',
    remoteService: undefined,
    remoteFlow: noFlow,
    remoteNonce: noFlow,
    peer: noLocator,
    link: 0,
    attempt: 0,
    refusals: 0,
    postponed: false,
    giveUpUs: Number.POSITIVE_INFINITY,
    controlDeadlineUs: Number.POSITIVE_INFINITY,
    controlTries: 0,
    controlPacket: undefined,
    shedding: false,
    shedDeadlineUs: Number.POSITIVE_INFINITY,
    shedTries: 0,
    confirmed: false,
    tcb: undefined,
    writer: undefined,
    reader: undefined,
    sentBytes: 0,
    receivedBytes: 0,
    demandBytes: 0,
    unread: [],
    unreadBytes: 0,
    waitingBytes: 0,
    writeBlocked: false,
    localEnd: false,
    closeQueued: false,
    finAcked: false,
    remoteEnd: false,
    endTold: false,
    over: undefined,
    overDetail: '',
    nextDatagram: 1,
    replay: undefined,
    recordDeadlineUs: Number.POSITIVE_INFINITY,
    recordReadable: 0,
    refusedOffset: -1,
    refusedTimes: 0,
    distrustUntilUs: 0,
    tagAllUntilUs: 0,
    peerAddress: undefined,
    liveness: createLiveness(),
    awaitsReply: false,
    ready: false,
    touched: false,
    packetsIn: 0,
    packetsOut: 0,
    wireBytes: 0,
    bytesIn: 0,
    bytesOut: 0,
  };
}

/** Where the packets go from here on. */
export function setPeer(stack: StackState, connection: Connection, peer: Locator): void {
  connection.peer = peer;
  limitPath(stack, connection);
}

/** The link towards the peer bounds the path MTU search; what others have found on this way shortens it. */
export function limitPath(stack: StackState, connection: Connection): void {
  const { tcb, peer, link } = connection;
  if (tcb === undefined) return;
  setPathLimit(tcb, linkBytes(stack, peer, link));
  adoptPath(stack, connection);
}

/**
 * The largest packet of a stream towards `peer`: as the link carries it, where that leaves several to a batch. The last of
 * a batch is tagged, so a batch of a single packet would be hashed whole, which over loopback took half of the time.
 */
export function linkBytes({ options }: StackState, peer: Locator, link: number): number {
  return Math.max(basePacketBytes, Math.min(mostPacketBytes, options.maxPacketBytes(peer, link)));
}

/** The peer has shown, by a tag or a seal, that it knows the opening to be complete. */
export function confirm(connection: Connection): void {
  if (connection.confirmed) return;
  connection.confirmed = true;
  connection.exchange = undefined;
}

/** Notes that the batch under way changed this flow: it is settled at the batch's end. */
export function touch(stack: StackState, connection: Connection): void {
  if (connection.touched) return;
  connection.touched = true;
  push(stack.touched, connection);
}

/** Puts the connection in line for sending. */
export function markReady(stack: StackState, connection: Connection): void {
  if (connection.ready) return;
  connection.ready = true;
  push(stack.ready, connection);
}

export function timerHandle(stack: StackState, connection: Connection): number {
  return (connection.localFlow.lo & stack.flows.indexMask) >>> 0;
}

/** One deadline per connection; where nothing is urgent it may be that of its rest. */
export function arm(stack: StackState, connection: Connection): void {
  expectPeer(connection, stack.nowUs);
  const deadlineUs = connectionDeadlineUs(connection);
  const restUs = stack.nowUs + stack.restUs;
  const rests = deadlineUs > restUs && mayRest(connection);
  schedule(stack.timers, timerHandle(stack, connection), rests ? restUs : deadlineUs);
}

/** The transport's, a control packet's or that of what the peer owes, whichever is first. */
export function connectionDeadlineUs(connection: Connection): number {
  const transportUs = connection.tcb === undefined ? Number.POSITIVE_INFINITY : nextDeadlineUs(connection.tcb);
  const { controlDeadlineUs, recordDeadlineUs, shedDeadlineUs, migration, liveness } = connection;
  const movesUs = migration === undefined ? Number.POSITIVE_INFINITY : Math.min(migration.dueUs, migration.askUs);
  const streamUs = Math.min(transportUs, recordDeadlineUs, liveness.dueUs);
  const pathsUs = subflowDeadlineUs(connection);
  return Math.min(streamUs, controlDeadlineUs, shedDeadlineUs, movesUs, pathsUs);
}

/** Delivers verified plaintext as far as the application asked for it, then the end, then `closed`. */
export function deliver(stack: StackState, connection: Connection): void {
  const { unread } = connection;
  if (isUndecided(connection)) return;
  let taken = 0;
  let takenBytes = 0;
  while (taken < unread.length && connection.demandBytes > 0) {
    const bytes = unread[taken++] as Uint8Array;
    connection.demandBytes = Math.max(0, connection.demandBytes - bytes.length);
    takenBytes += bytes.length;
    if (connection.tcb !== undefined) consumeBytes(connection.tcb, stack.nowUs, bytes.length);
    emitEvent(stack, { kind: 'data', socket: connection.socket, bytes });
  }
  if (taken > 0) {
    releaseUnread(stack, connection, taken, takenBytes);
    if (connection.tcb !== undefined) markReady(stack, connection);
    openOthers(stack, connection);
  }
  if (unread.length > 0) return;
  if (connection.remoteEnd && !connection.endTold && !failed(connection)) {
    connection.endTold = true;
    emitEvent(stack, { kind: 'end', socket: connection.socket });
  }
  if (connection.over !== undefined) forget(stack, connection);
}

/** What is told to its application now may be told to another process's, too. */
function isUndecided({ leaving, arriving, over }: Connection): boolean {
  return leaving !== undefined || (arriving !== undefined && over === undefined);
}

/** What was taken makes room on every flow of the connection. */
function openOthers(stack: StackState, { subflow }: Connection): void {
  if (subflow === undefined) return;
  for (const connection of openWindows(subflow.group, stack.nowUs)) markReady(stack, connection);
}

/** Over, and not in order: nothing more is told but `closed`. */
function failed({ over }: Connection): boolean {
  return over !== undefined && over !== Reason.OK;
}

/** The connection is over: orderly ends wait for delivery, others do not. */
export function conclude(stack: StackState, connection: Connection, reason: Reason, detail: string): void {
  if (connection.over !== undefined) return;
  connection.over = reason;
  connection.overDetail = detail;
  if (reason !== Reason.OK) dropUnread(stack, connection);
  stack.starved.delete(connection);
  deliver(stack, connection);
}

function forget(stack: StackState, connection: Connection): void {
  const { socket, over, overDetail } = connection;
  if (!stack.sockets.delete(socket)) return;
  uncountPeer(stack, connection);
  if (connection.association !== undefined) return forgetAssociation(stack, connection, connection.association);
  if (connection.role === 'client' && connection.peerProof !== undefined)
    setExpiring(stack.departed, socket, connection.peer, stack.nowUs + departedUs);
  emitEvent(stack, { kind: 'closed', socket, reason: over ?? Reason.OK, detail: overDetail });
}

/** Takes the transport away, and the flows beside it; what they held goes back to the pool. */
export function releaseTransport(stack: StackState, connection: Connection): void {
  disband(stack, connection);
  if (connection.tcb !== undefined) destroyTcb(connection.tcb);
  connection.writer?.cipher.release();
  connection.reader?.cipher.release();
  connection.tcb = undefined;
  connection.writer = undefined;
  connection.reader = undefined;
  connection.recordDeadlineUs = Number.POSITIVE_INFINITY;
  connection.liveness.dueUs = Number.POSITIVE_INFINITY;
}

/** The flows beside the first end with it. */
function disband(stack: StackState, connection: Connection): void {
  const { subflow } = connection;
  connection.subflow = undefined;
  if (subflow === undefined || subflow.pathId !== 0) return;
  const { group } = subflow;
  dropAhead(stack, group);
  for (const other of group.subflows.splice(0)) if (other !== subflow) releaseJoined(stack, other.connection);
}

/** A flow beside the first: its keys are the connection's. */
export function releaseJoined(stack: StackState, connection: Connection): void {
  connection.keys = undefined;
  releaseFlow(stack, connection);
}

/** Frees the flowID: packets that name it are strangers from now on. */
export function releaseFlow(stack: StackState, connection: Connection): void {
  abandonFlow(stack, connection);
  free(stack.flows, connection.localFlow);
}

/** Lets go of all that the connection has but its place in the flow table. */
export function abandonFlow(stack: StackState, connection: Connection): void {
  const { formerFlow } = connection;
  connection.state = 'CLOSED';
  connection.controlPacket = undefined;
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  cancel(stack.timers, timerHandle(stack, connection));
  if (formerFlow !== undefined) stack.formerFlows.delete(formatFlowId(formerFlow));
  releaseTransport(stack, connection);
  connection.exchange = undefined;
  if (connection.migration !== undefined) leaveRendezvous(stack, connection.migration);
  releaseKeys(stack, connection);
  uncountPeer(stack, connection);
}

/** Nothing of a flow that is gone can be opened or forged with what this process still holds. */
export function releaseKeys(stack: StackState, connection: Connection): void {
  const { keys } = connection;
  const { aead, mac } = stack.options.primitives;
  connection.keys = undefined;
  if (keys === undefined) return;
  if (keys.sealKey >= 0) aead.releaseKey(keys.sealKey);
  if (keys.openKey >= 0) aead.releaseKey(keys.openKey);
  mac.releaseKey(keys.tagKey);
  mac.releaseKey(keys.verifyKey);
}
