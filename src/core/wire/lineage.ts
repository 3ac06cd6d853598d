// LINEAGE: the ancestry of a move (docs/protocol.md, "LINEAGE"): the id of the last move known to be committed and all
// those sent since, oldest first, the newest being this one. The peer commits only if the move that it last
// committed is among them; that is what stops a cloned end. None may be dropped early: the cap ends the connection.

import { Reason } from '../base/index.ts';
import { Extension, emitExtensionHeader, extensionBytes, requireCount } from './extension.ts';
import { createIdList, emitIds, hasId, type IdList, parseIds } from './id-list.ts';

export const maxLineageIds = 64;

const fixedBytes = 12;

export interface Lineage {
  committedHi: number;
  committedLo: number;
  /** Room for 64. */
  readonly sent: IdList;
}

export function createLineage(): Lineage {
  return { committedHi: 0, committedLo: 0, sent: createIdList(maxLineageIds) };
}

export function lineageBytes(count: number): number {
  return fixedBytes + count * 8;
}

/** Throws RangeError for more than 64 ids. */
export function emitLineage(view: DataView, offset: number, lineage: Readonly<Lineage>): number {
  requireCount(lineage.sent.count, 0, maxLineageIds, 'ids in LINEAGE');
  const bytes = lineageBytes(lineage.sent.count);
  emitExtensionHeader(view, offset, Extension.LINEAGE, bytes);
  view.setUint32(offset + 4, lineage.committedHi);
  view.setUint32(offset + 8, lineage.committedLo);
  emitIds(view, offset + fixedBytes, lineage.sent);
  return bytes;
}

export function parseLineage(view: DataView, offset: number, out: Lineage): Reason {
  const count = (extensionBytes(view, offset) - fixedBytes) / 8;
  if (!Number.isInteger(count) || count < 0 || count > maxLineageIds) return Reason.BAD_EXTENSION;
  out.committedHi = view.getUint32(offset + 4);
  out.committedLo = view.getUint32(offset + 8);
  parseIds(view, offset + fixedBytes, count, out.sent);
  return Reason.OK;
}

/** Whether the move with this id is the committed one or was sent since. */
export function lineageHas(lineage: Readonly<Lineage>, hi: number, lo: number): boolean {
  return (lineage.committedHi === hi && lineage.committedLo === lo) || hasId(lineage.sent, hi, lo);
}
