import type { TimerQueue } from './timer-queue.ts';

export interface ExpiringMap<K, V> {
  readonly capacity: number;
  readonly whenFull: 'refuse' | 'evict';
  /** Key to slot. */
  readonly slots: Map<K, number>;
  readonly keys: (K | undefined)[];
  readonly values: (V | undefined)[];
  readonly freeSlots: number[];
  readonly timers: TimerQueue;
}
/** `evict`: at capacity the entry that would expire first makes room; `refuse`: the new one is not taken. */
export declare function createExpiringMap<K, V>(capacity: number, whenFull: 'refuse' | 'evict'): ExpiringMap<K, V>;
/** Sets or replaces, with a new expiry; false when full and refusing. */
export declare function setExpiring<K, V>(map: ExpiringMap<K, V>, key: K, value: V, expiresUs: number): boolean;
/** Undefined if absent or expired at `nowUs`. */
export declare function getExpiring<K, V>(map: ExpiringMap<K, V>, key: K, nowUs: number): V | undefined;
export declare function deleteExpiring<K, V>(map: ExpiringMap<K, V>, key: K): boolean;
/** Infinity when empty. */
export declare function nextExpiryUs<K, V>(map: ExpiringMap<K, V>): number;
/** Removes and answers the entry that expired first, or undefined when none has by `nowUs`: call until undefined. */
export declare function takeExpired<K, V>(map: ExpiringMap<K, V>, nowUs: number): { key: K; value: V } | undefined;
