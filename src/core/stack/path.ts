// A flow whose packets come from a new address (docs/protocol.md, "Addresses"): a NAT has made another mapping, or an
// attacker sends copies from elsewhere. The newest tagged packet of a flow asks the question; nothing goes to the new
// address but a challenge, until an answer to it has come from there. Then the old address is asked: after a rebinding it is
// dead; if it answers, somebody in between was quicker with copies, and the flow returns (RFC 9000, section 9.3.3).

import { type FlowId, type Locator, Reason, randomId, sameBytes, sameFlow, sameLocator } from '../base/index.ts';
import { pathChanged } from '../transport/index.ts';
import { Direction, parseChallenge } from '../wire/index.ts';
import { noteHeard } from './association-table.ts';
import { buildChallenge, sendPacket, synBytes } from './packets.ts';
import { confirm, markReady, setPeer } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** A challenge that stays unanswered may be followed by another after this long. */
const challengeIntervalUs = 200_000;
/** So often the old address is asked while the new one is alive. */
const formerQuestions = 5;
/** After a return to the old address no other one is asked for so long. */
const returnedUs = 1_000_000;
/** Answers of one flow: so far apart that they are no use to a flood. */
const responseIntervalUs = 10_000;

/** The newest packet of the flow, tagged, came from `stack.remote`. */
export function noteAddress(stack: StackState, connection: Connection): void {
  const { remote, nowUs } = stack;
  if (sameLocator(connection.peer, remote)) {
    if (connection.formerAsked < formerQuestions) askFormerPeer(stack, connection);
    return;
  }
  if (nowUs < connection.returnedUntilUs) return;
  const { challenge } = connection;
  if (challenge !== undefined && nowUs - challenge.sentUs < challengeIntervalUs) return;
  const again = challenge !== undefined && sameLocator(challenge.locator, remote);
  const token = again ? challenge.token : randomId(stack.random);
  ask(stack, connection, remote, stack.link, token);
}

/** Asks whether the peer receives at `locator`. */
export function ask(stack: StackState, connection: Connection, locator: Locator, link: number, token: FlowId): void {
  connection.challenge = { locator, token, sentUs: stack.nowUs };
  sendPacket(stack, buildChallenge(stack, connection, Direction.REQUEST, token), locator, link);
}

/** The address has changed, or the new one went silent: perhaps the old one is alive after all. */
export function askFormerPeer(stack: StackState, connection: Connection): void {
  const { challenge, formerPeer } = connection;
  if (formerPeer === undefined) return;
  if (challenge !== undefined && stack.nowUs - challenge.sentUs < challengeIntervalUs) return;
  connection.formerAsked++;
  ask(stack, connection, formerPeer, connection.link, randomId(stack.random));
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
  sendPacket(stack, buildChallenge(stack, connection, Direction.RESPONSE, token), stack.remote, stack.link);
  return Reason.OK;
}

function takeResponse(stack: StackState, connection: Connection, token: FlowId): Reason {
  const { challenge } = connection;
  if (challenge === undefined || !sameFlow(challenge.token, token)) return Reason.STALE;
  if (!sameLocator(challenge.locator, stack.remote)) return Reason.STALE;
  const { peer, formerPeer } = connection;
  const returned = formerPeer !== undefined && sameLocator(formerPeer, stack.remote);
  connection.challenge = undefined;
  confirm(connection);
  noteHeard(connection);
  // An association was asked only whether it is still there.
  if (sameLocator(peer, stack.remote)) return Reason.OK;
  connection.formerPeer = returned ? undefined : peer;
  connection.formerAsked = 0;
  if (returned) connection.returnedUntilUs = stack.nowUs + returnedUs;
  stack.counters.rebinds++;
  const elsewhere = !sameBytes(peer.address, stack.remote.address);
  setPeer(stack, connection, stack.remote);
  askFormerPeer(stack, connection);
  const { tcb } = connection;
  if (tcb === undefined) return Reason.OK;
  if (elsewhere) pathChanged(tcb, stack.nowUs, synBytes, true);
  markReady(stack, connection);
  return Reason.OK;
}
