// The packets that open one more flow (docs/protocol.md, "Several flows"): CONTROL, JOIN, a tag, and the transport's SYN or
// its answer. The SYN is padded as every SYN is, so that what answers it is shorter.

import type { FlowId } from '../base/index.ts';
import {
  baseHeaderBytes,
  controlBytes,
  createJoin,
  emitBase,
  emitControl,
  emitJoin,
  emitMac,
  type Join,
  JoinFlag,
  joinBytes,
  macBytes,
} from '../wire/index.ts';
import type { Role, Subflow } from './flow-group.ts';
import { tagPacket } from './packets.ts';
import type { StackState } from './state.ts';

const headerBytes = baseHeaderBytes + controlBytes + joinBytes + macBytes;

/** `to`: the first flow for a SYN, the flow that asked for its answer. */
export function buildJoin(
  stack: StackState,
  { connection, pathId, joinNumber, role }: Subflow,
  flags: number,
  segment: Uint8Array,
  { hi, lo }: FlowId,
  paddedBytes = 0,
): Uint8Array {
  const { localNonce: nonce, localFlow: flow } = connection;
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
  emitMac(view, at, connection.keys?.tagEpoch ?? 0);
  bytes.set(segment, headerBytes);
  emitBase(view, 0, headerBytes, connection.protocol, length, hi, lo);
  tagPacket(stack, connection, bytes, 0, length, at);
  return bytes;
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
