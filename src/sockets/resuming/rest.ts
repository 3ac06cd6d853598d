// The rest of a body, from another instance's answer, in the frame that the client was told of: a length, or chunks of
// which one may be under way. The two answers' own chunks differ, so the rest is cut anew. A rest that is shorter or
// longer than promised is never passed off as complete.

import type { Entity } from './entity.ts';

const lineEnd = '\r\n';
const lastChunk = '0\r\n\r\n';

/** Where the client's copy of a body stands. */
export interface Position {
  /** Bytes of the body that it has. */
  readonly offset: number;
  readonly chunked: boolean;
  /** What it still expects of a chunk that has begun, the line end included. */
  readonly chunkLeft: number;
}

export class Rest {
  offset: number;
  chunkLeft: number;
  readonly chunked: boolean;
  /** Bytes in front that the client has already. */
  #surplusBytes: number;
  readonly #expectedBytes: number | undefined;
  readonly #pass: (bytes: Buffer) => void;

  /** The bytes that are given to `write` begin at `start` of the body. */
  constructor(entity: Entity, { offset, chunked, chunkLeft }: Position, start: number, pass: (bytes: Buffer) => void) {
    this.offset = offset;
    this.chunked = chunked;
    this.chunkLeft = chunkLeft;
    this.#surplusBytes = offset - start;
    this.#expectedBytes = entity.last === undefined ? undefined : entity.last - entity.first + 1;
    this.#pass = pass;
  }

  /** False: there is more than was promised. */
  write(bytes: Buffer): boolean {
    const surplus = Math.min(this.#surplusBytes, bytes.length);
    this.#surplusBytes -= surplus;
    let rest = surplus === 0 ? bytes : bytes.subarray(surplus);
    if (this.offset + rest.length > (this.#expectedBytes ?? Number.POSITIVE_INFINITY)) return false;
    if (!this.chunked) {
      this.offset += rest.length;
      if (rest.length > 0) this.#pass(rest);
      return true;
    }
    while (rest.length > 0) rest = this.#writeChunked(rest);
    return true;
  }

  /** The answer is complete. False: it is less than was promised, or ends within a chunk that the client was promised. */
  finish(): boolean {
    const whole = this.#surplusBytes === 0 && this.offset === (this.#expectedBytes ?? this.offset);
    if (!whole || this.chunkLeft > lineEnd.length) return false;
    if (this.chunked) {
      this.#endChunk();
      this.#pass(Buffer.from(lastChunk));
    }
    return true;
  }

  /** Fills the chunk that has begun, or begins one for all that is there. Answers what is left over. */
  #writeChunked(bytes: Buffer): Buffer {
    if (this.chunkLeft > 0 && this.chunkLeft <= lineEnd.length) this.#endChunk();
    if (this.chunkLeft === 0) {
      this.#pass(Buffer.from(bytes.length.toString(16) + lineEnd));
      this.chunkLeft = bytes.length + lineEnd.length;
    }
    const taken = Math.min(bytes.length, this.chunkLeft - lineEnd.length);
    this.offset += taken;
    this.chunkLeft -= taken;
    this.#pass(taken === bytes.length ? bytes : bytes.subarray(0, taken));
    if (this.chunkLeft === lineEnd.length) this.#endChunk();
    return bytes.subarray(taken);
  }

  /** What is missing of the line end: a break may fall within it. */
  #endChunk(): void {
    if (this.chunkLeft > 0) this.#pass(Buffer.from(lineEnd.slice(lineEnd.length - this.chunkLeft)));
    this.chunkLeft = 0;
  }
}
