// A map whose entries lapse: leases, tombstones, cached offers. Time is passed in; nothing goes by itself: whoever owns
// the map asks for the next expiry and drains. Bounded always, because what fills it comes from the network.
// Any expiry may be given to any key at any time, so a deadline queue orders the entries, not insertion.

import {
  cancel,
  createTimerQueue,
  deadlineOf,
  nextDeadlineUs,
  popExpired,
  schedule,
  type TimerQueue,
} from './timer-queue.ts';

export interface ExpiringMap<K, V> {
  readonly capacity: number;
  readonly whenFull: 'refuse' | 'evict';
  /** Key to slot; `keys`, `values` and the timer handles are by slot. */
  readonly slots: Map<K, number>;
  readonly keys: (K | undefined)[];
  readonly values: (V | undefined)[];
  readonly freeSlots: number[];
  readonly timers: TimerQueue;
}

/** `evict`: at capacity the entry that would expire first makes room; `refuse`: the new one is not taken. */
export function createExpiringMap<K, V>(capacity: number, whenFull: 'refuse' | 'evict'): ExpiringMap<K, V> {
  return { capacity, whenFull, slots: new Map(), keys: [], values: [], freeSlots: [], timers: createTimerQueue(16) };
}

/** Sets or replaces, with a new expiry; false when full and refusing. */
export function setExpiring<K, V>(map: ExpiringMap<K, V>, key: K, value: V, expiresUs: number): boolean {
  let slot = map.slots.get(key);
  if (slot === undefined) {
    if (map.slots.size >= map.capacity) {
      if (map.whenFull === 'refuse' || map.capacity === 0) return false;
      takeExpired(map, Infinity);
    }
    slot = map.freeSlots.pop() ?? map.keys.length;
    map.slots.set(key, slot);
    map.keys[slot] = key;
  }
  map.values[slot] = value;
  // Infinity would mean "no timer" to the queue; the largest finite time never comes either, and can still be evicted.
  schedule(map.timers, slot, Math.min(expiresUs, Number.MAX_VALUE));
  return true;
}

/** Undefined if absent or expired at `nowUs`. */
export function getExpiring<K, V>(map: ExpiringMap<K, V>, key: K, nowUs: number): V | undefined {
  const slot = map.slots.get(key);
  if (slot === undefined || deadlineOf(map.timers, slot) <= nowUs) return undefined;
  return map.values[slot];
}

/** False if the key was absent. */
export function deleteExpiring<K, V>(map: ExpiringMap<K, V>, key: K): boolean {
  const slot = map.slots.get(key);
  if (slot === undefined) return false;
  cancel(map.timers, slot);
  release(map, key, slot);
  return true;
}

/** When the next entry lapses; Infinity when there is none. */
export function nextExpiryUs<K, V>(map: ExpiringMap<K, V>): number {
  return nextDeadlineUs(map.timers);
}

/** Removes and answers the entry that expired first, or undefined when none has by `nowUs`: call until undefined. */
export function takeExpired<K, V>(map: ExpiringMap<K, V>, nowUs: number): { key: K; value: V } | undefined {
  const slot = popExpired(map.timers, nowUs);
  if (slot < 0) return undefined;
  const key = map.keys[slot] as K;
  const value = map.values[slot] as V;
  release(map, key, slot);
  return { key, value };
}

/** The entries in order of insertion, lapsed ones that were not drained yet included. */
export function* expiringEntries<K, V>(map: ExpiringMap<K, V>): IterableIterator<V> {
  for (const slot of map.slots.values()) yield map.values[slot] as V;
}

function release<K, V>(map: ExpiringMap<K, V>, key: K, slot: number): void {
  map.slots.delete(key);
  map.keys[slot] = undefined;
  map.values[slot] = undefined;
  map.freeSlots.push(slot);
}
