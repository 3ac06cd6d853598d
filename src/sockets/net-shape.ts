// What a Socket has of net.Socket's shape and needs no connection for: the addresses that it has not (N3), which are the
// prototype's, since a hundred thousand Sockets would each carry seven fields to say so, and ways to end.

import { Duplex } from 'node:stream';

export abstract class NetShape extends Duplex {
  /** Libraries probe it, and find a socket without one. */
  declare readonly _handle: null;
  declare readonly remoteAddress: undefined;
  declare readonly remotePort: undefined;
  declare readonly remoteFamily: undefined;
  declare readonly localAddress: undefined;
  declare readonly localPort: undefined;
  declare readonly localFamily: undefined;

  get bufferSize(): number {
    return this.writableLength;
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
