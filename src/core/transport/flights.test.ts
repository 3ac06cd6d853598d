// Packets under way in the tests' network: a heap by time of arrival, and by order of sending among equals.

export interface Flight {
  readonly atUs: number;
  readonly order: number;
  readonly to: number;
  readonly packet: Uint8Array;
}

function before(a: Flight, b: Flight): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}

export function pushFlight(heap: Flight[], flight: Flight): void {
  let at = heap.length;
  heap.push(flight);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(flight, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = flight;
}

export function popFlight(heap: Flight[]): Flight {
  const top = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}
