// The write that a Socket has under way: what the stack takes of it goes, the rest waits until it takes more. What waits
// behind it is the Duplex's. Apart from the Socket, because a connection that goes to another process takes both along.

import { misuse } from './errors.ts';

interface Sending {
  readonly chunks: readonly Uint8Array[];
  index: number;
  offset: number;
  readonly callback: (error?: Error | null) => void;
}

export class Outgoing {
  /** Of writes that were taken whole. */
  sentBytes = 0;
  #sending: Sending | undefined;

  /** Something waits for the stack. */
  get waiting(): boolean {
    return this.#sending !== undefined;
  }

  begin(chunks: readonly Uint8Array[], callback: (error?: Error | null) => void): void {
    this.#sending = { chunks, index: 0, offset: 0, callback };
  }

  /** `write` answers how much it takes of a chunk from an offset on. Answers whether it has taken anything. */
  flush(write: (chunk: Uint8Array, offset: number) => number): boolean {
    const sending = this.#sending;
    if (!sending) return false;
    let took = false;
    for (; sending.index < sending.chunks.length; sending.index++) {
      const chunk = sending.chunks[sending.index]!;
      if (sending.offset < chunk.length) {
        const taken = write(chunk, sending.offset);
        sending.offset += taken;
        took ||= taken > 0;
        if (sending.offset < chunk.length) return took;
      }
      sending.offset = 0;
    }
    for (const chunk of sending.chunks) this.sentBytes += chunk.length;
    this.finish();
    return took;
  }

  /** The write is over. */
  finish(error?: Error): void {
    const callback = this.#sending?.callback;
    this.#sending = undefined;
    callback?.(error);
  }

  /** The stream is destroyed; answers what tells the writer, later. */
  drop(error: Error | null): (() => void) | undefined {
    const sending = this.#sending;
    this.#sending = undefined;
    return sending && (() => sending.callback(error ?? misuse('ERR_SOCKET_CLOSED', 'Socket is closed', 'state')));
  }

  /** What the stack has not taken: the same memory. */
  rest(): Uint8Array[] {
    if (!this.#sending) return [];
    const { chunks, index, offset } = this.#sending;
    return chunks.slice(index).map((chunk, i) => (i === 0 ? chunk.subarray(offset) : chunk));
  }
}
