// A flow that goes on from another address (docs/protocol.md, "Moves"). The end that moves says so by an RSYN from the new
// place until it is acknowledged; the other end commits (moves.ts), answers, and sends three bytes there for each that
// came from there until a challenge has been answered from it, then as much as the path takes. Where the old place can
// still be reached (KEEP) data stays there until the new one has answered, and a move that is never answered is taken
// back. Both ends may move at once: what is unacknowledged is told again to wherever the other end is now.

import {
  type FlowId,
  type Locator,
  noFlow,
  Reason,
  randomId,
  sameBytes,
  sameFlow,
  sameLocator,
} from '../base/index.ts';
import { pathChanged, peerReturned } from '../transport/index.ts';
import { ControlOption, parseLineage } from '../wire/index.ts';
import { arrive } from './arrival.ts';
import { abort } from './close.ts';
import { outlives } from './leave.ts';
import { buildRsyn, buildRsynAck, buildSuperseded } from './move-packets.ts';
import { commitMove, createMoves, currentMove, judgeMove, mintMove, takeEcho } from './moves.ts';
import { sendPacket, synBytes } from './packets.ts';
import { allowFrom, spend } from './path.ts';
import { callOut, leaveRendezvous } from './rendezvous.ts';
import { arm, conclude, emitEvent, limitPath, markReady, releaseFlow, setPeer } from './sockets.ts';
import type { Connection, Migration, PathChallenge, StackState } from './state.ts';
import { adoptEpoch } from './tags.ts';
import type { Input } from './types.ts';

const leastIntervalUs = 50_000;
const firstIntervalUs = 200_000;
const longestIntervalUs = 2_000_000;
/**
 * Of a move from a place that is gone: nothing comes or goes until one of them has arrived, and three times as much as all
 * of them may answer, which is an initial window.
 */
const firstCopies = 3;
/** A move from a place that still works is taken back after so many unanswered RSYNs. */
const softTries = 5;
/** An unanswered RSYN may be followed by the next move's after this, doubled for each that waits. */
const mintIntervalUs = 5_000;
const longestMintIntervalUs = 1_000_000;
/** Answers to foreign RSYNs are so far apart that they are no use to a flood. */
const rejectIntervalUs = 10_000;

export function createMigration(): Migration {
  return {
    moves: createMoves(),
    dueUs: Number.POSITIVE_INFINITY,
    tries: 0,
    intervalUs: firstIntervalUs,
    mintedUs: Number.NEGATIVE_INFINITY,
    unminted: false,
    target: undefined,
    awaited: false,
    askUs: Number.POSITIVE_INFINITY,
    asks: 0,
    rendezvous: undefined,
  };
}

export function isOpen({ state }: Connection): boolean {
  return state === 'ESTABLISHED' || state === 'FIN-SENT';
}

/**
 * Nothing comes back. A peer that was told of a move listens to no other place: should a NAT have made another mapping, it
 * must be told of that as well.
 */
export function tellAgain(stack: StackState, connection: Connection): void {
  const { migration } = connection;
  if (migration === undefined || migration.moves.sent.length > 0 || currentMove(migration.moves) === noFlow) return;
  beginMove(stack, connection, connection.link, false);
}

/** The application's wish; answers 1 if a move began. `migrated` or `migrate-failed` follows. */
export function migrate(stack: StackState, input: Extract<Input, { kind: 'migrate' }>): number {
  const connection = stack.sockets.get(input.socket);
  if (connection?.kind !== 'connection' || !isOpen(connection)) return 0;
  const link = input.link ?? connection.link;
  if (link !== 0 && !canReach(stack, link, connection.peer)) return 0;
  beginMove(stack, connection, link, link !== connection.link);
  const { migration } = connection;
  if (migration !== undefined) migration.awaited = true;
  return 1;
}

/** The link stands, and its address is of the peer's IP version. */
function canReach({ links }: StackState, link: number, peer: Locator): boolean {
  return links.some((known) => known.link === link && known.local.address.length === peer.address.length);
}

/** This end is reached by `link` from now on. `keep`: where it was until now, too. */
export function beginMove(stack: StackState, connection: Connection, link: number, keep: boolean): void {
  connection.migration ??= createMigration();
  const { migration } = connection;
  const rttUs = connection.tcb?.rtt.srttUs ?? 0;
  migration.intervalUs = rttUs === 0 ? firstIntervalUs : clamp(2 * rttUs, leastIntervalUs, longestIntervalUs);
  migration.target = keep ? link : undefined;
  if (!keep) connection.link = link;
  tellMove(stack, connection, migration);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** Mints a move and sends its RSYN; later, if the peer has not caught up with those before. */
function tellMove(stack: StackState, connection: Connection, migration: Migration): void {
  const { moves } = migration;
  const waiting = moves.sent.length;
  const intervalUs = waiting === 0 ? 0 : Math.min(longestMintIntervalUs, mintIntervalUs * 2 ** waiting);
  migration.unminted = true;
  migration.dueUs = Math.max(stack.nowUs, migration.mintedUs + intervalUs);
  if (migration.dueUs <= stack.nowUs) pollMove(stack, connection, migration);
  arm(stack, connection);
}

/** What is due of a connection's moves. */
export function pollMoves(stack: StackState, connection: Connection): void {
  const { migration } = connection;
  if (migration === undefined) return;
  if (migration.dueUs <= stack.nowUs) pollMove(stack, connection, migration);
  if (migration.askUs <= stack.nowUs) askAgain(stack, connection, migration);
}

function pollMove(stack: StackState, connection: Connection, migration: Migration): void {
  migration.dueUs = Number.POSITIVE_INFINITY;
  // Without an address nothing can be told; `followAddresses` begins again.
  if (!isOpen(connection) || connection.strandedFrom !== undefined) return;
  if (migration.unminted) {
    if (!mintMove(migration.moves, stack.random))
      return abort(stack, connection, Reason.TOO_MANY_MOVES, 'the peer answered none of 64 moves');
    migration.unminted = false;
    migration.mintedUs = stack.nowUs;
    migration.tries = 0;
  }
  if (migration.target !== undefined && migration.tries >= softTries) return takeBack(stack, connection, migration);
  sendRsyn(stack, connection, migration);
}

function sendRsyn(stack: StackState, connection: Connection, migration: Migration): void {
  const { tries, intervalUs, target } = migration;
  const passedOn = connection.arriving?.passedOn === true ? ControlOption.PASSED_ON : 0;
  const options = target === undefined ? passedOn : ControlOption.KEEP;
  const bytes = buildRsyn(stack, connection, migration.moves, options, tries);
  const copies = tries === 0 && target === undefined ? firstCopies : 1;
  for (let i = 0; i < copies && spend(connection, connection.peer, bytes.length); i++)
    sendPacket(stack, bytes, connection.peer, target ?? connection.link);
  callOut(stack, connection, migration);
  migration.tries++;
  migration.dueUs = stack.nowUs + Math.min(longestIntervalUs, intervalUs * 2 ** tries);
}

/** Nobody answers there: the flow, which is still where it was, says so by another move. */
function takeBack(stack: StackState, connection: Connection, migration: Migration): void {
  migration.target = undefined;
  if (migration.awaited) {
    migration.awaited = false;
    emitEvent(stack, { kind: 'migrate-failed', socket: connection.socket, reason: Reason.TIMED_OUT });
  }
  tellMove(stack, connection, migration);
}

/** An RSYN with a valid tag, from `sender`. */
export function handleRsyn(stack: StackState, connection: Connection, sender: Locator): Reason {
  const { packet, view, control, lineage } = stack.work;
  if (packet.lineageOffset === 0 || !isOpen(connection)) return Reason.BAD_STATE;
  const verdict = parseLineage(view, packet.lineageOffset, lineage);
  if (verdict !== Reason.OK) return verdict;
  connection.migration ??= createMigration();
  const { migration } = connection;
  const { moves } = migration;
  const judgement = judgeMove(moves, lineage);
  if (judgement === 'stale') return Reason.STALE;
  if (judgement === 'foreign') return reject(stack, connection, sender);
  const keep = (control.options & ControlOption.KEEP) !== 0;
  if (judgement === 'commit') {
    commitMove(moves, lineage);
    adoptEpoch(stack, connection);
    connection.remoteFlow = { hi: control.flowHi, lo: control.flowLo };
    stack.counters.moves++;
    const lost = (control.options & ControlOption.PASSED_ON) === 0;
    if (!keep) followPeer(stack, connection, migration, sender, lost);
  }
  takeAcknowledgment(stack, connection, migration, { hi: control.nonceHi, lo: control.nonceLo });
  answerRsyn(stack, connection, sender);
  arm(stack, connection);
  return judgement === 'commit' ? Reason.OK : Reason.DUPLICATE;
}

/** The peer is at `sender` and nowhere else; `lost`: what is on its way to where it was will not reach it. */
function followPeer(
  stack: StackState,
  connection: Connection,
  migration: Migration,
  sender: Locator,
  lost: boolean,
): void {
  const { peer, tcb } = connection;
  connection.formerPeer = undefined;
  connection.pinned = true;
  connection.link = stack.link;
  if (sameLocator(peer, sender)) {
    if (tcb !== undefined) peerReturned(tcb, stack.nowUs);
  } else {
    connection.challenge = undefined;
    connection.allowanceBytes = 0;
    allowFrom(stack, connection);
    migration.asks = 0;
    migration.askUs = stack.nowUs + migration.intervalUs;
    setPeer(stack, connection, sender);
    const elsewhere = !sameBytes(peer.address, sender.address);
    if (tcb !== undefined) pathChanged(tcb, stack.nowUs, synBytes, elsewhere, lost);
  }
  markReady(stack, connection);
}

/** The RSYN-ACK, with a challenge where the address has not shown that it receives. */
function answerRsyn(stack: StackState, connection: Connection, sender: Locator): void {
  const { migration } = connection;
  if (migration === undefined) return;
  const proven = sameLocator(connection.peer, sender) && connection.allowanceBytes === Number.POSITIVE_INFINITY;
  const challenge = proven ? undefined : challengeFor(stack, connection, sender);
  const bytes = buildRsynAck(stack, connection, migration.moves.peerMove, challenge?.token);
  if (spend(connection, sender, bytes.length)) sendPacket(stack, bytes, sender, stack.link);
}

/** The same question for the same address, so that a late answer counts. */
function challengeFor(stack: StackState, connection: Connection, locator: Locator): PathChallenge {
  const { challenge } = connection;
  const same = challenge?.announced === true && sameLocator(challenge.locator, locator);
  const token = same ? challenge.token : randomId(stack.random);
  connection.challenge = { locator, link: stack.link, token, sentUs: stack.nowUs, announced: true };
  return connection.challenge;
}

/** The peer is where it has not shown that it receives, and the answer to our question has not come. */
function askAgain(stack: StackState, connection: Connection, migration: Migration): void {
  migration.askUs = Number.POSITIVE_INFINITY;
  if (connection.allowanceBytes === Number.POSITIVE_INFINITY || !isOpen(connection)) return;
  const { peer, link } = connection;
  const token = connection.challenge?.announced === true ? connection.challenge.token : randomId(stack.random);
  const bytes = buildRsynAck(stack, connection, migration.moves.peerMove, token);
  connection.challenge = { locator: peer, link, token, sentUs: stack.nowUs, announced: true };
  migration.askUs = stack.nowUs + Math.min(longestIntervalUs, migration.intervalUs * 2 ** ++migration.asks);
  if (spend(connection, peer, bytes.length)) sendPacket(stack, bytes, peer, link);
}

/** Of a copy of the peer that lost, or somebody who has its keys: it is told which of its moves was not committed. */
function reject(stack: StackState, connection: Connection, sender: Locator): Reason {
  if (stack.nowUs - connection.respondedUs < rejectIntervalUs) return Reason.SUPERSEDED;
  connection.respondedUs = stack.nowUs;
  const { lineage } = stack.work;
  sendPacket(stack, buildSuperseded(stack, connection, lineage), sender, stack.link);
  return Reason.SUPERSEDED;
}

/** An RSYN-ACK with a valid tag: the peer has committed one of our moves. */
export function handleRsynAck(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  const { migration } = connection;
  if (migration === undefined || !isOpen(connection)) return Reason.BAD_STATE;
  const echo = { hi: control.nonceHi, lo: control.nonceLo };
  if (!migration.moves.sent.some((id) => sameFlow(id, echo))) return Reason.STALE;
  takeAcknowledgment(stack, connection, migration, echo);
  return Reason.OK;
}

/** `echo`: which of our moves the peer has committed. What it has not is told again at once, where it is now. */
function takeAcknowledgment(stack: StackState, connection: Connection, migration: Migration, echo: FlowId): void {
  const waited = migration.moves.sent.length > 0;
  const arrived = takeEcho(migration.moves, echo) && !migration.unminted;
  if (!arrived) {
    migration.dueUs = Math.min(migration.dueUs, stack.nowUs);
    if (!migration.unminted) migration.tries = 0;
    arm(stack, connection);
    return;
  }
  migration.dueUs = Number.POSITIVE_INFINITY;
  migration.tries = 0;
  leaveRendezvous(stack, migration);
  if (waited) finishMove(stack, connection, migration);
}

/** The peer knows where we are. */
function finishMove(stack: StackState, connection: Connection, migration: Migration): void {
  const { target } = migration;
  migration.target = undefined;
  arrive(stack, connection);
  if (target !== undefined) {
    connection.link = target;
    limitPath(stack, connection);
    if (connection.tcb !== undefined) pathChanged(connection.tcb, stack.nowUs, synBytes, true);
    markReady(stack, connection);
  }
  migration.awaited = false;
  emitEvent(stack, { kind: 'migrated', socket: connection.socket });
}

/** FAIL: another copy of this end has moved first. It counts only for the move that nobody has acknowledged. */
export function handleSuperseded(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  const { migration } = connection;
  const rejected = { hi: control.nonceHi, lo: control.nonceLo };
  if (migration === undefined || migration.moves.sent.length === 0) return Reason.STALE;
  if (!sameFlow(currentMove(migration.moves), rejected)) return Reason.STALE;
  if (outlives(stack, connection, Reason.SUPERSEDED)) return Reason.OK;
  releaseFlow(stack, connection);
  conclude(stack, connection, Reason.SUPERSEDED, 'another copy of this end has gone on with the connection');
  return Reason.OK;
}
