// Where the messages of one direction begin and end (RFC 9112 sections 6 and 7): heads, bodies of known length, chunks.
// Reads whole pieces only: of a head, a chunk's size line or the trailer nothing counts until all of it is there, so
// that whoever passes on what was read never leaves the other end with half a piece that nobody could finish. Bodies
// pass through uncounted memory: nothing is kept.

import type { Framing } from './head.ts';

export interface MessageListener {
  /** A head has come; answers how the body is delimited. Undefined: not understood, and so nothing after it is. */
  onHead(text: string): Framing | undefined;
  onComplete(): void;
}

/** Of a head, and of a trailer. Node's own bound is 16 KiB. */
export const maxHeadBytes = 64 * 1024;
const maxSizeLineBytes = 4096;
/** A longer head is read anew each time: an idle connection does not keep it. */
const mostKeptBytes = 512;
const nothing = Buffer.alloc(0);

const blankLine = Buffer.from('\r\n\r\n');
const lineEnd = blankLine.subarray(2);
const sizeLine = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i;

export class MessageReader {
  /** From here on nobody can tell what the bytes are. */
  opaque = false;
  /** Bytes of this message's body so far, without the framing of chunks. */
  bodyBytes = 0;
  /** What is left of a chunk that has begun, the line end after it included. */
  chunkLeft = 0;
  /** What is left of a body of known length. */
  #left = 0;
  /** Is given the bytes of bodies, without the framing of chunks. */
  onBody: ((bytes: Buffer) => void) | undefined;
  #complete = false;
  /** The head read last, to know it again, and as text. */
  #lastHead: Buffer = nothing;
  #lastText = '';
  #state: 'head' | 'length' | 'chunks' | 'close' = 'head';
  readonly #listener: MessageListener;
  /** What every message of this direction begins with, as far as `text` goes. */
  readonly #begins: (text: string) => boolean;

  constructor(begins: (text: string) => boolean, listener: MessageListener) {
    this.#begins = begins;
    this.#listener = listener;
  }

  /** No message is under way: what comes next begins one. */
  get between(): boolean {
    return this.#state === 'head';
  }

  /** A message whose head was read elsewhere goes on with its body. */
  beginBody(framing: Framing): void {
    this.bodyBytes = 0;
    this.chunkLeft = 0;
    this.#left = typeof framing === 'number' ? framing : 0;
    this.#state = typeof framing === 'number' ? 'length' : framing === 'chunked' ? 'chunks' : 'close';
    if (framing === 0) this.#end();
  }

  /** Forgets a message that will not go on here. */
  reset(): void {
    this.#state = 'head';
    this.bodyBytes = 0;
    this.chunkLeft = 0;
  }

  /** Reads to the end of the message at most. Answers how many bytes; the rest is to be given again with what follows. */
  read(bytes: Buffer): number {
    let at = 0;
    this.#complete = false;
    while (at < bytes.length && !this.#complete) {
      const next = this.#readPiece(bytes, at);
      if (this.opaque || next === at) break;
      at = next;
    }
    return at;
  }

  #readPiece(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at);
      case 'length':
        return this.#readLength(bytes, at);
      case 'chunks':
        return this.chunkLeft > 0 ? this.#readChunk(bytes, at) : this.#readSizeLine(bytes, at);
      case 'close':
        this.#take(bytes, at, bytes.length);
        return bytes.length;
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const end = this.#isLastHead(bytes, at) ? at + this.#lastHead.length : this.#findHead(bytes, at);
    if (end === at) return at;
    const framing = end - at > maxHeadBytes ? undefined : this.#listener.onHead(this.#lastText);
    if (framing === undefined) this.opaque = true;
    else this.beginBody(framing);
    return end;
  }

  /** What is asked over one connection, and what is answered, has mostly the same head again. */
  #isLastHead(bytes: Buffer, at: number): boolean {
    const { length } = this.#lastHead;
    return length > 0 && at + length <= bytes.length && this.#lastHead.compare(bytes, at, at + length) === 0;
  }

  /** Answers where the head ends that begins at `at`; `at`: it is not all there. */
  #findHead(bytes: Buffer, at: number): number {
    const blank = bytes.indexOf(blankLine, at);
    const end = blank + blankLine.length;
    if (blank < 0) {
      const begun = bytes.toString('latin1', at, at + 32);
      this.opaque = bytes.length - at > maxHeadBytes || !this.#begins(begun);
      return at;
    }
    this.#lastText = end - at > maxHeadBytes ? '' : bytes.toString('latin1', at, end);
    this.#lastHead = nothing;
    if (end - at > mostKeptBytes) return end;
    // A copy, and not in memory that others share: the bytes are the application's, and it may be kept for long.
    this.#lastHead = Buffer.allocUnsafeSlow(end - at);
    bytes.copy(this.#lastHead, 0, at, end);
    return end;
  }

  #readLength(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    this.#take(bytes, at, end);
    if (this.#left === 0) this.#end();
    return end;
  }

  #readChunk(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.chunkLeft);
    const dataEnd = Math.min(end, at + Math.max(0, this.chunkLeft - lineEnd.length));
    this.chunkLeft -= end - at;
    this.#take(bytes, at, dataEnd);
    return end;
  }

  #readSizeLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(lineEnd, at);
    if (end < 0) {
      if (bytes.length - at > maxSizeLineBytes) this.opaque = true;
      return at;
    }
    const size = sizeLine.exec(bytes.toString('latin1', at, Math.min(end, at + maxSizeLineBytes)));
    if (size === null) {
      this.opaque = true;
      return at;
    }
    const dataBytes = Number.parseInt(size[1]!, 16);
    if (dataBytes === 0) return this.#readTrailer(bytes, at, end);
    this.chunkLeft = dataBytes + lineEnd.length;
    return end + lineEnd.length;
  }

  /** The last chunk and the trailer are one piece, which begins at `at`; `from`: the end of the last chunk's line. */
  #readTrailer(bytes: Buffer, at: number, from: number): number {
    const blank = bytes.indexOf(blankLine, from);
    if (blank < 0) {
      if (bytes.length - at > maxHeadBytes) this.opaque = true;
      return at;
    }
    this.#end();
    return blank + blankLine.length;
  }

  #take(bytes: Buffer, from: number, to: number): void {
    this.bodyBytes += to - from;
    if (to > from) this.onBody?.(bytes.subarray(from, to));
  }

  #end(): void {
    this.#state = 'head';
    this.#complete = true;
    this.#listener.onComplete();
  }
}
