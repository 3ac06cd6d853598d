// Finding out that the other end of a stream is gone (docs/protocol.md, "Liveness"). Who owes something and is silent is
// asked by a tagged probe; who does not answer that is suspect, and then its host (by a probe of the driver's) and the
// router are asked, too. Their words are hints that anybody can forge, so none of them ends a flow by itself: the peer is
// asked once more, and if it answers, no more is believed of that. Where nobody knows anything, the transport's own
// patience is the last resort. Questions to third parties are counted by remote, however many flows lead there.

import { formatLocator, type Locator, Reason, sameLocator } from '../base/index.ts';
import { type ControlMessage, MessageType, PeerState } from '../control/index.ts';
import { deleteExpiring, getExpiring, setExpiring } from '../tables/index.ts';
import { lastHeardUs, movedBytes, requestProbe } from '../transport/index.ts';
import { abort } from './close.ts';
import { sendControlMessage } from './control-egress.ts';
import { createMigration, tryMainLink } from './migrate.ts';
import {
  Informant,
  isSaidGone,
  lastQuestionUs,
  lastWordUs,
  type Owed,
  owed,
  patienceUs,
  quietSinceUs,
} from './owed.ts';
import { push } from './queue.ts';
import { awaitCall, endCall } from './rendezvous.ts';
import { awakeOf } from './rest.ts';
import { arm, markReady } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** A host, and the router about a remote, are asked no more often than this. */
const askIntervalsUs = { host: 140_000, router: 240_000 } as const;
const inquiryUs = 2_000_000;
/** What a host said counts so long for flows that become suspect later. */
const wordUs = 1_000_000;
const never = Number.NEGATIVE_INFINITY;
/** Between two looks through all flows for what a host said unasked. */
const wordsIntervalUs = 20_000;
/** Unanswered probes that make a peer suspect. */
const suspectProbes = 2;
/** The router knows of silence only: its word counts once the flow itself has seen so much of it. */
const routerProbes = 5;
const routerSilenceUs = 1_000_000;
/** While our own move is not settled the peer may have moved as well: it takes so long until the two have met at the router. */
const movingSilenceUs = 10_000_000;
/** A host that dies takes thousands of flows with it, and none of them will be called: so many names are enough to hear of a move. */
const mostCalls = 4;
/** Where nothing of ours is outstanding, no retransmission gives up. */
const lastResortUs = 300_000_000;

/** The deadline of what is owed has come. */
export function checkLiveness(stack: StackState, connection: Connection): void {
  const { liveness, tcb } = connection;
  const kind = owed(connection);
  if (tcb === undefined || kind === undefined) return rest(stack, connection);
  const moved = movedBytes(tcb);
  if (moved !== liveness.movedBytes) liveness.probes = 0;
  liveness.movedBytes = moved;
  if (liveness.unanswered > 0 && lastHeardUs(tcb) >= liveness.probedUs) acquit(stack, connection, lastHeardUs(tcb));
  if (stack.nowUs >= lastWordUs(connection)) return giveUp(stack, connection);
  if (stack.nowUs >= questionUs(connection, kind)) question(stack, connection);
  if (connection.over === undefined) lookAgain(connection, kind);
}

function questionUs(connection: Connection, kind: Owed): number {
  if (connection.liveness.hintUs !== Number.POSITIVE_INFINITY) return lastQuestionUs(connection);
  return quietSinceUs(connection) + patienceUs(connection, kind);
}

function lookAgain(connection: Connection, kind: Owed): void {
  connection.liveness.dueUs = Math.min(questionUs(connection, kind), lastWordUs(connection));
}

/** Nothing is owed: silence means nothing. */
function rest(stack: StackState, connection: Connection): void {
  const { liveness } = connection;
  liveness.dueUs = Number.POSITIVE_INFINITY;
  liveness.hintUs = Number.POSITIVE_INFINITY;
  liveness.unanswered = 0;
  endCall(stack, connection);
}

/** The peer was heard after it was asked. What it sent a round trip after a hint, it sent although it was said to be gone. */
function acquit(stack: StackState, connection: Connection, heardUs: number): void {
  const { liveness } = connection;
  if (heardUs >= liveness.hintUs + (connection.tcb?.rtt.minRttUs ?? 0)) liveness.refuted |= liveness.hintBy;
  liveness.hintUs = Number.POSITIVE_INFINITY;
  liveness.unanswered = 0;
  endCall(stack, connection);
}

function question(stack: StackState, connection: Connection): void {
  const { liveness, tcb, peer } = connection;
  probe(stack, connection);
  if (liveness.hintUs !== Number.POSITIVE_INFINITY || tcb === undefined) return;
  liveness.wordUs = Math.max(
    liveness.wordUs,
    getExpiring(stack.unreachable, formatLocator(peer), stack.nowUs) ?? never,
  );
  if (isSaidGone(connection)) takeHint(stack, connection, Informant.HOST, hostWords);
  if (!isSuspect(connection)) return;
  if (stack.nowUs - liveness.silentUs >= lastResortUs) {
    abort(stack, connection, Reason.TIMED_OUT, 'the peer stopped answering');
    return;
  }
  if (liveness.hintUs === Number.POSITIVE_INFINITY) askHost(stack, connection);
  askRouter(stack, peer);
  if (isSilent(connection, routerSilenceUs, stack.nowUs)) search(stack, connection);
}

/** It may be the link that is dead; or the peer has moved, and a NAT us without a word: then it looks for us by name. */
function search(stack: StackState, connection: Connection): void {
  tryMainLink(stack, connection);
  if (stack.rendezvous.size >= mostCalls) return;
  connection.migration ??= createMigration();
  awaitCall(stack, connection, connection.migration);
}

/** It has answered no question for so long. */
function isSilent({ liveness }: Connection, forUs: number, nowUs: number): boolean {
  return liveness.unanswered >= routerProbes && nowUs - liveness.silentUs >= forUs;
}

function probe(stack: StackState, connection: Connection): void {
  const { liveness, tcb } = connection;
  if (tcb !== undefined) requestProbe(tcb);
  if (liveness.unanswered === 0) liveness.silentUs = stack.nowUs;
  liveness.unanswered++;
  liveness.probes++;
  liveness.probedUs = stack.nowUs;
  markReady(stack, connection);
}

function isSuspect({ liveness }: Connection): boolean {
  return liveness.unanswered >= suspectProbes;
}

function askHost(stack: StackState, { peer, link }: Connection): void {
  if (!askedLately(stack, 'host', peer)) push(stack.hostProbes, { remote: peer, link });
}

function askRouter(stack: StackState, peer: Locator): void {
  const { router } = stack.registrar;
  if (router === undefined || askedLately(stack, 'router', peer)) return;
  const { answer } = stack.work;
  const transaction = stack.random.uint32();
  setExpiring(stack.inquiries, transaction, peer, stack.nowUs + inquiryUs);
  Object.assign(answer, { type: MessageType.LIVENESS_QUERY, transaction, observed: peer });
  sendControlMessage(stack, answer, router);
}

/** Notes the question, too. */
function askedLately(stack: StackState, whom: 'host' | 'router', about: Locator): boolean {
  const key = `${whom} ${formatLocator(about)}`;
  if (getExpiring(stack.asked, key, stack.nowUs) !== undefined) return true;
  setExpiring(stack.asked, key, true, stack.nowUs + askIntervalsUs[whom]);
  return false;
}

const hostWords = 'its host says that nobody listens there any more';

/**
 * The host at `remote` says that no program has that port: of the driver's probe, or unasked, of a packet of a flow. Anybody
 * can forge that, so the flows are looked through a few times a second at most; others learn it when they ask.
 */
export function handleUnreachable(stack: StackState, remote: Locator): void {
  const { nowUs } = stack;
  const key = formatLocator(remote);
  const known = getExpiring(stack.unreachable, key, nowUs) !== undefined;
  setExpiring(stack.unreachable, key, nowUs, nowUs + wordUs);
  const asked = getExpiring(stack.asked, `host ${key}`, nowUs) !== undefined;
  if (!asked && (known || nowUs < stack.wordsUs + wordsIntervalUs)) return;
  stack.wordsUs = nowUs;
  for (const connection of awakeOf(stack)) if (sameLocator(connection.peer, remote)) takeWord(stack, connection);
}

function takeWord(stack: StackState, connection: Connection): void {
  const { liveness } = connection;
  liveness.wordUs = stack.nowUs;
  if (isSuspect(connection)) return takeHint(stack, connection, Informant.HOST, hostWords);
  const kind = owed(connection);
  if (kind === undefined || liveness.dueUs === Number.POSITIVE_INFINITY) return;
  lookAgain(connection, kind);
  arm(stack, connection);
}

/** LIVENESS_ANSWER: what the router knows of a peer. */
export function takeRouterWord(stack: StackState, message: ControlMessage): Reason {
  const { nowUs, inquiries } = stack;
  const peer = getExpiring(inquiries, message.transaction, nowUs);
  if (peer === undefined) return Reason.STALE;
  deleteExpiring(inquiries, message.transaction);
  if (message.peerState !== PeerState.GONE) return Reason.OK;
  const words = `the router has not heard of its instance for ${message.intervalMs} ms`;
  for (const connection of awakeOf(stack)) {
    const { migration } = connection;
    const silenceUs = migration === undefined || migration.settled ? routerSilenceUs : movingSilenceUs;
    if (isSilent(connection, silenceUs, nowUs) && sameLocator(connection.peer, peer))
      takeHint(stack, connection, Informant.ROUTER, words);
  }
  return Reason.OK;
}

/** The peer has a last word. */
function takeHint(stack: StackState, connection: Connection, by: number, words: string): void {
  const { liveness, tcb } = connection;
  if ((liveness.refuted & by) !== 0 || liveness.hintUs !== Number.POSITIVE_INFINITY || tcb === undefined) return;
  if (lastHeardUs(tcb) >= liveness.probedUs) return;
  liveness.hintUs = stack.nowUs;
  liveness.hintBy = by;
  liveness.hint = words;
  probe(stack, connection);
  liveness.dueUs = lastQuestionUs(connection);
  arm(stack, connection);
}

function giveUp(stack: StackState, connection: Connection): void {
  const { liveness, tcb } = connection;
  const silentMs = Math.round((stack.nowUs - (tcb === undefined ? liveness.silentUs : lastHeardUs(tcb))) / 1000);
  abort(stack, connection, Reason.PEER_LOST, `${liveness.hint}; it has been silent for ${silentMs} ms`);
}
