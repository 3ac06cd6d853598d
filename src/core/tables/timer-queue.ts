// Deadlines of small integer handles (slots of a table), one each: the stack owns one queue for all its flows.
// A lazy 4-ary heap in typed arrays. A flow moves its deadline on every batch, and nearly always to later, so that costs
// one store: the heap keeps the old, earlier time, and the handle sinks only when it reaches the root. Invariant: a
// queued time is never later than the deadline. A hierarchical wheel was measured: as quick up to 10^4 flows (20-35 ns
// an update), quicker at 10^5 when all of them fire (50 against 300 ns), but its 1 ms tick is too coarse for pacing.

export interface TimerQueue {
  /** Entries in `heap`, cancelled ones that have not surfaced yet included. */
  queued: number;
  /** By handle: the deadline wanted, Infinity for none. */
  deadlines: Float64Array;
  /** By handle: its position in `heap`, or -1. */
  positions: Int32Array;
  /** Handles as a heap, and the times that order it. */
  heap: Int32Array;
  heapTimes: Float64Array;
}

/** `capacity`: handles expected; more are taken, at the price of growing. */
export function createTimerQueue(capacity = 64): TimerQueue {
  return {
    queued: 0,
    deadlines: new Float64Array(capacity).fill(Infinity),
    positions: new Int32Array(capacity).fill(-1),
    heap: new Int32Array(capacity),
    heapTimes: new Float64Array(capacity),
  };
}

/** Sets the only deadline of `handle` (0, 1, 2, ...); Infinity cancels. */
export function schedule(queue: TimerQueue, handle: number, deadlineUs: number): void {
  if (handle >= queue.deadlines.length) grow(queue, handle + 1);
  queue.deadlines[handle] = deadlineUs;
  const position = queue.positions[handle]!;
  if (position >= 0) {
    if (deadlineUs < queue.heapTimes[position]!) siftUp(queue, position, handle, deadlineUs);
  } else if (deadlineUs !== Infinity) {
    siftUp(queue, queue.queued++, handle, deadlineUs);
  }
}

export function cancel(queue: TimerQueue, handle: number): void {
  if (handle < queue.deadlines.length) queue.deadlines[handle] = Infinity;
}

/** Infinity when nothing is scheduled for `handle`. */
export function deadlineOf(queue: TimerQueue, handle: number): number {
  return queue.deadlines[handle] ?? Infinity;
}

/** The earliest deadline of all, or Infinity. */
export function nextDeadlineUs(queue: TimerQueue): number {
  settleRoot(queue, Infinity);
  return queue.queued === 0 ? Infinity : queue.heapTimes[0]!;
}

/** Takes out and answers the handle whose deadline came first, or -1 when none has come by `nowUs`: call until -1. */
export function popExpired(queue: TimerQueue, nowUs: number): number {
  settleRoot(queue, nowUs);
  if (queue.queued === 0 || queue.heapTimes[0]! > nowUs) return -1;
  const handle = queue.heap[0]!;
  queue.deadlines[handle] = Infinity;
  removeRoot(queue);
  return handle;
}

/** Brings the root's time up to its deadline, until the root is right or lies after `untilUs` anyway. */
function settleRoot(queue: TimerQueue, untilUs: number): void {
  while (queue.queued > 0) {
    const queuedUs = queue.heapTimes[0]!;
    if (queuedUs > untilUs) return;
    const handle = queue.heap[0]!;
    const deadlineUs = queue.deadlines[handle]!;
    if (deadlineUs === queuedUs) return;
    if (deadlineUs === Infinity) removeRoot(queue);
    else siftDown(queue, handle, deadlineUs);
  }
}

function removeRoot(queue: TimerQueue): void {
  queue.positions[queue.heap[0]!] = -1;
  const last = --queue.queued;
  if (last > 0) siftDown(queue, queue.heap[last]!, queue.heapTimes[last]!);
}

/** Places `handle`, whose time may only be too early for `position`. */
function siftUp(queue: TimerQueue, position: number, handle: number, timeUs: number): void {
  const { heap, heapTimes, positions } = queue;
  while (position > 0) {
    const parent = (position - 1) >> 2;
    const parentUs = heapTimes[parent]!;
    if (parentUs <= timeUs) break;
    const moved = heap[parent]!;
    heap[position] = moved;
    heapTimes[position] = parentUs;
    positions[moved] = position;
    position = parent;
  }
  heap[position] = handle;
  heapTimes[position] = timeUs;
  positions[handle] = position;
}

/** Places `handle` from the root down. */
function siftDown(queue: TimerQueue, handle: number, timeUs: number): void {
  const { heap, heapTimes, positions, queued } = queue;
  let position = 0;
  for (;;) {
    const first = position * 4 + 1;
    if (first >= queued) break;
    const end = Math.min(first + 4, queued);
    let child = first;
    for (let other = first + 1; other < end; other++) if (heapTimes[other]! < heapTimes[child]!) child = other;
    if (heapTimes[child]! >= timeUs) break;
    const moved = heap[child]!;
    heap[position] = moved;
    heapTimes[position] = heapTimes[child]!;
    positions[moved] = position;
    position = child;
  }
  heap[position] = handle;
  heapTimes[position] = timeUs;
  positions[handle] = position;
}

function grow(queue: TimerQueue, atLeast: number): void {
  const capacity = Math.max(atLeast, queue.deadlines.length * 2);
  const deadlines = new Float64Array(capacity).fill(Infinity);
  const positions = new Int32Array(capacity).fill(-1);
  const heap = new Int32Array(capacity);
  const heapTimes = new Float64Array(capacity);
  deadlines.set(queue.deadlines);
  positions.set(queue.positions);
  heap.set(queue.heap);
  heapTimes.set(queue.heapTimes);
  Object.assign(queue, { deadlines, positions, heap, heapTimes });
}
