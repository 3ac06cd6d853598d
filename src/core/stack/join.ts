// One more flow of a connection (docs/protocol.md, "Several flows"): the client's SYN with JOIN goes straight to where the
// server said that it is, to the flow that is open already, so that its tag is checked with the connection's keys before
// anything is remembered. The answer goes to its sender, shorter than the SYN, and whoever repeats the nonce of the answer
// has shown that it receives there. A number that was used is not used again: a copy of a SYN opens nothing.

import { type Locator, Reason, randomId, sameFlow, sameLocator } from '../base/index.ts';
import { isFresh, noteReceived } from '../security/index.ts';
import { allocate } from '../tables/index.ts';
import { emitSyn, handleSegment, requestAck } from '../transport/index.ts';
import { ControlFlag, createJoin, parseJoin } from '../wire/index.ts';
import {
  addSubflow,
  createGroup,
  type FlowGroup,
  interfaceOf,
  isJoined,
  maxSubflows,
  type Role,
  type Subflow,
} from './flow-group.ts';
import { buildJoin, isOfPeer, joinNumberOf, roleOf } from './join-packets.ts';
import { giveUpJoin } from './leave.ts';
import { sendPacket, synBytes } from './packets.ts';
import { tellPath } from './path-info.ts';
import { adoptRecords } from './sent-records.ts';
import { arm, makeConnection, markReady, nextSocketId, setPeer, touch } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { attachTransport } from './transports.ts';

const firstRetryUs = 300_000;
const mostTries = 4;
/** A server keeps a flow whose client does not answer so long; the client has given up by then. */
const halfOpenUs = 10_000_000;

/** Of a server, or of a client with a policy; undefined: not now, keys are changing. */
export function groupOf(connection: Connection): FlowGroup | undefined {
  if (connection.subflow !== undefined) return connection.subflow.group;
  const group = createGroup(connection, undefined);
  const [first] = group.subflows;
  if (first !== undefined && adoptRecords(first)) return group;
  connection.subflow = undefined;
  return undefined;
}

/** The client opens a flow from `link` to `remote`. */
export function openSubflow(
  stack: StackState,
  group: FlowGroup,
  link: number,
  remote: Locator,
  role: Role,
): Subflow | undefined {
  const pathId = freePathId(group);
  const connection = pathId < 0 ? undefined : createFlow(stack, group);
  if (connection === undefined) return undefined;
  connection.state = 'SYN-SENT';
  connection.link = link;
  connection.peer = remote;
  const from = stack.links.find((known) => known.link === link)?.local.address;
  const name = from === undefined ? '' : interfaceOf(stack, from);
  const subflow = addSubflow(group, connection, pathId, ++group.lastJoin, role, name);
  const tcb = attachTransport(stack, connection, undefined);
  const length = emitSyn(tcb, stack.nowUs, stack.work.segmentView, 0);
  const segment = stack.work.segment.slice(0, length);
  connection.controlPacket = buildJoin(stack, subflow, ControlFlag.SYN, segment, group.first.remoteFlow, synBytes);
  sendJoin(stack, connection, connection.controlPacket);
  return subflow;
}

/** A connection in no socket table, with the keys of the first flow. */
function createFlow(stack: StackState, { first }: FlowGroup): Connection | undefined {
  const { protocol, role, service, sourceService, listener, stream, security, via, resumes } = first;
  const seed = { protocol, role, service, sourceService, listener, stream, security, via, resumes };
  const made = makeConnection(nextSocketId(stack), first.localFlow, randomId(stack.random), seed);
  const connection: Connection & { localFlow: typeof made.localFlow } = made;
  const flow = allocate(stack.flows, stack.random, connection);
  if (flow === undefined) return undefined;
  connection.localFlow = flow;
  connection.keys = first.keys;
  connection.peerProof = first.peerProof;
  return connection;
}

function freePathId({ subflows }: FlowGroup): number {
  for (let id = 1; id < maxSubflows; id++) if (!subflows.some(({ pathId }) => pathId === id)) return id;
  return -1;
}

function sendJoin(stack: StackState, connection: Connection, bytes: Uint8Array): void {
  sendPacket(stack, bytes, connection.peer, connection.link);
  connection.controlDeadlineUs = stack.nowUs + firstRetryUs * 2 ** connection.controlTries;
  arm(stack, connection);
}

/** The deadline of a flow that is being opened. */
export function pollJoin(stack: StackState, connection: Connection): void {
  const { controlPacket, tcb } = connection;
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  const gaveUp = connection.state !== 'SYN-SENT' || ++connection.controlTries >= mostTries;
  if (gaveUp || controlPacket === undefined || tcb === undefined) return giveUpJoin(stack, connection);
  // The answer to a repetition says nothing of the round trip.
  emitSyn(tcb, stack.nowUs, stack.work.segmentView, 0);
  sendJoin(stack, connection, controlPacket);
}

/** A SYN with a valid tag, for a flow that is open. */
export function handleJoin(stack: StackState, connection: Connection): Reason {
  const { packet, view, control } = stack.work;
  const join = createJoin();
  if (packet.joinOffset === 0 || connection.role !== 'server' || isJoined(connection)) return Reason.BAD_STATE;
  if (connection.state !== 'ESTABLISHED' || packet.protocol !== connection.protocol) return Reason.BAD_STATE;
  const verdict = parseJoin(view, packet.joinOffset, join);
  if (verdict !== Reason.OK) return verdict;
  if (!isOfPeer(stack, connection)) return Reason.SUPERSEDED;
  const number = joinNumberOf(join);
  const group = groupOf(connection);
  if (group === undefined) return Reason.TRY_LATER;
  const known = group.subflows.find(({ joinNumber }) => joinNumber === number);
  if (known !== undefined) return repeatAnswer(stack, known.connection);
  if (number < 1 || number > Number.MAX_SAFE_INTEGER || !isFresh(group.joins, number)) return Reason.STALE;
  if (group.subflows.length >= maxSubflows) return Reason.LIMIT;
  const flow = createFlow(stack, group);
  if (flow === undefined) return Reason.LIMIT;
  noteReceived(group.joins, number);
  flow.state = 'SYN-RECEIVED';
  flow.remoteFlow = { hi: control.flowHi, lo: control.flowLo };
  flow.remoteNonce = { hi: control.nonceHi, lo: control.nonceLo };
  flow.link = stack.link;
  flow.peer = stack.remote;
  const subflow = addSubflow(group, flow, join.pathId, number, roleOf(join));
  return answerJoin(stack, subflow);
}

function answerJoin(stack: StackState, subflow: Subflow): Reason {
  const { connection } = subflow;
  const { packet, view, bytes, segment, segmentView } = stack.work;
  const tcb = attachTransport(stack, connection, undefined);
  const taken = handleSegment(tcb, stack.nowUs, view, bytes, packet.payloadOffset, packet.payloadBytes);
  if (taken !== Reason.OK) {
    giveUpJoin(stack, connection);
    return taken;
  }
  const reply = segment.slice(0, emitSyn(tcb, stack.nowUs, segmentView, 0));
  const flags = ControlFlag.SYN | ControlFlag.ACK;
  connection.controlPacket = buildJoin(stack, subflow, flags, reply, connection.remoteFlow);
  connection.controlDeadlineUs = stack.nowUs + halfOpenUs;
  sendPacket(stack, connection.controlPacket, connection.peer, connection.link);
  arm(stack, connection);
  return Reason.OK;
}

/** The same SYN again, from the same place: its answer was lost. */
function repeatAnswer(stack: StackState, connection: Connection): Reason {
  const { controlPacket, peer, link, tcb } = connection;
  const { control } = stack.work;
  const same = sameFlow(connection.remoteFlow, { hi: control.flowHi, lo: control.flowLo });
  if (!same || controlPacket === undefined || !sameLocator(peer, stack.remote)) return Reason.DUPLICATE;
  if (tcb !== undefined) emitSyn(tcb, stack.nowUs, stack.work.segmentView, 0);
  sendPacket(stack, controlPacket, peer, link);
  return Reason.DUPLICATE;
}

/** The answer, with a valid tag, for the flow that is being opened. */
export function handleJoinAnswer(stack: StackState, connection: Connection): Reason {
  const { packet, view, bytes, control } = stack.work;
  const { tcb, subflow } = connection;
  const join = createJoin();
  if (tcb === undefined || subflow === undefined || packet.joinOffset === 0) return Reason.BAD_STATE;
  if (connection.role !== 'client') return Reason.BAD_STATE;
  const verdict = parseJoin(view, packet.joinOffset, join);
  if (verdict !== Reason.OK) return verdict;
  if (joinNumberOf(join) !== subflow.joinNumber) return Reason.BAD_NONCE;
  if (connection.state === 'SYN-SENT') {
    const taken = handleSegment(tcb, stack.nowUs, view, bytes, packet.payloadOffset, packet.payloadBytes);
    if (taken !== Reason.OK) return taken;
    connection.remoteFlow = { hi: control.flowHi, lo: control.flowLo };
    connection.remoteNonce = { hi: control.nonceHi, lo: control.nonceLo };
    open(stack, connection);
    setPeer(stack, connection, stack.remote);
    subflow.group.failures.delete(connection.link);
  }
  requestAck(tcb, stack.nowUs);
  touch(stack, connection);
  return Reason.OK;
}

/** The ACK, with a valid tag and the nonce of the answer: the client receives where it went. */
export function completeJoin(stack: StackState, connection: Connection): void {
  open(stack, connection);
  connection.confirmed = true;
  setPeer(stack, connection, connection.peer);
}

function open(stack: StackState, connection: Connection): void {
  connection.state = 'ESTABLISHED';
  connection.controlPacket = undefined;
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  connection.controlTries = 0;
  stack.counters.joins++;
  if (connection.subflow !== undefined) noteJoined(stack, connection.subflow);
  markReady(stack, connection);
}

/** The first flow may have waited for one that it can give its place to; that one's ACK is sent before. */
function noteJoined(stack: StackState, subflow: Subflow): void {
  tellPath(stack, subflow);
  subflow.group.lookUs = stack.nowUs + 1;
  arm(stack, subflow.group.first);
}
