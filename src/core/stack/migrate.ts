// A flow that goes on from another address (docs/protocol.md, "Moves"). The end that moves says so by an RSYN from the new
// place until it is acknowledged; the other end commits (moves.ts), answers, and sends three bytes there for each that
// came from there until a challenge has been answered from it, then as much as the path takes. Where the old place can
// still be reached (KEEP) data stays there until the new one has answered, and a move that is never answered is taken
// back. Both ends may move at once: what is unacknowledged is told again to wherever the other end is now.

import { type FlowId, type Locator, Reason, randomId, sameBytes, sameLocator } from '../base/index.ts';
import { branchOff, drawBranch } from '../security/index.ts';
import { pathChanged, peerReturned } from '../transport/index.ts';
import { ControlOption, parseLineage } from '../wire/index.ts';
import { arrive } from './arrival.ts';
import { abort } from './close.ts';
import { isJoined } from './flow-group.ts';
import { outlives } from './leave.ts';
import { buildRsyn, buildRsynAck, buildSuperseded, isBehind, totalBytesOf } from './move-packets.ts';
import { acknowledgeMove, commitMove, createMoves, isSuperseded, judgeMove, mintMove, untoldMoves } from './moves.ts';
import { sendPacket, synBytes } from './packets.ts';
import { allowFrom, amplification, ask, goBy, noteAlive, sourceTo, spend } from './path.ts';
import { awaitCall, callOut, endCall } from './rendezvous.ts';
import { findConnection } from './rest.ts';
import { arm, conclude, emitEvent, markReady, releaseFlow, setPeer } from './sockets.ts';
import type { Connection, Migration, StackState } from './state.ts';
import { adoptEpoch } from './tags.ts';
import type { Input } from './types.ts';
import { pointSink } from './workspace.ts';

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
/** After so many unanswered questions this end can be found through its router. */
const asksBeforeCall = 2;
/** So are questions where the peer is. */
const whereIntervalUs = 100_000;

export function createMigration(): Migration {
  return {
    moves: createMoves(),
    dueUs: Number.POSITIVE_INFINITY,
    tries: 0,
    settled: true,
    intervalUs: firstIntervalUs,
    mintedUs: Number.NEGATIVE_INFINITY,
    unminted: false,
    target: undefined,
    place: undefined,
    awaited: false,
    askUs: Number.POSITIVE_INFINITY,
    asks: 0,
    rendezvous: undefined,
  };
}

export function isOpen({ state }: Connection): boolean {
  return state === 'ESTABLISHED' || state === 'FIN-SENT';
}

/** The application's wish; answers 1 if a move began. `migrated` or `migrate-failed` follows. */
export function migrate(stack: StackState, input: Extract<Input, { kind: 'migrate' }>): number {
  const connection = findConnection(stack, input.socket);
  if (connection === undefined || !isOpen(connection)) return 0;
  const link = input.link ?? connection.link;
  const stranded = connection.strandedFrom !== undefined;
  if (link === 0 ? stranded : !canReach(stack, link, connection.peer)) return 0;
  if (stranded) goBy(stack, connection, link, true);
  beginMove(stack, connection, link, !stranded && link !== connection.link);
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
  const waiting = untoldMoves(moves);
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
    migration.settled = false;
    migration.mintedUs = stack.nowUs;
    migration.tries = 0;
    partKeys(stack, connection);
  }
  if (migration.target !== undefined && migration.tries >= softTries) return takeBack(stack, connection, migration);
  if (migration.tries === softTries && connection.link !== 0 && sourceTo(stack, connection.peer) !== undefined)
    return leaveLink(stack, connection);
  sendRsyn(stack, connection, migration);
}

/**
 * A copy of this end, a cloned machine, has its keys and its record numbers. What this one seals from here on is under a key
 * that only it has. Several flows change keys when nothing is under way, which may be never: they keep theirs.
 */
function partKeys(stack: StackState, connection: Connection): void {
  const { writer, arriving, subflow, closeQueued } = connection;
  if (writer === undefined || writer.cipher.tagBytes === 0) return;
  // Who was handed a connection, or takes it back, is alone with its key.
  if (arriving !== undefined || subflow !== undefined || closeQueued) return;
  branchOff(writer, drawBranch(stack.random), pointSink(stack.work, connection));
  markReady(stack, connection);
}

function sendRsyn(stack: StackState, connection: Connection, migration: Migration): void {
  const { tries, intervalUs, target } = migration;
  const passedOn = connection.arriving?.passedOn === true ? ControlOption.PASSED_ON : 0;
  const options = target === undefined ? passedOn : ControlOption.KEEP;
  const bytes = buildRsyn(stack, connection, migration.moves, options, tries);
  const copies = tries === 0 && target === undefined ? firstCopies : 1;
  for (let i = 0; i < copies; i++) sendRsynTo(stack, connection, bytes, connection.peer);
  const { place } = migration;
  // The peer is about to leave for a place that it has told, and may be gone from where data goes.
  if (place !== undefined && !sameLocator(place.locator, connection.peer))
    sendRsynTo(stack, connection, bytes, place.locator);
  callOut(stack, connection, migration);
  migration.tries++;
  migration.dueUs = stack.nowUs + Math.min(longestIntervalUs, intervalUs * 2 ** tries);
}

/** Where this end says that it is reached. */
function toldLink({ link, migration }: Connection): number {
  return migration?.target ?? link;
}

/** Without the padding, where an unproven address has not earned it. */
function sendRsynTo(stack: StackState, connection: Connection, padded: Uint8Array, locator: Locator): void {
  const link = toldLink(connection);
  const bare = padded.subarray(0, totalBytesOf(padded));
  if (spend(connection, locator, padded.length)) sendPacket(stack, padded, locator, link);
  else if (spend(connection, locator, bare.length)) sendPacket(stack, bare, locator, link);
}

/** Link 0 has lost its address, and the peer reaches us by another one. */
function resumeBy(stack: StackState, connection: Connection, link: number): void {
  if (connection.strandedFrom === undefined || link === 0) return;
  goBy(stack, connection, link, true);
  beginMove(stack, connection, link, false);
}

/** Nobody answers by the link that the flow has gone to: link 0 is tried beside it. */
export function tryMainLink(stack: StackState, connection: Connection): void {
  const { link, peer, migration } = connection;
  if (link === 0 || isJoined(connection) || migration?.settled === false || migration?.unminted) return;
  if (sourceTo(stack, peer) !== undefined) beginMove(stack, connection, 0, true);
}

/** There was no choice but this link, and nobody answers by it; now there is one. */
function leaveLink(stack: StackState, connection: Connection): void {
  goBy(stack, connection, 0, true);
  beginMove(stack, connection, 0, false);
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
  const echo = { hi: control.nonceHi, lo: control.nonceLo };
  const judgement = judgeMove(moves, lineage, echo);
  if (judgement !== 'refused' && isBehind(stack, connection)) return endCopy(stack, connection);
  if (judgement === 'refused') return reject(stack, connection, migration, sender);
  const keep = (control.options & ControlOption.KEEP) !== 0;
  if (judgement === 'commit') {
    commitMove(moves, lineage, echo);
    adoptEpoch(stack, connection);
    connection.remoteFlow = { hi: control.flowHi, lo: control.flowLo };
    stack.counters.moves++;
    const lost = (control.options & ControlOption.PASSED_ON) === 0;
    notePlace(stack, connection, migration, sender, keep, lost);
  }
  const straight = sameLocator(sender, stack.remote);
  if (straight) resumeBy(stack, connection, stack.link);
  takeAcknowledgment(stack, connection, migration, echo, judgement === 'commit', straight);
  answerRsyn(stack, connection, migration, sender, straight ? stack.link : toldLink(connection));
  arm(stack, connection);
  return judgement === 'commit' ? Reason.OK : Reason.DUPLICATE;
}

/** The peer is at `sender`; `keep`: and where it was, until it has answered from there. */
function notePlace(
  stack: StackState,
  connection: Connection,
  migration: Migration,
  sender: Locator,
  keep: boolean,
  lost: boolean,
): void {
  const stays = sameLocator(connection.peer, sender);
  const proven = stays && connection.allowanceBytes === Number.POSITIVE_INFINITY;
  const allowanceBytes = amplification * stack.work.datagramBytes;
  migration.place = proven ? undefined : { locator: sender, token: randomId(stack.random), allowanceBytes };
  migration.asks = 0;
  migration.askUs = proven ? Number.POSITIVE_INFINITY : stack.nowUs + migration.intervalUs;
  if (!keep) followPeer(stack, connection, sender, lost);
}

/**
 * And nowhere else; `lost`: what is on its way to where it was will not reach it. By which link its packet has come says
 * nothing about where it believes this end to be: that may be an earlier place, and what comes by the router comes to another.
 */
function followPeer(stack: StackState, connection: Connection, sender: Locator, lost: boolean): void {
  const { peer, tcb } = connection;
  connection.formerPeer = undefined;
  connection.pinned = true;
  if (sameLocator(peer, sender)) {
    if (tcb !== undefined) peerReturned(tcb, stack.nowUs);
  } else {
    connection.challenge = undefined;
    connection.allowanceBytes = 0;
    allowFrom(stack, connection);
    setPeer(stack, connection, sender);
    const elsewhere = !sameBytes(peer.address, sender.address);
    if (tcb !== undefined) pathChanged(tcb, stack.nowUs, synBytes, elsewhere, lost);
  }
  markReady(stack, connection);
}

/** The RSYN-ACK, with a challenge where the address has not shown that it receives. */
function answerRsyn(
  stack: StackState,
  connection: Connection,
  migration: Migration,
  sender: Locator,
  link: number,
): void {
  const { place, moves } = migration;
  const told = place !== undefined && sameLocator(place.locator, sender);
  const bytes = buildRsynAck(stack, connection, moves.peerMove, told ? place.token : undefined);
  if (spend(connection, sender, bytes.length)) sendPacket(stack, bytes, sender, link);
  // A NAT between two repetitions, or somebody's copy: asked as of any other packet.
  if (!told && !sameLocator(connection.peer, sender)) ask(stack, connection, sender, link);
}

/** The peer has not answered from where it says that it is. */
function askAgain(stack: StackState, connection: Connection, migration: Migration): void {
  migration.askUs = Number.POSITIVE_INFINITY;
  const { place } = migration;
  if (place === undefined || !isOpen(connection)) return;
  const bytes = buildRsynAck(stack, connection, migration.moves.peerMove, place.token);
  migration.askUs = stack.nowUs + Math.min(longestIntervalUs, migration.intervalUs * 2 ** ++migration.asks);
  if (migration.asks > asksBeforeCall) awaitCall(stack, connection, migration);
  if (spend(connection, place.locator, bytes.length)) sendPacket(stack, bytes, place.locator, connection.link);
}

/**
 * Older than what is committed, or of a copy that lost, which is told so. An end that does not know whether its own last move
 * was committed may be the copy that is behind, and tells nobody anything.
 */
function reject(stack: StackState, connection: Connection, migration: Migration, sender: Locator): Reason {
  if (untoldMoves(migration.moves) > 0) return Reason.SUPERSEDED;
  if (stack.nowUs - connection.respondedUs < rejectIntervalUs) return Reason.SUPERSEDED;
  connection.respondedUs = stack.nowUs;
  const bytes = buildSuperseded(stack, connection, migration.moves);
  if (spend(connection, sender, bytes.length)) sendPacket(stack, bytes, sender, stack.link);
  return Reason.SUPERSEDED;
}

/**
 * The packet at hand came from where the peer has not said that it is: a NAT has made another mapping, or it is a copy that
 * lost. Both are asked to tell, and the answer shows which it is.
 */
export function askWhere(stack: StackState, connection: Connection): Reason {
  const { migration, respondedUs } = connection;
  if (migration === undefined || stack.nowUs - respondedUs < whereIntervalUs) return Reason.SUPERSEDED;
  connection.respondedUs = stack.nowUs;
  const bytes = buildRsynAck(stack, connection, migration.moves.peerMove, undefined, ControlOption.ELSEWHERE);
  sendPacket(stack, bytes, stack.remote, stack.link);
  return Reason.SUPERSEDED;
}

/** The peer hears us from elsewhere. */
function tellWhere(stack: StackState, connection: Connection): Reason {
  const { migration } = connection;
  if (migration === undefined || (migration.settled && !migration.unminted))
    beginMove(stack, connection, connection.link, false);
  return Reason.OK;
}

/** An RSYN-ACK with a valid tag: the peer has committed one of our moves. */
export function handleRsynAck(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  const { migration } = connection;
  if ((control.options & ControlOption.ELSEWHERE) !== 0 && isOpen(connection)) return tellWhere(stack, connection);
  if (migration === undefined || !isOpen(connection)) return Reason.BAD_STATE;
  if (isBehind(stack, connection)) return endCopy(stack, connection);
  const echo = { hi: control.nonceHi, lo: control.nonceLo };
  takeAcknowledgment(stack, connection, migration, echo, false, true);
  return Reason.OK;
}

/** What it would go on with is not what the peer has: both are told, rather than given two streams in one. */
function endCopy(stack: StackState, connection: Connection): Reason {
  const detail = 'this is a copy that is behind: the other end knows more of the stream';
  abort(stack, connection, Reason.SUPERSEDED, detail);
  return Reason.SUPERSEDED;
}

/**
 * `echo`: which of our moves the peer has committed. What it has not is told again at once, where it is now. So is what it
 * has, if it says so by way of the router or to an earlier place: whether anything goes between the two places is still open.
 */
function takeAcknowledgment(
  stack: StackState,
  connection: Connection,
  migration: Migration,
  echo: FlowId,
  moved: boolean,
  straight: boolean,
): void {
  const { moves } = migration;
  const before = moves.known;
  acknowledgeMove(moves, echo);
  const news = moved || moves.known > before;
  if (news) noteAlive(stack, connection);
  const arrived = straight && stack.link === toldLink(connection);
  if (untoldMoves(moves) > 0 || migration.unminted || !(arrived || migration.settled)) {
    if (news) tellAtOnce(stack, connection, migration);
    return;
  }
  migration.dueUs = Number.POSITIVE_INFINITY;
  migration.tries = 0;
  if (!migration.settled) finishMove(stack, connection, migration);
  endCall(stack, connection);
}

/** The peer knows where we are, and reaches us there. */
function finishMove(stack: StackState, connection: Connection, migration: Migration): void {
  const { target } = migration;
  migration.settled = true;
  migration.target = undefined;
  arrive(stack, connection);
  if (target !== undefined) goBy(stack, connection, target, true);
  migration.awaited = false;
  emitEvent(stack, { kind: 'migrated', socket: connection.socket });
}

/** What the peer has not committed is told again now, to where it is now. */
function tellAtOnce(stack: StackState, connection: Connection, migration: Migration): void {
  migration.dueUs = Math.min(migration.dueUs, stack.nowUs);
  if (!migration.unminted) migration.tries = 0;
  arm(stack, connection);
}

/** FAIL: another copy of this end has moved first. In place of a flowID it tells which move the peer has committed. */
export function handleSuperseded(stack: StackState, connection: Connection): Reason {
  const { packet, view, control, lineage } = stack.work;
  const { migration } = connection;
  if (migration === undefined || packet.lineageOffset === 0) return Reason.STALE;
  const verdict = parseLineage(view, packet.lineageOffset, lineage);
  if (verdict !== Reason.OK) return verdict;
  const rejected = { hi: control.nonceHi, lo: control.nonceLo };
  const echo = { hi: control.flowHi, lo: control.flowLo };
  if (!isSuperseded(migration.moves, rejected, lineage, echo)) return Reason.STALE;
  if (outlives(stack, connection, Reason.SUPERSEDED)) return Reason.OK;
  releaseFlow(stack, connection);
  conclude(stack, connection, Reason.SUPERSEDED, 'another copy of this end has gone on with the connection');
  return Reason.OK;
}
