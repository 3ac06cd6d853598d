import type { FlowId, Random } from '../base/index.ts';

export interface FlowTable<T> {
  size: number;
  readonly indexMask: number;
  his: Uint32Array;
  los: Uint32Array;
  readonly values: (T | undefined)[];
  readonly freeIndices: number[];
}
/** `capacity` flows at most, 2^24 at the utmost (default 2^20); storage grows by doubling from 64. */
export declare function createFlowTable<T>(capacity?: number): FlowTable<T>;
/** 64 random bits whose low bits name the slot; undefined when the table is full. Never zero. */
export declare function allocate<T>(table: FlowTable<T>, random: Random, value: T): FlowId | undefined;
export declare function find<T>(table: FlowTable<T>, hi: number, lo: number): T | undefined;
/** False if there was no such flow. */
export declare function free<T>(table: FlowTable<T>, id: FlowId): boolean;
export declare function flowEntries<T>(table: FlowTable<T>): IterableIterator<T>;
