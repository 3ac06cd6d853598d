// A connection comes from another process (docs/protocol.md, "Handoff"): the state that handoff-export.ts made becomes a
// connection of this stack, with a flowID of its own. It stands still until the caller wants it, and then until the peer has
// committed its move (arrival.ts), and what the exporter passes on is found by the flowID that it had there. Whose states are taken is the
// caller's business: whoever makes one says who the peer is.

import { formatFlowId, Reason, sameBytes } from '../base/index.ts';
import { destroyTcb, importTcb, poolLoad, type Tcb } from '../transport/index.ts';
import { type HandoffState, parseHandoff } from './handoff-state.ts';
import { countPeer } from './limits.ts';
import { createMigration } from './migrate.ts';
import { sourceTo } from './path.ts';
import { nearness } from './proof.ts';
import { createConnection, emitEvent, findBinding, linkBytes, releaseFlow } from './sockets.ts';
import type { Binding, Connection, StackState } from './state.ts';
import { attachRecords, transportOptions } from './transports.ts';
import { type Input, Protocol, type SocketId, type StreamOptions } from './types.ts';
import { keepUnread } from './unread.ts';

/** Longer than the exporter passes on. */
const passedOnUs = 60_000_000;
const keyBytes = 32;

/** Answers a new SocketId, and `imported` follows; or, with a minus, why there is none. */
export function importConnection(stack: StackState, input: Extract<Input, { kind: 'import' }>): number {
  const state = parseHandoff(input.state);
  if (state === undefined || !hasItsKeys(state)) return -Reason.BAD_MESSAGE;
  const listener = input.listener === undefined ? undefined : findBinding(stack, input.listener);
  if (!state.client && listener?.kind !== 'listener') return -Reason.NO_SUCH_SERVICE;
  if (poolLoad(stack.blocks) >= 1) return -Reason.OVERLOADED;
  const stream = { ...listener?.stream, nagle: state.nagle, keepAliveUs: state.keepAliveUs };
  const options = transportOptions(stack, stream, linkBytes(stack, state.peer, 0));
  const tcb = importTcb(state.transport, options, stack.blocks, stack.random, stack.nowUs);
  if (tcb === undefined) return -Reason.BAD_MESSAGE;
  const connection = revive(stack, state, listener, tcb, stream);
  return connection === undefined ? -Reason.LIMIT : begin(stack, connection, state);
}

function hasItsKeys({ encrypted, sealKey, openKey, tagKey, verifyKey, service }: HandoffState): boolean {
  const sealBytes = encrypted ? keyBytes : 0;
  if (sealKey.length !== sealBytes || openKey.length !== sealBytes || service === undefined) return false;
  return tagKey.length === keyBytes && verifyKey.length === keyBytes;
}

/** The connection as it was; undefined: there is no room for it. */
function revive(
  stack: StackState,
  state: HandoffState,
  listener: Binding | undefined,
  tcb: Tcb,
  stream: StreamOptions,
): Connection | undefined {
  const { client, sourceService, localNonce, resumes, paddingBytes } = state;
  const connection = createConnection(
    stack,
    {
      protocol: Protocol.TCP,
      role: client ? 'client' : 'server',
      service: state.service ?? stack.controlService,
      sourceService,
      resumes,
      listener: listener?.socket ?? 0,
      stream,
      security: { ...listener?.security, paddingBytes },
      via: undefined,
    },
    localNonce,
  );
  if (connection !== undefined) {
    connection.tcb = tcb;
    connection.state = 'ESTABLISHED';
    connection.confirmed = true;
    connection.peer = state.peer;
    if (client || countPeer(stack, connection)) return connection;
    stack.sockets.delete(connection.socket);
    releaseFlow(stack, connection);
  } else destroyTcb(tcb);
  return undefined;
}

function begin(stack: StackState, connection: Connection, state: HandoffState): SocketId {
  restoreKeys(stack, connection, state);
  connection.pinned = state.pinned;
  connection.remoteService = state.remoteService;
  connection.remoteFlow = state.remoteFlow;
  connection.remoteNonce = state.remoteNonce;
  connection.sentBytes = state.sentBytes;
  connection.receivedBytes = state.receivedBytes;
  connection.bytesIn = state.bytesIn;
  connection.bytesOut = state.bytesOut;
  connection.distrustUntilUs = stack.nowUs + state.distrustUs;
  connection.tagAllUntilUs = stack.nowUs + state.tagAllUs;
  if (state.unread.length > 0) keepUnread(stack, connection, state.unread);
  connection.formerFlow = state.formerFlow;
  connection.passedOnUntilUs = stack.nowUs + passedOnUs;
  stack.formerFlows.set(formatFlowId(state.formerFlow), connection);
  const source = sourceTo(stack, state.peer);
  connection.source = source;
  connection.migration = { ...createMigration(), moves: state.moves, awaited: true };
  const fresh = source === undefined || !sameBytes(source, state.source);
  connection.arriving = { fresh, passedOn: true, begun: false };
  stack.counters.handedTo++;
  tellWho(stack, connection);
  return connection.socket;
}

function tellWho(stack: StackState, { socket, service, remoteService, peerProof, resumes }: Connection): void {
  if (peerProof === undefined) return;
  const named = remoteService === undefined ? {} : { remoteService };
  emitEvent(stack, { kind: 'imported', socket, service, ...named, peer: peerProof, resumes });
}

function restoreKeys(stack: StackState, connection: Connection, state: HandoffState): void {
  const { aead, mac } = stack.options.primitives;
  const { authenticated, encrypted, rootKey, proven, tagEpoch, verifyEpoch } = state;
  const known = rootKey.length > 0;
  connection.peerProof = {
    authenticated,
    rootKey: known ? rootKey : undefined,
    prefix: known ? proven : undefined,
    encrypted,
    near: nearness(stack, state.peer),
  };
  connection.keys = {
    sealKey: encrypted ? aead.importKey(state.sealKey) : -1,
    openKey: encrypted ? aead.importKey(state.openKey) : -1,
    tagKey: mac.importKey(state.tagKey),
    verifyKey: mac.importKey(state.verifyKey),
    tagEpoch,
    verifyEpoch,
  };
  for (const key of [state.sealKey, state.openKey, state.tagKey, state.verifyKey]) key.fill(0);
  attachRecords(stack, connection);
  const { writer, reader } = connection;
  if (writer === undefined || reader === undefined) return;
  writer.next = state.nextRecord;
  writer.keyedFrom = state.nextRecord;
  reader.expected = state.expectedRecord;
}
