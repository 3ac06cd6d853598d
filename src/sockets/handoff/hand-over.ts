// The process that connections leave. Those of a batch stop together, and their states and what their Sockets hold are
// collected in one turn, when nothing of any of them reaches the application any more: what connections have in
// common stands still, too. Then they are sent, and each has left when the receiver says that its peer knows; whatever
// else happens, it is taken back.

import { isLoopback, type Locator, sameBytes } from '../../core/base/index.ts';
import { handoffError, misuse } from '../errors.ts';
import type { Socket } from '../socket.ts';
import { type Accept, type Channel, handoffVersion, type Message } from './channel.ts';
import type { Leaving } from './leaving.ts';
import { type Carried, connectionsPerParcel, sealParcel } from './luggage.ts';

export interface HandoffOptions {
  /**
   * What the other process needs to know of a connection, up to a mebibyte; undefined: this one stays. Called when nothing
   * of it reaches the application any more, and nothing may be written to it from then on. Default: nothing needs to be known.
   */
  readonly state?: ((socket: Socket) => Uint8Array | undefined) | undefined;
  /**
   * So many connections stand still at a time. Default: all, so that what they have in common stands still, too. Fewer
   * means a shorter pause for each.
   */
  readonly together?: number | undefined;
  /** How long the receiver may leave a batch unanswered. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
}

export interface HandoffResult {
  /** Connections that go on in the other process. */
  readonly moved: number;
  /** Those that go on here: they were ending, had no `state`, or were refused. */
  readonly stayed: number;
  /** What the other process said of those that it refused, each text once. */
  readonly refusals: readonly string[];
}

export const maxBlobBytes = 2 ** 20;

/** Where connections go: a key for each parcel, and where its process is reached. */
interface Destination {
  readonly keys: readonly Uint8Array[];
  readonly locators: readonly Locator[];
}

interface Going {
  readonly socket: Socket;
  readonly leaving: Leaving;
}

export class HandingOver {
  moved = 0;
  stayed = 0;
  readonly refusals = new Set<string>();
  readonly #channel: Channel;
  readonly #to: string;
  readonly #own: readonly Locator[];
  readonly #state: (socket: Socket) => Uint8Array | undefined;
  readonly #timeoutMs: number;
  /** Those whose fate the receiver decides, by their number. */
  #going = new Map<number, Going>();
  #closed = false;
  #onAnswer: (answer: Message | undefined) => void = () => {};
  #onDecided: () => void = () => {};

  /** `own`: where this process is reached; `to`: for people. */
  constructor(channel: Channel, to: string, own: readonly Locator[], { state, timeoutMs = 10_000 }: HandoffOptions) {
    this.#channel = channel;
    this.#to = to;
    this.#own = own;
    this.#state = state ?? (() => new Uint8Array(0));
    this.#timeoutMs = timeoutMs;
    channel.open({
      message: (message) => this.#onMessage(message),
      parcel: () => channel.destroy(),
      closed: () => this.#onClosed(),
    });
  }

  /** Rejects if the receiver fails or the application's state cannot travel; all that have not moved go on here then. */
  async batch(sockets: readonly Socket[]): Promise<void> {
    const { keys, locators } = await this.#offer(sockets.length);
    const to = elsewhere(locators, this.#own);
    const all = sockets.flatMap((socket): Going[] => {
      const leaving = socket.depart(to);
      return leaving ? [{ socket, leaving }] : [];
    });
    this.stayed += sockets.length - all.length;
    try {
      const states = await Promise.all(all.map(({ leaving }) => leaving.exported));
      this.#ship(this.#collect(all, states), keys);
      await this.#decided();
    } finally {
      for (const { leaving } of this.#going.values()) leaving.take();
      this.#going.clear();
      await this.#count(all);
    }
  }

  async #offer(connections: number): Promise<Destination> {
    if (this.#closed) throw this.#lost();
    const parcels = Math.ceil(connections / connectionsPerParcel);
    this.#channel.send({ kind: 'offer', version: handoffVersion, connections, parcels });
    const answer = await this.#within(new Promise<Message | undefined>((resolve) => (this.#onAnswer = resolve)));
    if (answer === undefined) throw this.#lost();
    const destination = answer.kind === 'accept' ? readAccept(answer) : undefined;
    if (destination && destination.keys.length >= parcels && destination.locators.length > 0) return destination;
    const why = answer.kind === 'refuse' ? answer.why : 'it answers what this version does not know';
    throw handoffError('ECONNREFUSED', this.#to, 'refused', `the other process refuses: ${why}`);
  }

  /** One turn for all. Throws, and nothing has left then. */
  #collect(all: readonly Going[], states: readonly (Uint8Array | undefined)[]): Carried[] {
    const carried: Carried[] = [];
    for (const [index, one] of all.entries()) this.#going.set(index, one);
    for (const [index, { socket, leaving }] of all.entries()) {
      const state = states[index];
      const luggage = state && socket.pack();
      const blob = luggage && this.#state(socket);
      if (state && luggage && blob) carried.push({ index, state, ...luggage, blob: checkBlob(blob) });
      else this.#stays(index, leaving);
    }
    return carried;
  }

  #stays(index: number, leaving: Leaving): void {
    this.#going.delete(index);
    leaving.take();
  }

  #ship(carried: readonly Carried[], keys: readonly Uint8Array[]): void {
    for (let i = 0; i * connectionsPerParcel < carried.length; i++) {
      const connections = carried.slice(i * connectionsPerParcel, (i + 1) * connectionsPerParcel);
      const sealed = sealParcel(keys[i]!, connections);
      if (sealed === undefined)
        throw handoffError('EPROTO', this.#to, 'bad-message', 'the other process gave no key that one can use');
      this.#channel.sendParcel(sealed);
    }
    this.#channel.send({ kind: 'end' });
  }

  /** Resolves when each has arrived or was refused. */
  async #decided(): Promise<void> {
    if (this.#going.size === 0) return;
    await this.#within(new Promise<void>((resolve) => (this.#onDecided = resolve)));
    if (this.#closed && this.#going.size > 0) throw this.#lost();
  }

  async #count(all: readonly Going[]): Promise<void> {
    for (const outcome of await Promise.all(all.map(({ leaving }) => leaving.outcome))) {
      if (outcome === 'moved') this.moved++;
      else if (outcome === 'stayed') this.stayed++;
    }
  }

  #onMessage(message: Message): void {
    if (message.kind === 'accept' || message.kind === 'refuse') return this.#onAnswer(message);
    if (message.kind !== 'arrived' && message.kind !== 'refused') return this.#channel.destroy();
    const going = this.#going.get(message.index);
    this.#going.delete(message.index);
    if (message.kind === 'arrived') going?.leaving.leave();
    else if (going !== undefined) {
      this.refusals.add(message.why);
      going.leaving.take();
    }
    if (this.#going.size === 0) this.#onDecided();
  }

  #onClosed(): void {
    this.#closed = true;
    this.#onAnswer(undefined);
    this.#onDecided();
  }

  async #within<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = handoffError('ETIMEDOUT', this.#to, 'timed-out', 'the other process does not answer');
      timer = setTimeout(() => reject(error), this.#timeoutMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #lost(): Error {
    return handoffError('ECONNRESET', this.#to, 'peer-lost', 'the other process has gone away meanwhile');
  }
}

function checkBlob(blob: Uint8Array): Uint8Array {
  if (!(blob instanceof Uint8Array))
    throw misuse('ERR_INVALID_ARG_TYPE', `the state of a connection is a Buffer, not ${typeof blob}`);
  if (blob.length <= maxBlobBytes) return blob;
  const message = `the state of a connection has up to ${maxBlobBytes} bytes, not ${blob.length}: keep the rest where both processes find it`;
  throw misuse('ERR_OUT_OF_RANGE', message, 'range');
}

/** Undefined: it is not as this version knows it. */
function readAccept({ keys, locators }: Accept): Destination | undefined {
  try {
    const destination = { keys: keys.map(readBytes), locators: locators.map(readLocator) };
    return destination.locators.every(isLocator) ? destination : undefined;
  } catch {
    return undefined;
  }
}

function readBytes(text: string): Uint8Array {
  return Buffer.from(text, 'base64');
}

function readLocator({ address, port }: Accept['locators'][number]): Locator {
  return { address: readBytes(address), port };
}

function isLocator({ address, port }: Locator): boolean {
  return (address.length === 4 || address.length === 16) && port > 0 && port < 2 ** 16;
}

/**
 * The first that we have not as well, since any two machines share loopback, and the bridge that their containers are
 * behind. On one machine there may be none, and any leads there.
 */
function elsewhere(theirs: readonly Locator[], own: readonly Locator[]): Locator {
  const isShared = (one: Locator): boolean => own.some(({ address }) => sameBytes(address, one.address));
  return theirs.find((one) => !isLoopback(one) && !isShared(one)) ?? theirs[0]!;
}
