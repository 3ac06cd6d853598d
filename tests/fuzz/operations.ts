// An input as a list of operations: what stateful targets do, one after the other, as the bytes say. Past the end there are
// zeros, so that every input is a list, and a byte more or less changes what follows and not whether there is anything.

export interface Operations {
  data: Uint8Array;
  at: number;
}

export function createOperations(): Operations {
  return { data: new Uint8Array(0), at: 0 };
}

export function open(operations: Operations, data: Uint8Array): void {
  operations.data = data;
  operations.at = 0;
}

/** Whether bytes are left. */
export function more(operations: Operations): boolean {
  return operations.at < operations.data.length;
}

export function u8(operations: Operations): number {
  return operations.data[operations.at++] ?? 0;
}

export function u16(operations: Operations): number {
  return (u8(operations) << 8) | u8(operations);
}

/** 0 to `bound` - 1. */
export function below(operations: Operations, bound: number): number {
  return bound <= 0x100 ? u8(operations) % bound : u16(operations) % bound;
}

/** One of a list that is not empty. */
export function oneOf<T>(operations: Operations, list: readonly T[]): T {
  return list[below(operations, list.length)] as T;
}

/** The next bytes in place, as many of `length` as are left; they are the fuzzer's, so copy what is to stay. */
export function take(operations: Operations, length: number): Uint8Array {
  const { data, at } = operations;
  operations.at = Math.min(data.length, at + length);
  return data.subarray(Math.min(at, data.length), operations.at);
}
