// A first-in first-out queue: a ring in an array that doubles when it is full, so a steady state allocates nothing and moves
// nothing. Array.shift was rejected: it moves every element of a long queue; an array that is emptied by setting its length,
// too: V8 does that out of its compiled code, a third of a microsecond, and the next push makes the array anew.

export interface Queue<T> {
  /** Its length is a power of two, or 0 before the first push. */
  items: (T | undefined)[];
  head: number;
  count: number;
}

const firstSlots = 8;
/** An array longer than this is left to the garbage collector once the queue is empty: it was a burst. */
const keptSlots = 1024;

export function createQueue<T>(): Queue<T> {
  return { items: [], head: 0, count: 0 };
}

export function push<T>(queue: Queue<T>, item: T): void {
  if (queue.count === queue.items.length) grow(queue);
  queue.items[(queue.head + queue.count++) & (queue.items.length - 1)] = item;
}

export function shift<T>(queue: Queue<T>): T | undefined {
  if (queue.count === 0) return undefined;
  const { items, head } = queue;
  const item = items[head];
  items[head] = undefined;
  queue.head = (head + 1) & (items.length - 1);
  if (--queue.count === 0 && items.length > keptSlots) queue.items = [];
  return item;
}

export function queueLength<T>(queue: Queue<T>): number {
  return queue.count;
}

/** The one that `shift` would answer. */
export function peek<T>({ items, head }: Queue<T>): T | undefined {
  return items[head];
}

/** All of them, in order; nothing may be taken out meanwhile. */
export function* queued<T>({ items, head, count }: Queue<T>): IterableIterator<T> {
  for (let i = 0; i < count; i++) yield items[(head + i) & (items.length - 1)] as T;
}

function grow<T>(queue: Queue<T>): void {
  const { items, head, count } = queue;
  const larger: (T | undefined)[] = [];
  for (let i = 0; i < count; i++) larger.push(items[(head + i) & (items.length - 1)]);
  for (let i = count; i < Math.max(firstSlots, 2 * count); i++) larger.push(undefined);
  queue.items = larger;
  queue.head = 0;
}
