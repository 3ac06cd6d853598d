// What a Socket has of net.Socket's shape and needs no connection for: the addresses that it has not (N3), which are the
// prototype's, since a hundred thousand Sockets would each carry seven fields to say so, ways to end, and the
// timer of silence, which only has to hear of traffic.

import { Duplex } from 'node:stream';
import { misuse } from './errors.ts';

export abstract class NetShape extends Duplex {
  /** Libraries probe it, and find a socket without one. */
  declare readonly _handle: null;
  declare readonly remoteAddress: undefined;
  declare readonly remotePort: undefined;
  declare readonly remoteFamily: undefined;
  declare readonly localAddress: undefined;
  declare readonly localPort: undefined;
  declare readonly localFamily: undefined;

  /** Milliseconds given to `setTimeout`. */
  timeout: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  get bufferSize(): number {
    return this.writableLength;
  }

  /** Milliseconds without traffic before 'timeout'; 0 for never. Nothing is closed by itself. */
  setTimeout(timeoutMs: number, listener?: () => void): this {
    if (this.destroyed) return this;
    if (typeof timeoutMs !== 'number') throw misuse('ERR_INVALID_ARG_TYPE', 'the timeout is a number of milliseconds');
    if (!(timeoutMs >= 0 && timeoutMs < Number.POSITIVE_INFINITY))
      throw misuse('ERR_OUT_OF_RANGE', `the timeout is a finite number of at least 0, not ${timeoutMs}`, 'range');
    this.timeout = timeoutMs;
    this.stopTimer();
    if (timeoutMs === 0) {
      if (listener) this.removeListener('timeout', listener);
      return this;
    }
    this.#timer = setTimeout(() => this.emit('timeout'), Math.min(timeoutMs, 2 ** 31 - 1)).unref();
    if (listener) this.once('timeout', listener);
    return this;
  }

  /** @internal Something was sent or has come. */
  protected noteTraffic(): void {
    this.#timer?.refresh();
  }

  /** @internal */
  protected stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends, and destroys once everything is handed over. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', this.destroy);
  }

  /** What was written is delivered, both sides end, 'close' is waited for. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    const closed = new Promise<void>((resolve) => this.once('close', () => resolve()));
    if (!this.destroyed) this.destroySoon();
    await closed;
  }
}

for (const name of ['remoteAddress', 'remotePort', 'remoteFamily', 'localAddress', 'localPort', 'localFamily'])
  Object.defineProperty(NetShape.prototype, name, { value: undefined });
Object.defineProperty(NetShape.prototype, '_handle', { value: null });
