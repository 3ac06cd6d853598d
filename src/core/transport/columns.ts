// Intervals of sequence space, sorted and disjoint, as parallel typed arrays: one number per column instead of one
// object per segment. Both the sender's scoreboard and the receiver's reassembly list stand on it. Removal at the front
// only moves `first`; insertion in the middle shifts the tail, a memory move of a few KiB at the very worst.
// A linked list was rejected: it would have to be walked, this is searched. Idle connections borrow no columns at all.

export interface Columns {
  starts: Float64Array;
  /** What the owner keeps with an interval: when it was sent, or where it ends. */
  values: Float64Array;
  /** Flags, or recency. */
  marks: Uint32Array;
  /** The intervals are `first` to `first + count - 1`. */
  first: number;
  count: number;
}

const firstCapacity = 16;
/** Larger ones are left to the garbage collector. */
const keptCapacity = 1024;
const keptColumns = 1024;

/** What an owner without intervals points at; never written to. */
export const noColumns: Columns = createColumns(0);

function createColumns(capacity: number): Columns {
  return {
    starts: new Float64Array(capacity),
    values: new Float64Array(capacity),
    marks: new Uint32Array(capacity),
    first: 0,
    count: 0,
  };
}

export function borrowColumns(spare: Columns[]): Columns {
  return spare.pop() ?? createColumns(firstCapacity);
}

export function returnColumns(spare: Columns[], columns: Columns): void {
  if (columns === noColumns || columns.starts.length > keptCapacity || spare.length >= keptColumns) return;
  columns.first = 0;
  columns.count = 0;
  spare.push(columns);
}

/** Opens a place at index `at` (between `first` and `first + count`); answers where it is, which may be elsewhere. */
export function insertAt(c: Columns, at: number, start: number, value: number, mark: number): number {
  if (c.first + c.count === c.starts.length) at -= makeRoom(c);
  const end = c.first + c.count;
  if (at < end) {
    c.starts.copyWithin(at + 1, at, end);
    c.values.copyWithin(at + 1, at, end);
    c.marks.copyWithin(at + 1, at, end);
  }
  c.starts[at] = start;
  c.values[at] = value;
  c.marks[at] = mark;
  c.count++;
  return at;
}

/** Removes `count` intervals from index `at` on. */
export function removeAt(c: Columns, at: number, count: number): void {
  if (count <= 0) return;
  const end = c.first + c.count;
  c.count -= count;
  if (at === c.first) {
    c.first = c.count === 0 ? 0 : at + count;
    return;
  }
  c.starts.copyWithin(at, at + count, end);
  c.values.copyWithin(at, at + count, end);
  c.marks.copyWithin(at, at + count, end);
}

/** Index of the last interval that starts at or before `offset`; `first - 1` when none does. */
export function findAt(c: Columns, offset: number): number {
  const { starts } = c;
  let low = c.first;
  let high = c.first + c.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Moves everything to the front, or doubles the arrays. Answers how far the intervals moved down. */
function makeRoom(c: Columns): number {
  const { first, count } = c;
  if (first < c.starts.length >> 1 || first === 0) {
    const capacity = c.starts.length * 2;
    c.starts = grown(new Float64Array(capacity), c.starts);
    c.values = grown(new Float64Array(capacity), c.values);
    const marks = new Uint32Array(capacity);
    marks.set(c.marks);
    c.marks = marks;
    return 0;
  }
  c.starts.copyWithin(0, first, first + count);
  c.values.copyWithin(0, first, first + count);
  c.marks.copyWithin(0, first, first + count);
  c.first = 0;
  return first;
}

function grown(larger: Float64Array, smaller: Float64Array): Float64Array {
  larger.set(smaller);
  return larger;
}
