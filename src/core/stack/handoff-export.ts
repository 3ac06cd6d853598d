// A connection leaves for another process (docs/protocol.md, "Handoff"). Exporting stops it here and gives away the next
// keys; what comes for it is passed on meanwhile. Then either it has left, or it is taken back: that is a move like the
// importer's (arrival.ts), under keys that were given to nobody. The peer commits one of the two moves, so nobody has to
// know for sure what became of the other, and no number is ever sealed twice under one key.

import { makePrefix, Reason } from '../base/index.ts';
import { advanceTagKey, drawBranch, handOver, nextTagKey, takeBack as takeBackKeys } from '../security/index.ts';
import { cancel, free, replace, schedule } from '../tables/index.ts';
import { exportTcb, freeze, isExportable, type Tcb } from '../transport/index.ts';
import { awaitArrival } from './arrival.ts';
import { isAlone } from './flow-group.ts';
import { encodeHandoff, type HandoffState } from './handoff-state.ts';
import { beginMove } from './migrate.ts';
import { createMoves } from './moves.ts';
import { sourceTo } from './path.ts';
import { findConnection } from './rest.ts';
import { abandonFlow, conclude, emitEvent, releaseFlow, timerHandle } from './sockets.ts';
import type { Connection, Forwarding, Leaving, StackState } from './state.ts';
import { type Input, Protocol } from './types.ts';
import { pointSink } from './workspace.ts';

/** So long what comes for a flow that has left is passed on. */
const forwardUs = 10_000_000;
const nothing = new Uint8Array(0);
const anyPrefix = makePrefix(new Uint8Array(32), 0);

/** Answers OK, and then `exported` follows; or why this connection cannot leave now. */
export function exportConnection(stack: StackState, input: Extract<Input, { kind: 'export' }>): Reason {
  const connection = findConnection(stack, input.socket);
  if (connection === undefined || !mayLeave(connection)) return Reason.BAD_STATE;
  const { tcb, writer, localFlow } = connection;
  if (tcb === undefined || writer === undefined) return Reason.BAD_STATE;
  connection.subflow = undefined;
  freeze(tcb, stack.nowUs);
  const branch = drawBranch(stack.random);
  const sealKey = handOver(writer, branch, pointSink(stack.work, connection));
  const state = stateOf(stack, connection, tcb, sealKey);
  const { peer, pinned } = connection;
  const forwarding: Forwarding = { kind: 'forwarding', localFlow, to: input.to, from: pinned ? peer : undefined };
  replace(stack.flows, localFlow, forwarding);
  cancel(stack.timers, timerHandle(stack, connection));
  connection.leaving = { writer, branch };
  connection.writer = undefined;
  connection.recordDeadlineUs = Number.POSITIVE_INFINITY;
  stack.starved.delete(connection);
  emitEvent(stack, { kind: 'exported', socket: connection.socket, state: encodeHandoff(state) });
  for (const key of [state.sealKey, state.openKey, state.tagKey, state.verifyKey]) key.fill(0);
  return Reason.OK;
}

/** Open both ways, with a single flow, and the peer is where it was last heard of. */
function mayLeave(connection: Connection): boolean {
  const { state, protocol, confirmed, over, tcb, allowanceBytes, strandedFrom } = connection;
  if (state !== 'ESTABLISHED' || protocol !== Protocol.TCP || !confirmed || over !== undefined) return false;
  const { leaving, arriving, localEnd, remoteEnd, shedding, subflow, resuming } = connection;
  if (subflow !== undefined && !isAlone(subflow)) return false;
  if (leaving !== undefined || arriving !== undefined || localEnd || remoteEnd || shedding || resuming) return false;
  if (allowanceBytes !== Number.POSITIVE_INFINITY || strandedFrom !== undefined) return false;
  return tcb !== undefined && isExportable(tcb);
}

function stateOf(stack: StackState, connection: Connection, tcb: Tcb, sealKey: Uint8Array): HandoffState {
  const { peerProof, migration, leaving, writer } = connection;
  const { moves = createMoves() } = migration ?? {};
  return {
    client: connection.role === 'client',
    service: connection.service,
    sourceService: connection.sourceService,
    remoteService: connection.remoteService,
    formerFlow: connection.localFlow,
    localNonce: connection.localNonce,
    remoteFlow: connection.remoteFlow,
    remoteNonce: connection.remoteNonce,
    peer: connection.peer,
    pinned: connection.pinned,
    source: sourceTo(stack, connection.peer) ?? nothing,
    resumes: connection.resumes,
    nagle: tcb.options.nagle,
    keepAliveUs: tcb.options.keepAlive?.idleUs ?? 0,
    paddingBytes: (leaving?.writer ?? writer)?.paddingBytes ?? 0,
    authenticated: peerProof?.authenticated ?? false,
    encrypted: peerProof?.encrypted ?? true,
    rootKey: peerProof?.rootKey ?? nothing,
    proven: peerProof?.prefix ?? anyPrefix,
    sealKey,
    ...keysOf(stack, connection),
    ...countsOf(connection),
    unread: unreadOf(connection),
    distrustUs: Math.max(0, connection.distrustUntilUs - stack.nowUs),
    tagAllUs: Math.max(0, connection.tagAllUntilUs - stack.nowUs),
    moves,
    transport: exportTcb(tcb, stack.nowUs),
  };
}

type Keys = Pick<HandoffState, 'openKey' | 'tagKey' | 'verifyKey' | 'tagEpoch' | 'verifyEpoch'>;

/** The tags' key of the next epoch; this end keeps the one behind it, and forgets both before it. */
function keysOf({ options }: StackState, { keys, reader }: Connection): Keys {
  const { mac } = options.primitives;
  if (keys === undefined || reader === undefined) throw new Error('an open flow has keys');
  const { verifyEpoch } = keys;
  const tagKey = nextTagKey(mac, keys.tagKey);
  keys.tagKey = advanceTagKey(mac, advanceTagKey(mac, keys.tagKey));
  keys.tagEpoch += 2;
  const verifyKey = mac.exportKey(keys.verifyKey);
  return { openKey: reader.cipher.exportKey(), tagKey, verifyKey, tagEpoch: keys.tagEpoch - 1, verifyEpoch };
}

type Counts = Pick<
  HandoffState,
  'nextRecord' | 'expectedRecord' | 'sentBytes' | 'receivedBytes' | 'bytesIn' | 'bytesOut'
>;

function countsOf({ writer, reader, sentBytes, receivedBytes, bytesIn, bytesOut }: Connection): Counts {
  return {
    nextRecord: writer?.next ?? 0,
    expectedRecord: reader?.expected ?? 0,
    sentBytes,
    receivedBytes,
    bytesIn,
    bytesOut,
  };
}

function unreadOf({ unread, unreadBytes }: Connection): Uint8Array {
  const bytes = new Uint8Array(unreadBytes);
  let at = 0;
  for (const piece of unread) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** It has left, or is given up where it would have gone: nothing of it is told to the peer. */
export function leave(stack: StackState, connection: Connection): number {
  const { leaving, arriving } = connection;
  if (leaving === undefined && arriving === undefined) return 0;
  leaving?.writer.cipher.release();
  connection.leaving = undefined;
  connection.arriving = undefined;
  if (leaving === undefined) releaseFlow(stack, connection);
  else {
    abandonFlow(stack, connection);
    schedule(stack.timers, timerHandle(stack, connection), stack.nowUs + forwardUs);
  }
  conclude(stack, connection, Reason.HANDED_OVER, 'it goes on in another process');
  return 1;
}

/** Nothing comes any more for a flow that has left. */
export function endForwarding(stack: StackState, { localFlow }: Forwarding): void {
  free(stack.flows, localFlow);
}

/** The connection at rest is wanted here: it moves. Answers 1, unless it is not at rest. */
export function take(stack: StackState, connection: Connection): number {
  const { leaving, arriving } = connection;
  if (leaving !== undefined) takeBack(stack, connection, leaving);
  else if (arriving === undefined || arriving.begun) return 0;
  awaitArrival(stack, connection, arriving ?? { fresh: false, passedOn: false, begun: false });
  beginMove(stack, connection, connection.link, false);
  return 1;
}

/** The exported connection goes on here after all, unless its importer has moved already. */
function takeBack(stack: StackState, connection: Connection, { writer, branch }: Leaving): void {
  replace(stack.flows, connection.localFlow, connection);
  connection.leaving = undefined;
  connection.writer = writer;
  takeBackKeys(writer, branch, pointSink(stack.work, connection));
}
