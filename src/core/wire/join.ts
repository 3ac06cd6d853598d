// JOIN, 12 bytes: this SYN opens one more flow of an existing connection (docs/protocol.md, "JOIN"). The token names the
// connection and is no secret: a MAC made with the connection's keys stands beside it.

import { Reason } from '../base/index.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';

export const joinBytes = 12;

/** `BACKUP`: carries data only when no other flow can. `PREFERRED`: others do only when this one cannot. */
export const JoinFlag = { BACKUP: 1, PREFERRED: 2 } as const;

export interface Join {
  /** Number of the flow within its connection, chosen by who opens it; 0 is the first flow's. */
  pathId: number;
  /** `JoinFlag` bits. */
  flags: number;
  /** Of the opening: a counter. */
  tokenHi: number;
  tokenLo: number;
}

export function createJoin(): Join {
  return { pathId: 0, flags: 0, tokenHi: 0, tokenLo: 0 };
}

export function emitJoin(view: DataView, offset: number, join: Readonly<Join>): number {
  emitExtensionHeader(view, offset, Extension.JOIN, joinBytes);
  view.setUint8(offset + 2, join.pathId);
  view.setUint8(offset + 3, join.flags);
  view.setUint32(offset + 4, join.tokenHi);
  view.setUint32(offset + 8, join.tokenLo);
  return joinBytes;
}

export function parseJoin(view: DataView, offset: number, out: Join): Reason {
  if (extensionBytes(view, offset) !== joinBytes) return Reason.BAD_EXTENSION;
  out.pathId = view.getUint8(offset + 2);
  out.flags = view.getUint8(offset + 3);
  out.tokenHi = view.getUint32(offset + 4);
  out.tokenLo = view.getUint32(offset + 8);
  return Reason.OK;
}
