// What was sent and not yet acknowledged: the range from sndUna to sndNxt as runs of bytes that share their fate (when
// sent, SACKed, lost, sent again). A batch is one run until an ACK splits it, and SACKed neighbours merge, so that the
// work per ACK grows with the number of holes and not with the number of segments. Retransmissions cut segments afresh,
// which is why a smaller MTU needs no care here. One record per segment, as kernels keep, was rejected for that.
// Invariant: runs are contiguous; `sackedBytes`, `lostBytes` and `elsewhereBytes` are sums over runs by their flags.

import { borrowColumns, type Columns, findAt, insertAt, noColumns, removeAt, returnColumns } from './columns.ts';

/** Flags of a run. */
export const Run = {
  SACKED: 1,
  /** Taken as lost, and not sent again since. */
  LOST: 2,
  RETRANSMITTED: 4,
  /** Its loss says nothing of congestion: a path MTU probe, or it was in flight when the path went away. */
  BLAMELESS: 8,
  PROBE: 16,
  /** SACKed once, then withdrawn: not delivered a second time, and lost without blame. */
  COUNTED: 32,
  /** Counts as sent and has not left: nobody can have received it (withhold.ts). */
  WITHHELD: 64,
  /** Left on a path that is not used any more: its arrival says nothing of what the present one carries. */
  ELSEWHERE: 128,
} as const;

export interface Scoreboard {
  /** `values`: when sent; `marks`: flags. */
  runs: Columns;
  /** One past the last byte sent. */
  end: number;
  sackedBytes: number;
  lostBytes: number;
  /** In flight on a path that is not used any more. */
  elsewhereBytes: number;
  /** One past the highest byte delivered in any way: RACK's forward acknowledgement. */
  highest: number;
}

/** What the ACKs of one batch delivered; filled by `acknowledge` and `markSacked`. */
export interface Delivery {
  bytes: number;
  /** Of the run sent last: when, where it ends, and whether an earlier sending of it may have been what arrived. */
  sentAtUs: number;
  end: number;
  ambiguous: boolean;
  /** Something sent once arrived after something sent later. */
  reordered: boolean;
  /** A path MTU probe arrived. */
  probe: boolean;
  /** Something is said to have arrived that never left. */
  unsent: boolean;
}

export function createScoreboard(at: number): Scoreboard {
  return { runs: noColumns, end: at, sackedBytes: 0, lostBytes: 0, elsewhereBytes: 0, highest: at };
}

export function createDelivery(): Delivery {
  return { bytes: 0, sentAtUs: -1, end: 0, ambiguous: false, reordered: false, probe: false, unsent: false };
}

export function clearDelivery(d: Delivery): void {
  d.bytes = 0;
  d.sentAtUs = -1;
  d.end = 0;
  d.ambiguous = false;
  d.reordered = false;
  d.probe = false;
  d.unsent = false;
}

/** The first byte that is neither acknowledged nor SACKed. */
export function firstUndelivered(sb: Scoreboard): number {
  const { runs, end } = sb;
  if (runs.count === 0) return end;
  if ((runs.marks[runs.first]! & Run.SACKED) === 0) return runs.starts[runs.first]!;
  return runs.count === 1 ? end : runs.starts[runs.first + 1]!;
}

/** New data from `sb.end` on. */
export function appendSent(sb: Scoreboard, spare: Columns[], bytes: number, sentAtUs: number, flags: number): void {
  if (sb.runs === noColumns) sb.runs = borrowColumns(spare);
  const { runs } = sb;
  const last = runs.first + runs.count - 1;
  const sameFate = runs.count > 0 && flags === 0 && runs.marks[last] === 0 && runs.values[last] === sentAtUs;
  if (!sameFate) insertAt(runs, last + 1, sb.end, sentAtUs, flags);
  sb.end += bytes;
}

/** The cumulative acknowledgement of everything below `ack`. */
export function acknowledge(sb: Scoreboard, spare: Columns[], ack: number, out: Delivery): void {
  const { runs } = sb;
  const last = runs.first + runs.count;
  let at = runs.first;
  while (at < last) {
    const start = runs.starts[at]!;
    if (start >= ack) break;
    const end = runEnd(sb, at);
    const reached = Math.min(end, ack);
    deliver(sb, at, start, reached, out);
    leave(sb, runs.marks[at]!, reached - start);
    if (reached < end) {
      runs.starts[at] = reached;
      break;
    }
    at++;
  }
  removeAt(runs, runs.first, at - runs.first);
  sb.highest = Math.max(sb.highest, ack);
  if (runs.count === 0) forget(sb, spare);
}

/** One SACK block. What would cut a run in two is passed over once there are `mostRuns`. */
export function markSacked(
  sb: Scoreboard,
  start: number,
  end: number,
  out: Delivery,
  mostRuns: number = Infinity,
): void {
  const { runs } = sb;
  if (runs.count === 0) return;
  let at = Math.max(runs.first, findAt(runs, start));
  while (at < runs.first + runs.count && runs.starts[at]! < end) {
    const whole = runs.starts[at]! >= start && runEnd(sb, at) <= end;
    if ((runs.marks[at]! & Run.SACKED) === 0 && (whole || runs.count < mostRuns)) {
      at = isolate(sb, at, start, end);
      deliver(sb, at, runs.starts[at]!, runEnd(sb, at), out);
      mark(sb, at, (runs.marks[at]! | Run.SACKED) & ~Run.LOST);
      at = mergeSacked(sb, at);
    }
    at++;
  }
}

/** After all blocks of one ACK, so that the order of blocks is not taken for reordering. */
export function raiseHighest(sb: Scoreboard, end: number): void {
  if (end > sb.highest) sb.highest = Math.min(end, sb.end);
}

/** Sets the flags of a run and keeps the sums. */
export function mark(sb: Scoreboard, at: number, flags: number): void {
  const { runs } = sb;
  const bytes = runEnd(sb, at) - runs.starts[at]!;
  leave(sb, runs.marks[at]!, bytes);
  runs.marks[at] = flags;
  if (flags & Run.SACKED) sb.sackedBytes += bytes;
  if (flags & Run.LOST) sb.lostBytes += bytes;
  if (isElsewhere(flags)) sb.elsewhereBytes += bytes;
}

/**
 * Takes everything outstanding as lost. SACKs stand: a receiver that withdraws them is found out by its ACKs (delivery.ts),
 * and repeating what arrived would draw duplicate reports that make the timeout itself look needless.
 */
export function markAllLost(sb: Scoreboard): void {
  flagOutstanding(sb, Run.LOST);
}

/**
 * The receiver took back its SACK of [start, end), which begins within the first run: the bytes are to be sent again, and
 * nothing in the network is to blame. Answers whether any of them were SACKed.
 */
export function withdrawSacked(sb: Scoreboard, start: number, end: number): boolean {
  const { runs } = sb;
  const edge = firstUndelivered(sb);
  if (runs.count === 0 || start >= Math.min(edge, end) || start < runs.starts[runs.first]!) return false;
  const at = isolate(sb, runs.first, start, end);
  mark(sb, at, Run.LOST | Run.COUNTED | Run.RETRANSMITTED);
  return true;
}

/** Adds flags to every run that is not SACKed. */
export function flagOutstanding(sb: Scoreboard, flags: number): void {
  const { runs } = sb;
  for (let at = runs.first; at < runs.first + runs.count; at++)
    if ((runs.marks[at]! & Run.SACKED) === 0) mark(sb, at, runs.marks[at]! | flags);
}

/** The losses were imaginary: what is marked lost is in flight after all. */
export function unmarkLost(sb: Scoreboard): void {
  const { runs } = sb;
  if (sb.lostBytes === 0) return;
  for (let at = runs.first; at < runs.first + runs.count; at++) mark(sb, at, runs.marks[at]! & ~Run.LOST);
}

/** Shifts the times of sending, after the clock of this connection stood still. */
export function delaySent(sb: Scoreboard, byUs: number): void {
  const { runs } = sb;
  for (let at = runs.first; at < runs.first + runs.count; at++) runs.values[at] = runs.values[at]! + byUs;
}

/** Index of the first lost run; -1: none. */
export function firstLost(sb: Scoreboard): number {
  const { runs } = sb;
  if (sb.lostBytes === 0) return -1;
  for (let at = runs.first; at < runs.first + runs.count; at++) if (runs.marks[at]! & Run.LOST) return at;
  return -1;
}

/** [start, end), part of the run at `at`, leaves again now. */
export function markRetransmitted(sb: Scoreboard, at: number, start: number, end: number, sentAtUs: number): void {
  const { runs } = sb;
  const index = isolate(sb, at, start, end);
  const kept = runs.marks[index]! & Run.COUNTED;
  mark(sb, index, kept | Run.RETRANSMITTED);
  runs.values[index] = sentAtUs;
}

export function runEnd(sb: Scoreboard, at: number): number {
  const { runs } = sb;
  return at + 1 < runs.first + runs.count ? runs.starts[at + 1]! : sb.end;
}

/** Forgets everything, as after a freed connection. */
export function dropScoreboard(sb: Scoreboard, spare: Columns[]): void {
  sb.runs.count = 0;
  sb.sackedBytes = 0;
  sb.lostBytes = 0;
  sb.elsewhereBytes = 0;
  forget(sb, spare);
}

function forget(sb: Scoreboard, spare: Columns[]): void {
  if (sb.runs === noColumns) return;
  returnColumns(spare, sb.runs);
  sb.runs = noColumns;
}

/** Splits the run so that one run covers its part within [start, end); answers the index of that run. */
function isolate(sb: Scoreboard, at: number, start: number, end: number): number {
  const { runs } = sb;
  if (runEnd(sb, at) > end) at = insertAt(runs, at + 1, end, runs.values[at]!, runs.marks[at]!) - 1;
  if (runs.starts[at]! < start) at = insertAt(runs, at + 1, start, runs.values[at]!, runs.marks[at]!);
  return at;
}

/** Joins the SACKed run at `at` with SACKed neighbours; answers where it is now. */
function mergeSacked(sb: Scoreboard, at: number): number {
  const { runs } = sb;
  if (at + 1 < runs.first + runs.count && runs.marks[at + 1]! & Run.SACKED) {
    runs.starts[at + 1] = runs.starts[at]!;
    removeAt(runs, at, 1);
    at = Math.max(at, runs.first);
  }
  if (at > runs.first && runs.marks[at - 1]! & Run.SACKED) {
    removeAt(runs, at, 1);
    at--;
  }
  return at;
}

function leave(sb: Scoreboard, flags: number, bytes: number): void {
  if (flags & Run.SACKED) sb.sackedBytes -= bytes;
  if (flags & Run.LOST) sb.lostBytes -= bytes;
  if (isElsewhere(flags)) sb.elsewhereBytes -= bytes;
}

function isElsewhere(flags: number): boolean {
  return (flags & (Run.ELSEWHERE | Run.SACKED | Run.LOST)) === Run.ELSEWHERE;
}

/** Counts [start, end) of a run as delivered, unless it was before. */
function deliver(sb: Scoreboard, at: number, start: number, end: number, out: Delivery): void {
  const flags = sb.runs.marks[at]!;
  if (flags & Run.SACKED) return;
  const sentAtUs = sb.runs.values[at]!;
  if ((flags & (Run.COUNTED | Run.ELSEWHERE)) === 0) out.bytes += end - start;
  if (flags & Run.PROBE) out.probe = true;
  if (flags & Run.WITHHELD) out.unsent = true;
  if (sentAtUs > out.sentAtUs || (sentAtUs === out.sentAtUs && end > out.end)) {
    out.sentAtUs = sentAtUs;
    out.end = end;
    out.ambiguous = (flags & Run.RETRANSMITTED) !== 0;
  }
  if ((flags & Run.RETRANSMITTED) === 0 && end < sb.highest) out.reordered = true;
}
