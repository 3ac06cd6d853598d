// The packets that open one more flow (docs/protocol.md, "Several flows"): CONTROL, JOIN, a tag, and the transport's SYN or
// its answer. The SYN is padded as every SYN is, so that what answers it is shorter. It comes from another address than the
// connection's others: LINEAGE shows that it is not from a copy of the client that lost.

import { type FlowId, noFlow, Reason } from '../base/index.ts';
import {
  baseHeaderBytes,
  ControlFlag,
  controlBytes,
  createJoin,
  emitBase,
  emitControl,
  emitJoin,
  emitLineage,
  emitMac,
  type Join,
  JoinFlag,
  joinBytes,
  lineageBytes,
  lineageHas,
  macBytes,
  parseLineage,
} from '../wire/index.ts';
import type { Role, Subflow } from './flow-group.ts';
import { lineageOf } from './moves.ts';
import { tagPacket } from './packets.ts';
import type { Connection, StackState } from './state.ts';

/** `to`: the first flow for a SYN, the flow that asked for its answer. */
export function buildJoin(
  stack: StackState,
  { connection, pathId, joinNumber, role, group }: Subflow,
  flags: number,
  segment: Uint8Array,
  { hi, lo }: FlowId,
  paddedBytes = 0,
): Uint8Array {
  const { localNonce: nonce, localFlow: flow } = connection;
  const moves = (flags & ControlFlag.ACK) === 0 ? group.first.migration?.moves : undefined;
  const lineage = moves === undefined ? undefined : lineageOf(moves);
  const movesBytes = lineage === undefined ? 0 : lineageBytes(lineage.sent.count);
  const headerBytes = baseHeaderBytes + controlBytes + joinBytes + movesBytes + macBytes;
  const length = headerBytes + segment.length;
  const bytes = new Uint8Array(Math.max(length, paddedBytes));
  const view = new DataView(bytes.buffer);
  const control = {
    reason: 0,
    attempt: 0,
    options: 0,
    nonceHi: nonce.hi,
    nonceLo: nonce.lo,
    flowHi: flow.hi,
    flowLo: flow.lo,
  };
  let at = baseHeaderBytes;
  at += emitControl(view, at, { flags, ...control });
  at += emitJoin(view, at, joinOf(pathId, joinNumber, role));
  if (lineage !== undefined) at += emitLineage(view, at, lineage);
  emitMac(view, at, connection.keys?.tagEpoch ?? 0);
  bytes.set(segment, headerBytes);
  emitBase(view, 0, headerBytes, connection.protocol, length, hi, lo);
  tagPacket(stack, connection, bytes, 0, length, at);
  return bytes;
}

/** Whether the SYN at hand is from the client that this end knows: it lists the move that was committed last. */
export function isOfPeer({ work }: StackState, { migration }: Connection): boolean {
  const { packet, view, lineage } = work;
  const { hi, lo } = migration?.moves.peerMove ?? noFlow;
  if (packet.lineageOffset === 0) return hi === noFlow.hi && lo === noFlow.lo;
  return parseLineage(view, packet.lineageOffset, lineage) === Reason.OK && lineageHas(lineage, hi, lo);
}

const flagsOf = { preferred: JoinFlag.PREFERRED, regular: 0, backup: JoinFlag.BACKUP } as const;

/** The token is the number of the opening, counted from 1 by the client. */
function joinOf(pathId: number, number: number, role: Role): Join {
  const flags = flagsOf[role];
  return { ...createJoin(), pathId, flags, tokenHi: Math.floor(number / 2 ** 32), tokenLo: number >>> 0 };
}

export function joinNumberOf({ tokenHi, tokenLo }: Readonly<Join>): number {
  return tokenHi * 2 ** 32 + tokenLo;
}

export function roleOf({ flags }: Readonly<Join>): Role {
  if ((flags & JoinFlag.PREFERRED) !== 0) return 'preferred';
  return (flags & JoinFlag.BACKUP) !== 0 ? 'backup' : 'regular';
}
