// A Socket's part in changing its process. What its Duplex holds travels along: on leaving it is looked at and stays in
// place, since the connection may stay; on arriving what was written goes before all that is written here, and what was
// read is given out once the connection goes on here, and not before: until then it may be given to another program.

import type { Duplex } from 'node:stream';
import type { Locator, Reason } from '../../core/base/index.ts';
import type { Event } from '../../core/stack/index.ts';
import { asBuffer, type Flow } from '../flow.ts';
import type { Outgoing } from '../outgoing.ts';
import { queuedOf, unreadOf } from './buffers.ts';
import { Leaving } from './leaving.ts';
import type { Luggage } from './luggage.ts';

/** `settled`: it goes on here, or why it does not. */
export type Arrival = Luggage & { settled(reason?: Reason): void };

interface Carriage extends Duplex {
  bytesRead: number;
}

export class Passage {
  readonly #socket: Carriage;
  readonly #outgoing: Outgoing;
  #leaving: Leaving | undefined;
  #arrival: Arrival | undefined;

  constructor(socket: Carriage, outgoing: Outgoing) {
    this.#socket = socket;
    this.#outgoing = outgoing;
  }

  /** Undefined: it cannot leave now. */
  depart(flow: Flow, to: Locator): Leaving | undefined {
    if (this.#leaving || this.#arrival || this.#isEnding()) return undefined;
    this.#leaving = Leaving.begin(flow, to);
    return this.#leaving;
  }

  /** What travels along with what the stack has. Undefined: it cannot leave any more. */
  pack(): Luggage | undefined {
    if (this.#leaving === undefined || this.#isEnding()) return undefined;
    const unwritten = Buffer.concat(this.#unwritten());
    this.#leaving.unwrittenBytes = unwritten.length;
    const { bytesRead } = this.#socket;
    const unread = Buffer.concat(unreadOf(this.#socket));
    return { bytesRead, bytesWritten: this.#outgoing.sentBytes, unread, unwritten };
  }

  unpack(arrival: Arrival): void {
    this.#arrival = arrival;
    this.#socket.bytesRead = arrival.bytesRead;
    this.#outgoing.sentBytes = arrival.bytesWritten;
    if (arrival.unwritten.length > 0) this.#socket.write(arrival.unwritten);
  }

  /** What the stack tells of the connection, before the Socket does what it does about it. */
  follow(event: Event): void {
    if (this.#leaving?.handle(event) && event.kind === 'migrated') this.#leaving = undefined;
    const arrival = this.#arrival;
    if (arrival === undefined || event.kind === 'writable') return;
    this.#arrival = undefined;
    if (event.kind === 'closed') return arrival.settled(event.reason);
    if (arrival.unread.length > 0) this.#socket.push(asBuffer(arrival.unread));
    arrival.settled();
  }

  /** Another process goes on with it. `late`: something was written after it had been packed, and is lost. */
  left(): { readonly late: boolean } | undefined {
    const { hasLeft = false, unwrittenBytes = 0 } = this.#leaving ?? {};
    if (!hasLeft) return undefined;
    return { late: this.#unwritten().reduce((sum, chunk) => sum + chunk.length, 0) > unwrittenBytes };
  }

  /** The Socket is destroyed. */
  end(): void {
    this.#leaving?.end('gone');
  }

  #isEnding(): boolean {
    const { destroyed, writableEnded, readableEnded } = this.#socket;
    return destroyed || writableEnded || readableEnded;
  }

  #unwritten(): Uint8Array[] {
    return [...this.#outgoing.rest(), ...queuedOf(this.#socket)];
  }
}
