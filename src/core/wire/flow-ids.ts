// FLOWIDS: spare flowIDs of the sender, issued under encryption, that the peer may address after a move, so that an
// observer cannot link two paths (docs/protocol.md, "FLOWIDS"). Not critical: without them the flowID stays the same.

import { Reason } from '../base/index.ts';
import { Extension, emitExtensionHeader, extensionBytes, requireCount } from './extension.ts';
import { createIdList, emitIds, type IdList, parseIds } from './id-list.ts';

export const maxSpareFlowIds = 16;

/** 1..16 ids. */
export type FlowIds = IdList;

export function createFlowIds(): FlowIds {
  return createIdList(maxSpareFlowIds);
}

export function flowIdsBytes(count: number): number {
  return 4 + count * 8;
}

/** Throws RangeError unless there are 1 to 16 ids. */
export function emitFlowIds(view: DataView, offset: number, ids: Readonly<FlowIds>): number {
  requireCount(ids.count, 1, maxSpareFlowIds, 'ids in FLOWIDS');
  emitExtensionHeader(view, offset, Extension.FLOWIDS, flowIdsBytes(ids.count));
  return 4 + emitIds(view, offset + 4, ids);
}

export function parseFlowIds(view: DataView, offset: number, out: FlowIds): Reason {
  const count = (extensionBytes(view, offset) - 4) / 8;
  if (!Number.isInteger(count) || count < 1 || count > maxSpareFlowIds) return Reason.BAD_EXTENSION;
  parseIds(view, offset + 4, count, out);
  return Reason.OK;
}
