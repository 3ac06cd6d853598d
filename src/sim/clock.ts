// The virtual clock: a binary heap of things to do, in microseconds. Two at the same time run in the order in which
// they were scheduled, so that a seed fixes the whole run. Nothing waits: running the clock is jumping from one to the
// next. A cancelled timer stays in the heap until its time comes, which is cheaper than finding it.

export interface Timer {
  readonly atUs: number;
  readonly order: number;
  /** Undefined once run or cancelled. */
  run: (() => void) | undefined;
}

export interface Clock {
  nowUs: number;
  scheduled: number;
  /** Timers that will still run. */
  pending: number;
  readonly heap: Timer[];
}

export function createClock(startUs = 0): Clock {
  return { nowUs: startUs, scheduled: 0, pending: 0, heap: [] };
}

/** Runs `run` at `atUs`, or next if that is past. */
export function schedule(clock: Clock, atUs: number, run: () => void): Timer {
  const timer: Timer = { atUs: Math.max(atUs, clock.nowUs), order: clock.scheduled++, run };
  clock.pending++;
  clock.heap.push(timer);
  siftUp(clock.heap);
  return timer;
}

export function cancel(clock: Clock, timer: Timer): void {
  if (timer.run === undefined) return;
  timer.run = undefined;
  clock.pending--;
}

/** Time of the next timer; Infinity when there is none. */
export function nextTimerUs(clock: Clock): number {
  dropCancelled(clock);
  return clock.heap[0]?.atUs ?? Infinity;
}

/** Jumps to the next timer and runs it; false when there is none. */
export function step(clock: Clock): boolean {
  dropCancelled(clock);
  const timer = take(clock.heap);
  if (timer === undefined) return false;
  const { run } = timer;
  timer.run = undefined;
  clock.pending--;
  clock.nowUs = timer.atUs;
  run?.();
  return true;
}

function dropCancelled(clock: Clock): void {
  while (clock.heap[0] !== undefined && clock.heap[0].run === undefined) take(clock.heap);
}

function before(a: Timer, b: Timer): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}

function siftUp(heap: Timer[]): void {
  let at = heap.length - 1;
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (!before(heap[at]!, heap[parent]!)) return;
    swap(heap, at, parent);
    at = parent;
  }
}

function take(heap: Timer[]): Timer | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  heap[0] = last;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    if (left >= heap.length) return first;
    const right = left + 1;
    const least = right < heap.length && before(heap[right]!, heap[left]!) ? right : left;
    if (!before(heap[least]!, heap[at]!)) return first;
    swap(heap, at, least);
    at = least;
  }
}

function swap(heap: Timer[], a: number, b: number): void {
  const held = heap[a]!;
  heap[a] = heap[b]!;
  heap[b] = held;
}
