// The packets of a move (docs/protocol.md, "Moves"): RSYN, padded so that three times as much may answer it; its answer,
// with a challenge where the address has proven nothing; and the refusal of a copy that lost. All tagged.

import { type FlowId, noFlow, Reason, type ServiceId } from '../base/index.ts';
import {
  ControlFlag,
  challengeBytes,
  Direction,
  emitChallenge,
  emitFinal,
  emitLineage,
  emitService,
  type Final,
  finalBytes,
  lineageBytes,
  parseFinal,
  serviceBytes,
  synBytes,
} from '../wire/index.ts';
import { lineageOf, type Moves, newest } from './moves.ts';
import { buildTagged } from './packets.ts';
import type { Connection, StackState } from './state.ts';

/** To the peer's flow; or, with `name`, to whoever is registered by it. */
export function buildRsyn(
  stack: StackState,
  connection: Connection,
  moves: Moves,
  options: number,
  tries: number,
  name?: ServiceId,
): Uint8Array {
  const lineage = lineageOf(moves);
  const control = {
    flags: ControlFlag.RSYN,
    attempt: Math.min(255, tries),
    options,
    nonce: moves.peerMove,
    flow: connection.localFlow,
  };
  const nameBytes = name === undefined ? 0 : serviceBytes(false);
  const put = (view: DataView, at: number): void => {
    if (name !== undefined) emitService(view, at, name, undefined);
    const end = at + nameBytes + emitLineage(view, at + nameBytes, lineage);
    emitFinal(view, end, offsetsOf(connection));
  };
  const extraBytes = nameBytes + lineageBytes(lineage.sent.count) + finalBytes;
  const to = name === undefined ? connection.remoteFlow : noFlow;
  return buildTagged(stack, connection, control, extraBytes, put, to, synBytes);
}

/** Of a packet, without the padding behind it. */
export function totalBytesOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(4);
}

/** `token`: of the question whether the peer receives where this goes. */
export function buildRsynAck(
  stack: StackState,
  connection: Connection,
  committed: FlowId,
  token: FlowId | undefined,
  options = 0,
): Uint8Array {
  const control = { flags: ControlFlag.RSYN | ControlFlag.ACK, options, nonce: committed, flow: connection.localFlow };
  const extraBytes = finalBytes + (token === undefined ? 0 : challengeBytes);
  return buildTagged(stack, connection, control, extraBytes, (view, at) => {
    const end = at + emitFinal(view, at, offsetsOf(connection));
    if (token === undefined) return;
    emitChallenge(view, end, { direction: Direction.REQUEST, tokenHi: token.hi, tokenLo: token.lo });
  });
}

/** What this end has of both streams for sure, so that a copy that is behind knows itself (isBehind). */
function offsetsOf({ tcb }: Connection): Final {
  // The transport's FIN counts in SND.UNA, and is no byte of the stream.
  const sentOffset = tcb === undefined ? 0 : Math.min(tcb.sndUna, tcb.sndEnd);
  return { sentOffset, receivedOffset: tcb?.rcvAcked ?? 0 };
}

/**
 * The packet at hand says that the peer has received what was never sent here, or was told that something arrived which has not:
 * both can only have been by another copy of this end. Neither figure ever falls, so an old packet accuses nobody.
 */
export function isBehind({ work }: StackState, { tcb }: Connection): boolean {
  const { packet, view, final } = work;
  if (tcb === undefined || packet.finalOffset === 0 || parseFinal(view, packet.finalOffset, final) !== Reason.OK)
    return false;
  return final.receivedOffset > tcb.sndEnd || final.sentOffset > tcb.rcvAcked;
}

/**
 * To who told a move that is not committed: to the flow that it told. In place of the own flowID, which it knows, stands the
 * move that is committed.
 */
export function buildSuperseded(stack: StackState, connection: Connection, moves: Moves): Uint8Array {
  const { flowHi, flowLo } = stack.work.control;
  const own = lineageOf(moves);
  const rejected = newest(stack.work.lineage);
  const control = { flags: ControlFlag.FAIL, reason: Reason.SUPERSEDED, nonce: rejected, flow: moves.peerMove };
  const put = (view: DataView, at: number): void => void emitLineage(view, at, own);
  return buildTagged(stack, connection, control, lineageBytes(own.sent.count), put, { hi: flowHi, lo: flowLo });
}
