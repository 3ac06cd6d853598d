// The ACK of an opening: a half-open connection becomes the application's. The packet that carries it must echo our nonce
// and have a tag by the keys that follow from the exchange, which are made here for the first time; under XX it brings the
// client's proof as well. What does not verify leaves the half-open connection as it was, since anybody may send it.

import { Reason } from '../base/index.ts';
import {
  abandonExchange,
  ExchangePattern,
  flowKeys,
  type HandshakeState,
  type Introduction,
  readProof,
  resumeExchange,
} from '../security/index.ts';
import { replace } from '../tables/index.ts';
import { emitSyn } from '../transport/index.ts';
import { dropHalfOpen, leaveHalfOpen, rememberOpened, takeSyn } from './accept.ts';
import { acceptAssociation } from './associations.ts';
import { echoesNonce } from './close.ts';
import { type Opening, readOpening } from './half-open.ts';
import { countPeer, settleSynDebt } from './limits.ts';
import { buildConnectionReset, sendToPeer } from './packets.ts';
import { judgeClient, proofOf } from './proof.ts';
import { createResuming } from './resume.ts';
import { arm, emitEvent, findBinding, makeConnection, nextSocketId, releaseKeys, setPeer } from './sockets.ts';
import type { Connection, HalfOpen, StackState } from './state.ts';
import { isTagged } from './tags.ts';
import { attachRecords, attachTransport } from './transports.ts';
import { Protocol } from './types.ts';
import { readHandshake } from './workspace.ts';

/** The connection that the packet under way has made of `half`; or why it has not. */
export function establish(stack: StackState, half: HalfOpen): Connection | Reason {
  const opening = readOpening(half);
  if (!echoesNonce(opening, stack.work.control)) return Reason.BAD_NONCE;
  const connection = connectionOf(stack, half, opening);
  const client = takeKeys(stack, half, opening, connection);
  if (typeof client === 'number') return client;
  if (!isTagged(stack, connection)) {
    releaseKeys(stack, connection);
    return Reason.NOT_AUTHENTIC;
  }
  const reason = client === undefined ? Reason.OK : judgeClient(stack, connection, client, half.insecure);
  if (reason !== Reason.OK) return turnAway(stack, half, connection, reason);
  if (!countPeer(stack, connection)) return turnAway(stack, half, connection, Reason.LIMIT);
  admit(stack, half, opening, connection);
  return connection;
}

/** RST from the client, which gave up, or from somebody who has seen the handshake. */
export function resetOpening(stack: StackState, half: HalfOpen): Reason {
  if (!echoesNonce(readOpening(half), stack.work.control)) return Reason.BAD_NONCE;
  dropHalfOpen(stack, half);
  return Reason.OK;
}

/** The listener has closed: the client, which may think that it is connected, is told. */
export function refuseOpening(stack: StackState, half: HalfOpen): void {
  const opening = readOpening(half);
  const connection = connectionOf(stack, half, opening);
  if (half.pattern === ExchangePattern.NX) takeKeys(stack, half, opening, connection);
  turnAway(stack, half, connection, Reason.CLOSED);
}

/** In no table yet. */
function connectionOf(stack: StackState, half: HalfOpen, opening: Opening): Connection {
  const binding = findBinding(stack, half.listener);
  const connection = makeConnection(nextSocketId(stack), opening.localFlow, opening.localNonce, {
    protocol: half.protocol,
    role: 'server',
    service: opening.service,
    sourceService: undefined,
    listener: half.listener,
    stream: binding?.stream ?? {},
    security: binding?.security ?? {},
    via: undefined,
    resumes: half.resumes,
  });
  connection.state = 'SYN-RECEIVED';
  if (half.resuming) connection.resuming = createResuming();
  connection.remoteService = opening.source;
  connection.remoteFlow = opening.remoteFlow;
  connection.remoteNonce = opening.remoteNonce;
  connection.peer = opening.peer;
  return connection;
}

/** The keys of the flow, and under XX what the client says of itself; or why there are none. */
function takeKeys(
  { work, options }: StackState,
  { pattern }: HalfOpen,
  opening: Opening,
  connection: Connection,
): Introduction | undefined | Reason {
  const state = resumeExchange(options.primitives, pattern, opening.exchange);
  opening.exchange.fill(0);
  const client = pattern === ExchangePattern.XX ? readClient(state, readHandshake(work, 2)) : undefined;
  if (typeof client === 'number') return client;
  connection.keys = flowKeys(options.primitives, state, false);
  return client;
}

function readClient(state: HandshakeState, proof: Uint8Array | undefined): Introduction | Reason {
  const client = proof && readProof(state, proof);
  if (client !== undefined) return client;
  abandonExchange(state);
  return proof === undefined ? Reason.UNTAGGED : Reason.NOT_AUTHENTIC;
}

/** Whoever has the keys is told why. */
function turnAway(stack: StackState, half: HalfOpen, connection: Connection, reason: Reason): Reason {
  sendToPeer(stack, buildConnectionReset(stack, connection, reason), connection);
  releaseKeys(stack, connection);
  dropHalfOpen(stack, half);
  return reason;
}

function admit(stack: StackState, half: HalfOpen, opening: Opening, connection: Connection): void {
  connection.peerProof ??= proofOf(stack, connection, undefined, half.insecure);
  connection.state = 'ESTABLISHED';
  connection.confirmed = true;
  replace(stack.flows, connection.localFlow, connection);
  stack.sockets.set(connection.socket, connection);
  const listener = leaveHalfOpen(stack, half);
  rememberOpened(stack, half);
  settleSynDebt(stack);
  openTransport(stack, half, opening, connection);
  arm(stack, connection);
  stack.counters.connectionsAccepted++;
  if (listener?.kind === 'datagram-socket') return acceptAssociation(stack, connection);
  emitEvent(stack, {
    kind: 'connection',
    socket: half.listener,
    connection: connection.socket,
    service: connection.service,
    ...(connection.remoteService === undefined ? {} : { remoteService: connection.remoteService }),
    peer: connection.peerProof,
    resumes: connection.resumes,
    resuming: half.resuming,
  });
}

/** The transport as it was when it answered the SYN. */
function openTransport(stack: StackState, { tries }: HalfOpen, opening: Opening, connection: Connection): void {
  if (connection.protocol !== Protocol.TCP) return attachRecords(stack, connection);
  const tcb = attachTransport(stack, connection, opening);
  takeSyn(tcb, opening);
  emitSyn(tcb, opening.answeredUs, stack.work.segmentView, 0);
  // An answer that was repeated says nothing of the round trip (Karn's rule).
  if (tries > 0) emitSyn(tcb, stack.nowUs, stack.work.segmentView, 0);
  attachRecords(stack, connection);
  setPeer(stack, connection, connection.peer);
}
