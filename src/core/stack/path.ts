// A flow whose packets come from a new address (docs/protocol.md, "Addresses"): a NAT has made another mapping, or an
// attacker sends copies from elsewhere. The newest tagged packet of a flow asks the question; nothing goes to the new
// address but a challenge, until an answer to it has come from there.

import { type FlowId, Reason, randomId, sameBytes, sameFlow, sameLocator } from '../base/index.ts';
import { pathChanged } from '../transport/index.ts';
import { Direction, parseChallenge } from '../wire/index.ts';
import { noteHeard } from './association-table.ts';
import { buildChallenge, sendPacket, synBytes } from './packets.ts';
import { confirm, markReady, setPeer } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** A challenge that stays unanswered may be followed by another after this long. */
const challengeIntervalUs = 200_000;
/** Answers of one flow: so far apart that they are no use to a flood. */
const responseIntervalUs = 10_000;

/** The newest packet of the flow, tagged, came from `stack.remote`. */
export function noteAddress(stack: StackState, connection: Connection): void {
  const { remote, nowUs } = stack;
  if (sameLocator(connection.peer, remote)) return;
  const { challenge } = connection;
  if (challenge !== undefined && nowUs - challenge.sentUs < challengeIntervalUs) return;
  const again = challenge !== undefined && sameLocator(challenge.locator, remote);
  const token = again ? challenge.token : randomId(stack.random);
  connection.challenge = { locator: remote, token, sentUs: nowUs };
  sendPacket(stack, buildChallenge(stack, connection, Direction.REQUEST, token), remote);
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
  sendPacket(stack, buildChallenge(stack, connection, Direction.RESPONSE, token), stack.remote);
  return Reason.OK;
}

function takeResponse(stack: StackState, connection: Connection, token: FlowId): Reason {
  const { challenge } = connection;
  if (challenge === undefined || !sameFlow(challenge.token, token)) return Reason.STALE;
  if (!sameLocator(challenge.locator, stack.remote)) return Reason.STALE;
  connection.challenge = undefined;
  confirm(connection);
  noteHeard(connection);
  // An association was asked only whether it is still there.
  if (sameLocator(connection.peer, stack.remote)) return Reason.OK;
  stack.counters.rebinds++;
  const elsewhere = !sameBytes(connection.peer.address, stack.remote.address);
  setPeer(stack, connection, stack.remote);
  const { tcb } = connection;
  if (tcb === undefined) return Reason.OK;
  if (elsewhere) pathChanged(tcb, stack.nowUs, synBytes, true);
  markReady(stack, connection);
  return Reason.OK;
}
