// A first-in first-out queue on an array: shift is a head index, and the array is reused once drained, so a steady
// state allocates nothing. Array.shift was rejected: it moves every element of a long queue.

export interface Queue<T> {
  readonly items: (T | undefined)[];
  head: number;
}

/** A queue that is never drained gives its front back once this long; each item then moves at most once on average. */
const compactAt = 1024;

export function createQueue<T>(): Queue<T> {
  return { items: [], head: 0 };
}

export function push<T>(queue: Queue<T>, item: T): void {
  queue.items.push(item);
}

export function shift<T>(queue: Queue<T>): T | undefined {
  if (queue.head === queue.items.length) return undefined;
  const item = queue.items[queue.head];
  queue.items[queue.head++] = undefined;
  if (queue.head === queue.items.length) {
    queue.items.length = 0;
    queue.head = 0;
  } else if (queue.head >= compactAt && queue.head * 2 >= queue.items.length) {
    queue.items.splice(0, queue.head);
    queue.head = 0;
  }
  return item;
}

export function queueLength<T>(queue: Queue<T>): number {
  return queue.items.length - queue.head;
}

/** The one that `shift` would answer. */
export function peek<T>(queue: Queue<T>): T | undefined {
  return queue.items[queue.head];
}

/** All of them, in order; nothing may be taken out meanwhile. */
export function* queued<T>(queue: Queue<T>): IterableIterator<T> {
  for (let at = queue.head; at < queue.items.length; at++) yield queue.items[at] as T;
}
