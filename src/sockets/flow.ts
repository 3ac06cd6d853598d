// One connection of the stack as a Socket holds it: grants of bytes to read, and what `destroy` means. Destroying is
// net's close(fd), in user space: what the stack took is delivered and an end follows, in the background, after the
// Socket object has closed. Data that meets a destroyed flow tells its sender (RST), as the kernel does; but after a
// proper `end` it is discarded up to a bound instead, because the kernel's RST there destroys the response in flight
// (HTTP's lingering close). Bytes that the stack never took, or no connection yet: abort. `Carrier` is what a Socket asks
// of it: something else may stand there that puts one connection in another's place (resuming/).

import { Reason } from '../core/base/index.ts';
import type { Driver, Event, ResumePoint, SocketId, StreamOptions } from '../core/stack/index.ts';

/** Bytes asked of the stack ahead of the reader: enough for four of its events in flight. */
const readAheadBytes = 256 * 1024;
/** A released flow discards so much, so long; it keeps the process alive only for the first part. */
const lingerBytes = 4 * 1024 * 1024;
const lingerRefMs = 10_000;
const lingerMs = 60_000;

/** What carries a Socket's bytes. `listener` of whoever opened it hears `connected`, `data`, `writable`, `end`, `migrated`, `migrate-failed`, `closed`. */
export interface Carrier {
  readonly driver: Driver;
  readonly id: SocketId;
  /** `connected` was there. */
  readonly open: boolean;
  /** How many bytes from `offset` were taken; `writable` follows when it was not all. */
  write(bytes: Uint8Array, offset: number): number;
  /** The reader wants more: `data` follows, a bounded number of bytes. */
  read(): void;
  end(): void;
  setOptions(stream: StreamOptions): void;
  ref(): void;
  unref(): void;
  /** RST, and no more events. `reason`: what the other end is told. */
  abort(reason?: Reason): void;
  /** The Socket is destroyed: no more events. `flushed`: what was written was all taken. */
  release(flushed: boolean): void;
}

/** A carrier may also fail for a reason that the stack has no word for. */
export type CarrierEvent = Event | { readonly kind: 'failed'; readonly error: Error };

/** Whose a flow is. */
export interface FlowOwner {
  /** Until `release` or `abort`. */
  hear(event: Event): void;
  /** The stack has let go of it, which may be long after. */
  letGo?(): void;
}

/** A connection of the stack, which may be one on behalf of another. */
export interface Resumable extends Carrier {
  /** Says where it goes on, if it does. */
  resume(point: ResumePoint): void;
}

/**
 * Opens a connection to the service that a Socket leads to; without a listener the Socket hears of it itself. `avoid`: at another instance than that one's; `resuming`: on
 * behalf of a lost one. Throws as the driver does.
 */
export type Dial<C extends Carrier = Carrier> = (
  listener?: (event: Event) => void,
  avoid?: SocketId,
  resuming?: boolean,
) => C;

/** The same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

export class Flow implements Resumable {
  readonly driver: Driver;
  readonly id: SocketId;
  open: boolean;
  readonly #owner: FlowOwner;
  /** The owner wants to hear no more. `end` always comes before an orderly `closed`. */
  #released = false;
  #grantedBytes = 0;
  #sentEnd = false;
  #peerEnded = false;
  #closed = false;
  #resetOnData = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(driver: Driver, id: SocketId, open: boolean, owner: FlowOwner) {
    this.driver = driver;
    this.id = id;
    this.open = open;
    this.#owner = owner;
    driver.attach(id, this);
  }

  write(bytes: Uint8Array, offset: number): number {
    if (this.#closed) return 0;
    return this.driver.handle({ kind: 'write', socket: this.id, bytes, offset });
  }

  /** Tops the grant up in large steps: one input per few data events. */
  read(): void {
    if (this.#closed || this.#grantedBytes > readAheadBytes / 2) return;
    const bytes = readAheadBytes - this.#grantedBytes;
    this.#grantedBytes = readAheadBytes;
    this.driver.handle({ kind: 'read', socket: this.id, bytes });
  }

  end(): void {
    if (this.#closed || this.#sentEnd) return;
    this.#sentEnd = true;
    this.driver.handle({ kind: 'end', socket: this.id });
  }

  /** Whether the client is asked now to go on elsewhere. */
  shed(): boolean {
    return !this.#closed && this.driver.handle({ kind: 'shed', socket: this.id }) === 1;
  }

  resume(point: ResumePoint): void {
    if (!this.#closed) this.driver.handle({ kind: 'resume', socket: this.id, point });
  }

  setOptions(stream: StreamOptions): void {
    if (!this.#closed) this.driver.handle({ kind: 'options', socket: this.id, stream });
  }

  ref(): void {
    if (!this.#closed) this.driver.ref(this.id);
  }

  unref(): void {
    if (!this.#closed) this.driver.unref(this.id);
  }

  abort(reason: Reason = Reason.ABORTED): void {
    this.#released = true;
    clearTimeout(this.#timer);
    if (!this.#closed) this.driver.handle({ kind: 'abort', socket: this.id, reason });
  }

  release(flushed: boolean): void {
    this.#released = true;
    if (this.#closed) return;
    if (!this.open || !flushed) {
      this.abort();
      return;
    }
    this.#resetOnData = !this.#sentEnd;
    this.end();
    if (!this.#peerEnded) this.#linger();
  }

  #linger(): void {
    const abort = (): void => this.abort();
    const detach = (): void => {
      this.unref();
      this.#timer = setTimeout(abort, lingerMs - lingerRefMs).unref();
    };
    this.#timer = setTimeout(detach, lingerRefMs).unref();
    this.#grantedBytes += lingerBytes;
    this.driver.handle({ kind: 'read', socket: this.id, bytes: lingerBytes });
  }

  /** @internal The driver's. */
  handleEvent(event: Event): void {
    switch (event.kind) {
      case 'connected':
        this.open = true;
        break;
      case 'data':
        this.#grantedBytes -= event.bytes.length;
        if (this.#released && (this.#resetOnData || this.#grantedBytes <= 0)) this.abort();
        break;
      case 'end':
        this.#peerEnded = true;
        break;
      case 'closed':
        this.#closed = true;
        clearTimeout(this.#timer);
        if (event.reason === Reason.OK && !this.#peerEnded) this.#tell({ kind: 'end', socket: this.id });
        break;
    }
    this.#tell(event);
    if (event.kind === 'closed') this.#owner.letGo?.();
  }

  #tell(event: Event): void {
    if (!this.#released) this.#owner.hear(event);
  }
}
