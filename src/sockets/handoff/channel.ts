// Messages between who hands connections over and who takes them, over any stream that says who is at its other end
// (carrier.ts). A message is its length 4, a type 1, a body: JSON, which either version may add to, or a sealed parcel. What
// cannot be read ends the channel, and then every connection that has not arrived is taken back.

import type { Duplex } from 'node:stream';

/** From who hands over: how many come, and in how many parcels. */
export interface Offer {
  readonly kind: 'offer';
  readonly version: number;
  readonly connections: number;
  readonly parcels: number;
}

/** A key for each parcel, in base64, and where packets that come too late are passed on to. */
export interface Accept {
  readonly kind: 'accept';
  readonly keys: readonly string[];
  readonly locators: readonly { readonly address: string; readonly port: number }[];
}

export type Message =
  | Offer
  | Accept
  | { readonly kind: 'refuse'; readonly why: string }
  /** All parcels of the batch were sent. */
  | { readonly kind: 'end' }
  /** The connection of this number goes on at the receiver; it does not. */
  | { readonly kind: 'arrived'; readonly index: number }
  | { readonly kind: 'refused'; readonly index: number; readonly why: string };

export const handoffVersion = 1;

const Type = { JSON: 1, PARCEL: 2 } as const;
const headBytes = 5;
const mostBytes = 2 ** 30;

export interface ChannelEvents {
  message(message: Message): void;
  parcel(sealed: Uint8Array): void;
  /** The last of them. */
  closed(): void;
}

export class Channel {
  readonly #stream: Duplex;
  #events: ChannelEvents | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
    // Whatever ends it: 'close' follows.
    stream.on('error', () => {});
    stream.on('end', () => stream.destroy());
  }

  /** From now on events are told. */
  open(events: ChannelEvents): void {
    this.#events = events;
    this.#stream.once('close', () => events.closed());
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    if (this.#stream.destroyed) process.nextTick(() => events.closed());
  }

  send(message: Message): void {
    this.#send(Type.JSON, Buffer.from(JSON.stringify(message)));
  }

  sendParcel(sealed: Uint8Array): void {
    this.#send(Type.PARCEL, sealed);
  }

  /** What was sent still goes. */
  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #send(type: number, body: Uint8Array): void {
    if (this.#stream.destroyed) return;
    const head = Buffer.alloc(headBytes);
    head.writeUInt32BE(body.length);
    head.writeUInt8(type, 4);
    this.#stream.cork();
    this.#stream.write(head);
    this.#stream.write(body);
    this.#stream.uncork();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (!this.#stream.destroyed) {
      const head = this.#peek(headBytes);
      if (head === undefined) return;
      const bytes = headBytes + head.readUInt32BE();
      if (bytes > mostBytes) return this.destroy();
      const frame = this.#peek(bytes);
      if (frame === undefined) return;
      this.#chunks = [this.#chunks[0]!.subarray(bytes)];
      this.#bytes -= bytes;
      if (!this.#dispatch(frame.readUInt8(4), frame.subarray(headBytes))) this.destroy();
    }
  }

  /** The first bytes of what has come, in one piece, once they are all there. */
  #peek(bytes: number): Buffer | undefined {
    if (this.#bytes < bytes) return undefined;
    if (this.#chunks[0]!.length < bytes) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!.subarray(0, bytes);
  }

  #dispatch(type: number, body: Buffer): boolean {
    if (type === Type.PARCEL) this.#events?.parcel(body);
    if (type !== Type.JSON) return type === Type.PARCEL;
    let message: Message | null;
    try {
      message = JSON.parse(body.toString()) as Message | null;
    } catch {
      return false;
    }
    if (typeof message !== 'object' || message === null) return false;
    this.#events?.message(message);
    return true;
  }
}
