// The last bytes of a stream, so that they can be sent again: a ring of a fixed size, which grows to it as it is needed.

/** The first size of the ring. */
const firstBytes = 4096;

export class KeptBytes {
  readonly #mostBytes: number;
  #ring: Buffer = Buffer.alloc(0);
  /** Of the stream: the first byte kept, and the end. */
  #from = 0;
  #end = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Offset in the stream of the first byte that is still there. */
  get from(): number {
    return this.#from;
  }

  /** How long the stream is. */
  get end(): number {
    return this.#end;
  }

  add(bytes: Uint8Array): void {
    this.#grow(this.#end - this.#from + bytes.length);
    const size = this.#ring.length;
    const kept = bytes.subarray(Math.max(0, bytes.length - size));
    this.#end += bytes.length;
    this.#from = Math.max(this.#from, this.#end - size);
    if (size === 0) return;
    const at = (this.#end - kept.length) % size;
    const first = kept.subarray(0, size - at);
    this.#ring.set(first, at);
    this.#ring.set(kept.subarray(first.length), 0);
  }

  /** A stretch from `offset` on, not necessarily all that is kept; of the ring's own memory. */
  peek(offset: number): Uint8Array {
    const size = this.#ring.length;
    if (offset < this.#from || offset >= this.#end) return this.#ring.subarray(0, 0);
    const at = offset % size;
    return this.#ring.subarray(at, Math.min(size, at + this.#end - offset));
  }

  #grow(wantedBytes: number): void {
    const { length } = this.#ring;
    if (wantedBytes <= length || length === this.#mostBytes) return;
    let size = Math.max(firstBytes, length);
    while (size < wantedBytes) size *= 2;
    const grown = Buffer.alloc(Math.min(size, this.#mostBytes));
    for (let offset = this.#from; offset < this.#end; ) {
      const piece = this.peek(offset);
      const at = offset % grown.length;
      const part = piece.subarray(0, grown.length - at);
      grown.set(part, at);
      offset += part.length;
    }
    this.#ring = grown;
  }
}
