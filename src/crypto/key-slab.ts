// Keys in one array, by index: what a connection holds is a number. A released key is overwritten at once, and its place
// is given out again. The array doubles, so indices stay and offsets are found anew at each use.

import type { KeyIndex } from '../core/base/index.ts';

export class KeySlab {
  readonly entryBytes: number;
  bytes: Uint8Array;
  readonly #free: KeyIndex[] = [];
  #used = 0;
  readonly #allocate: (bytes: number) => Uint8Array;

  constructor(entryBytes: number, allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.entryBytes = entryBytes;
    this.#allocate = allocate;
    this.bytes = allocate(64 * entryBytes);
  }

  /** Entries in use. */
  get size(): number {
    return this.#used - this.#free.length;
  }

  add(entry: Uint8Array): KeyIndex {
    if (entry.length !== this.entryBytes)
      throw new RangeError(`a key has ${this.entryBytes} bytes, not ${entry.length}`);
    const index = this.#free.pop() ?? this.#used++;
    if (this.#used * this.entryBytes > this.bytes.length) this.#grow();
    this.bytes.set(entry, index * this.entryBytes);
    return index;
  }

  release(index: KeyIndex): void {
    this.bytes.fill(0, index * this.entryBytes, (index + 1) * this.entryBytes);
    this.#free.push(index);
  }

  /** The entry in place: valid until the next `add`. */
  at(index: KeyIndex): Uint8Array {
    return this.bytes.subarray(index * this.entryBytes, (index + 1) * this.entryBytes);
  }

  /** In memory of its own, whatever class the slab's is. */
  copy(index: KeyIndex): Uint8Array {
    return Uint8Array.from(this.at(index));
  }

  #grow(): void {
    const larger = this.#allocate(this.bytes.length * 2);
    larger.set(this.bytes);
    this.bytes.fill(0);
    this.bytes = larger;
  }
}
