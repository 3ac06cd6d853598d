// A flow whose packets come from a new address (docs/protocol.md, "Addresses"): a NAT has made another mapping, or an
// attacker sends copies from elsewhere. The newest tagged packet of a flow asks the question; nothing goes to the new
// address but a challenge, until an answer to it has come from there. Then the old address is asked: after a rebinding it is
// dead; if it answers, somebody in between was quicker with copies, and the flow returns (RFC 9000, section 9.3.3).

import {
  type FlowId,
  isLoopback,
  type Locator,
  Reason,
  randomId,
  sameBytes,
  sameFlow,
  sameLocator,
} from '../base/index.ts';
import { pathChanged, peerReturned, resume, noteHeard as streamHeard } from '../transport/index.ts';
import { Direction, parseChallenge } from '../wire/index.ts';
import { noteHeard } from './association-table.ts';
import { buildChallenge, sendPacket, synBytes } from './packets.ts';
import { endCall } from './rendezvous.ts';
import { confirm, limitPath, markReady, setPeer } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** A challenge that stays unanswered may be followed by another after this long. */
const challengeIntervalUs = 200_000;
/** So often the old address is asked while the new one is alive. */
const formerQuestions = 5;
/** After a return to the old address no other one is asked for so long. */
const returnedUs = 1_000_000;
/** Answers of one flow: so far apart that they are no use to a flood. */
const responseIntervalUs = 10_000;

/** The address that packets to `peer` leave from by link 0. */
export function sourceTo({ options, locals }: StackState, peer: Locator): Uint8Array | undefined {
  if (options.sourceOf !== undefined) return options.sourceOf(peer);
  const near = isLoopback(peer);
  const fits = (local: Locator): boolean => isLoopback(local) === near && local.address.length === peer.address.length;
  return locals.find(fits)?.address;
}

/** Its packets leave by `link` from now on, where there is a way. `fresh`: nothing is known of that. */
export function goBy(stack: StackState, connection: Connection, link: number, fresh: boolean): void {
  const { tcb } = connection;
  connection.link = link;
  connection.strandedFrom = undefined;
  if (tcb === undefined) return;
  limitPath(stack, connection);
  if (fresh) pathChanged(tcb, stack.nowUs, synBytes, true);
  resume(tcb, stack.nowUs);
  markReady(stack, connection);
}

/** Towards an address that has not shown that it receives: so many bytes for each that came from there. */
export const amplification = 3;

/** The packet at hand came from the peer's address, which is not proven: so much more may go there. */
export function allowFrom(stack: StackState, connection: Connection): void {
  connection.allowanceBytes += amplification * stack.work.datagramBytes;
}

/** Whether `bytes` may go to `locator`, which is charged for them. */
export function spend(connection: Connection, locator: Locator, bytes: number): boolean {
  const account = sameLocator(connection.peer, locator) ? connection : connection.migration?.place;
  if (account === undefined || (account !== connection && !isPlace(connection, locator))) return true;
  if (account.allowanceBytes < bytes) return false;
  account.allowanceBytes -= bytes;
  return true;
}

/** It has not shown yet that it receives where it is, or says that it is. */
export function isUnproven({ allowanceBytes, migration }: Connection): boolean {
  return allowanceBytes !== Number.POSITIVE_INFINITY || migration?.place !== undefined;
}

/** A packet of a flow whose peer's address, or the place that it has announced, is not proven. */
export function noteAllowance(stack: StackState, connection: Connection): void {
  const { peer, migration } = connection;
  const place = migration?.place;
  if (place !== undefined && sameLocator(place.locator, stack.remote))
    place.allowanceBytes += amplification * stack.work.datagramBytes;
  if (connection.allowanceBytes === Number.POSITIVE_INFINITY || !sameLocator(peer, stack.remote)) return;
  allowFrom(stack, connection);
  markReady(stack, connection);
}

/**
 * A copy of the peer that lost still has the keys and knows of nothing: what it sends must not mix with what the winner
 * sends, nor acknowledge what that has not got. It can only tell of a move, and learn from the answer.
 */
export function isElsewhere(stack: StackState, connection: Connection): boolean {
  const { remote } = stack;
  const { pinned, peer, challenge } = connection;
  if (!pinned || sameLocator(peer, remote) || isPlace(connection, remote)) return false;
  if (isPassedOn(stack, connection)) return false;
  return challenge === undefined || !sameLocator(challenge.locator, remote);
}

function isPlace({ migration }: Connection, locator: Locator): boolean {
  return migration?.place !== undefined && sameLocator(migration.place.locator, locator);
}

/** The packet at hand comes from the process that had the connection before, which has seen where it was sent from. */
function isPassedOn({ work }: StackState, { localFlow }: Connection): boolean {
  return work.packet.flowLo !== localFlow.lo || work.packet.flowHi !== localFlow.hi;
}

/** The newest packet of the flow, tagged, came from `stack.remote`. */
export function noteAddress(stack: StackState, connection: Connection): void {
  const { remote, nowUs } = stack;
  if (isPassedOn(stack, connection)) return;
  if (sameLocator(connection.peer, remote)) {
    if (connection.formerAsked < formerQuestions) askFormerPeer(stack, connection);
    return;
  }
  if (nowUs < connection.returnedUntilUs) return;
  const { challenge } = connection;
  if (challenge !== undefined && nowUs - challenge.sentUs < challengeIntervalUs) return;
  // What it has said itself is asked by the RSYN's answer.
  if (isPlace(connection, remote)) return;
  const again = challenge !== undefined && sameLocator(challenge.locator, remote) ? challenge.token : undefined;
  ask(stack, connection, remote, stack.link, again);
}

/** Asks whether the peer receives at `locator`. */
export function ask(
  stack: StackState,
  connection: Connection,
  locator: Locator,
  link: number,
  token: FlowId = randomId(stack.random),
): void {
  connection.challenge = { locator, link, token, sentUs: stack.nowUs };
  const bytes = buildChallenge(stack, connection, Direction.REQUEST, token);
  if (spend(connection, locator, bytes.length)) sendPacket(stack, bytes, locator, link);
}

/** The address has changed, or the new one went silent: perhaps the old one is alive after all. */
export function askFormerPeer(stack: StackState, connection: Connection): void {
  const { challenge, formerPeer } = connection;
  if (formerPeer === undefined) return;
  if (challenge !== undefined && stack.nowUs - challenge.sentUs < challengeIntervalUs) return;
  connection.formerAsked++;
  ask(stack, connection, formerPeer, connection.link);
}

/** A tagged CHALLENGE. */
export function handleChallenge(stack: StackState, connection: Connection): Reason {
  const { packet, view, challenge } = stack.work;
  const verdict = parseChallenge(view, packet.challengeOffset, challenge);
  if (verdict !== Reason.OK) return verdict;
  const token = { hi: challenge.tokenHi, lo: challenge.tokenLo };
  return challenge.direction === Direction.REQUEST
    ? respond(stack, connection, token)
    : takeResponse(stack, connection, token);
}

function respond(stack: StackState, connection: Connection, token: FlowId): Reason {
  if (stack.nowUs - connection.respondedUs < responseIntervalUs) return Reason.LIMIT;
  connection.respondedUs = stack.nowUs;
  const bytes = buildChallenge(stack, connection, Direction.RESPONSE, token);
  if (spend(connection, stack.remote, bytes.length)) sendPacket(stack, bytes, stack.remote, stack.link);
  return Reason.OK;
}

function takeResponse(stack: StackState, connection: Connection, token: FlowId): Reason {
  const { challenge, migration } = connection;
  const { remote } = stack;
  const place = migration?.place;
  const announced = place !== undefined && sameFlow(place.token, token) && sameLocator(place.locator, remote);
  const asked = challenge !== undefined && sameFlow(challenge.token, token) && sameLocator(challenge.locator, remote);
  if (!announced && !asked) return Reason.STALE;
  if (asked) connection.challenge = undefined;
  if (announced && migration !== undefined) {
    migration.place = undefined;
    endCall(stack, connection);
  }
  confirm(connection);
  noteAlive(stack, connection);
  const { subflow, tcb } = connection;
  if (!sameLocator(connection.peer, remote)) goTo(stack, connection, announced);
  else if (subflow !== undefined && tcb !== undefined) peerReturned(tcb, stack.nowUs);
  // An association was asked only whether it is still there.
  connection.allowanceBytes = Number.POSITIVE_INFINITY;
  markReady(stack, connection);
  return Reason.OK;
}

/** The peer has said something that nobody could have said before it did. */
export function noteAlive({ nowUs }: StackState, connection: Connection): void {
  noteHeard(connection);
  if (connection.tcb !== undefined) streamHeard(connection.tcb, nowUs);
}

/** The peer receives at `stack.remote`. Unless it has said itself that it moved, the old address is asked, too. */
function goTo(stack: StackState, connection: Connection, announced: boolean): void {
  const { peer, formerPeer, tcb, allowanceBytes, migration } = connection;
  const returned = formerPeer !== undefined && sameLocator(formerPeer, stack.remote);
  const proven = allowanceBytes === Number.POSITIVE_INFINITY;
  if (isPlace(connection, peer) && migration?.place !== undefined) migration.place.allowanceBytes = allowanceBytes;
  connection.formerPeer = returned || announced || !proven ? undefined : peer;
  connection.formerAsked = 0;
  if (returned) connection.returnedUntilUs = stack.nowUs + returnedUs;
  if (announced) connection.pinned = true;
  else stack.counters.rebinds++;
  const elsewhere = !sameBytes(peer.address, stack.remote.address);
  setPeer(stack, connection, stack.remote);
  askFormerPeer(stack, connection);
  if (tcb !== undefined && elsewhere) pathChanged(tcb, stack.nowUs, synBytes, true);
}
