// The write that a Socket has under way: what the stack takes of it goes, the rest waits until it takes more. What waits
// behind it is the Duplex's. Apart from the Socket, because a connection that goes to another process takes both along.

import { misuse } from './errors.ts';
import type { Turn } from './turn.ts';

/** What makes no more than this together goes as one: a copy of it costs less than a record of its own for each piece. */
const joinedBytes = 16_384;

interface Sending {
  readonly chunks: readonly Uint8Array[];
  index: number;
  offset: number;
  readonly callback: (error?: Error | null) => void;
}

export class Outgoing implements Turn {
  lastTurn = -1;
  held = false;
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

/** The chunks of one write, small ones that follow each other in one: the head of a response and its body, lines, frames. */
export function joinSmall(chunks: readonly { readonly chunk: Uint8Array }[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let bytes = 0;
  const endRun = (): void => {
    if (run.length > 0) joined.push(run.length === 1 ? run[0]! : Buffer.concat(run, bytes));
    run = [];
    bytes = 0;
  };
  for (const { chunk } of chunks) {
    if (bytes + chunk.length > joinedBytes) endRun();
    run.push(chunk);
    bytes += chunk.length;
  }
  endRun();
  return joined;
}
