// Which bytes above rcvNxt have arrived: sorted, disjoint intervals, at most 256, and what of them to report as SACK
// (RFC 2018: the block that changed last comes first, then those reported lately). The bytes themselves stand in the
// receive buffer. At the limit a segment that would open another hole is refused: the sender repeats it.
// The contiguous bytes that the layer above has not accepted yet are one more block, kept by the caller.

import { borrowColumns, type Columns, findAt, insertAt, noColumns, removeAt, returnColumns } from './columns.ts';

export interface Reassembly {
  /** `values`: one past the last byte; `marks`: grows with each change. */
  intervals: Columns;
  /** The mark of the latest change. */
  changes: number;
}

export const maxIntervals = 256;

export function createReassembly(): Reassembly {
  return { intervals: noColumns, changes: 0 };
}

/**
 * Notes [start, end). Answers false when that would make more than `maxIntervals`. Bytes that were there already are the
 * caller's duplicates: see `holdsInterval`.
 */
export function insertInterval(r: Reassembly, spare: Columns[], start: number, end: number): boolean {
  if (r.intervals === noColumns) r.intervals = borrowColumns(spare);
  const c = r.intervals;
  let at = findAt(c, start);
  const joins = at >= c.first && c.values[at]! >= start;
  if (!joins) at++;
  const after = c.first + c.count;
  let last = at;
  while (last < after && c.starts[last]! <= end) last++;
  r.changes = (r.changes + 1) >>> 0;
  if (last === at) {
    if (c.count >= maxIntervals) return false;
    insertAt(c, at, start, end, r.changes);
    return true;
  }
  c.starts[at] = Math.min(c.starts[at]!, start);
  c.values[at] = Math.max(c.values[last - 1]!, end);
  c.marks[at] = r.changes;
  removeAt(c, at + 1, last - at - 1);
  return true;
}

/** Bytes held in all. */
export function heldBytes(r: Reassembly): number {
  const c = r.intervals;
  let bytes = 0;
  for (let at = c.first; at < c.first + c.count; at++) bytes += c.values[at]! - c.starts[at]!;
  return bytes;
}

/** Whether every byte of [start, end) is there. */
export function holdsInterval(r: Reassembly, start: number, end: number): boolean {
  const c = r.intervals;
  const at = findAt(c, start);
  return at >= c.first && c.values[at]! >= end;
}

/** Contiguous bytes now end at `rcvNxt`: swallows what touches them. Answers where they end then. */
export function advanceThrough(r: Reassembly, spare: Columns[], rcvNxt: number): number {
  const c = r.intervals;
  let gone = 0;
  while (gone < c.count && c.starts[c.first + gone]! <= rcvNxt) {
    rcvNxt = Math.max(rcvNxt, c.values[c.first + gone]!);
    gone++;
  }
  removeAt(c, c.first, gone);
  if (c.count === 0) dropReassembly(r, spare);
  return rcvNxt;
}

/** One past the highest byte held; `otherwise` when nothing is. */
export function highestHeld(r: Reassembly, otherwise: number): number {
  const c = r.intervals;
  return c.count === 0 ? otherwise : c.values[c.first + c.count - 1]!;
}

/** Index of the interval that changed last among those that changed before `below`; -1: none. Start with 2^32. */
export function latestBefore(r: Reassembly, below: number): number {
  const c = r.intervals;
  let best = -1;
  let bestMark = -1;
  for (let at = c.first; at < c.first + c.count; at++) {
    const mark = c.marks[at]!;
    if (mark >= below || mark <= bestMark) continue;
    best = at;
    bestMark = mark;
  }
  return best;
}

export function dropReassembly(r: Reassembly, spare: Columns[]): void {
  if (r.intervals === noColumns) return;
  returnColumns(spare, r.intervals);
  r.intervals = noColumns;
}
