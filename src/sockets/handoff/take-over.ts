// The process that connections come to. A batch is taken in when all of it is there: first every connection is made and
// given to the application, which may refuse it, and only then do their moves begin. So the application knows all
// of them before the first byte of any comes, and nothing was told to a peer of one that is refused.

import { type Locator, Reason, reasonName } from '../../core/base/index.ts';
import type { ImportKey } from '../../core/security/index.ts';
import type { Driver, Event, SocketId } from '../../core/stack/index.ts';
import { type Channel, handoffVersion, type Message, type Offer } from './channel.ts';
import { type Carried, createParcelKey, openParcel } from './luggage.ts';

export type Imported = Extract<Event, { kind: 'imported' }>;

/** What it has to know of the server whose connections they will be. */
export interface Host {
  readonly driver: Driver;
  /** Undefined: it is not listening, and takes none. */
  listener(): SocketId | undefined;
  /**
   * Gives it to the application; answers why not. `settled`: called when it goes on here, or with the reason why it does not.
   */
  welcome(who: Imported, carried: Carried, settled: (reason?: Reason) => void): string | undefined;
}

const mostConnections = 2 ** 20;

/** Takes over what comes by this channel, until it is closed. */
export class TakingOver {
  readonly #channel: Channel;
  readonly #host: Host;
  #keys: ImportKey[] = [];
  #carried: Carried[] = [];
  /** Made by the stack, which has not said yet who they are. */
  #pending = 0;
  #imported: { readonly carried: Carried; readonly who: Imported }[] = [];

  constructor(channel: Channel, host: Host) {
    this.#channel = channel;
    this.#host = host;
    channel.open({
      message: (message) => this.#onMessage(message),
      parcel: (sealed) => this.#onParcel(sealed),
      // Those that are on their way go on: their old process may be gone.
      closed: () => {},
    });
  }

  #onMessage(message: Message): void {
    if (message.kind === 'offer') this.#answer(message);
    else if (message.kind === 'end') this.#importAll();
    else this.#channel.destroy();
  }

  #answer({ version, connections, parcels }: Offer): void {
    const { driver } = this.#host;
    const locators = driver.locals?.() ?? [];
    const why = this.#whyNot(version, locators);
    if (why !== undefined) return this.#channel.send({ kind: 'refuse', why });
    if (!(connections <= mostConnections && parcels <= connections)) return this.#channel.destroy();
    this.#keys = Array.from({ length: parcels }, () => createParcelKey());
    this.#channel.send({
      kind: 'accept',
      keys: this.#keys.map(({ publicKey }) => Buffer.from(publicKey).toString('base64')),
      locators: locators.map(({ address, port }) => ({ address: Buffer.from(address).toString('base64'), port })),
    });
  }

  #whyNot(version: number, locators: readonly Locator[]): string | undefined {
    if (version !== handoffVersion) return `it knows version ${handoffVersion} of handing over, not ${version}`;
    if (this.#host.listener() === undefined) return 'it does not listen, or no more';
    return locators.length === 0 ? 'it has no address' : undefined;
  }

  #onParcel(sealed: Uint8Array): void {
    const key = this.#keys.shift();
    const carried = key && openParcel(key, sealed);
    if (carried === undefined) return this.#channel.destroy();
    this.#carried.push(...carried);
  }

  #importAll(): void {
    const all = this.#carried;
    this.#carried = [];
    this.#keys = [];
    this.#imported = [];
    this.#pending = all.length;
    for (const carried of all) this.#import(carried);
  }

  #import(carried: Carried): void {
    const { driver } = this.#host;
    const listener = this.#host.listener();
    const state = Uint8Array.from(carried.state);
    carried.state.fill(0);
    const id = driver.handle({ kind: 'import', state, ...(listener === undefined ? {} : { listener }) });
    state.fill(0);
    if (id <= 0) {
      this.#refuse(carried, reasonName(-id));
      return this.#onImported();
    }
    driver.attach(id, (event) => {
      if (event.kind !== 'imported') return;
      this.#imported.push({ carried, who: event });
      this.#onImported();
    });
  }

  #onImported(): void {
    if (--this.#pending > 0) return;
    const { driver } = this.#host;
    const wanted: SocketId[] = [];
    for (const { carried, who } of this.#imported) {
      const why = this.#host.welcome(who, carried, (reason) => this.#settled(carried, reason));
      if (why === undefined) wanted.push(who.socket);
      else {
        driver.handle({ kind: 'leave', socket: who.socket });
        this.#refuse(carried, why);
      }
    }
    this.#imported = [];
    for (const socket of wanted) driver.handle({ kind: 'take', socket });
  }

  #settled(carried: Carried, reason: Reason = Reason.OK): void {
    if (reason === Reason.OK) this.#channel.send({ kind: 'arrived', index: carried.index });
    else this.#refuse(carried, reasonName(reason));
  }

  #refuse({ index }: Carried, why: string): void {
    this.#channel.send({ kind: 'refused', index, why });
  }
}
