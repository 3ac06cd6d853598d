// The driver's links by number. Link 0 is bound to every address, its packets leave as the routes say; the others stand at
// one local address each, for flows that were moved there, and leave by the interface that has it, whatever the routes
// say. Numbers are never used again: what belongs to a closed link finds none. A link that is full keeps what it is given
// up to a bound (udp-link.ts); polling stops only when all are full, so that a slow interface does not stop the others.

import { readFileSync } from 'node:fs';
import type { Locator } from '../core/base/index.ts';
import { sameBytes } from '../core/base/index.ts';
import type { LinkInfo } from '../core/stack/index.ts';
import { createLink } from './choose-link.ts';
import { isUsable, type UsableAddress, usableAddresses } from './interfaces.ts';
import { Linux, systemError } from './libc.ts';
import { addressText, parseAddress } from './socket-address.ts';
import type { LinkCounters, LinkOptions, UdpLink } from './udp-link.ts';

export interface LinksCallbacks {
  received(buffer: Uint8Array, bytes: number, remote: Locator, link: number): void;
  /** As of one link. */
  drained(): void;
  /** A link that was full has sent all that it kept. */
  writable(): void;
  /** As of one link. */
  unreachable(remote: Locator): void;
  /** Whether a flow goes by this link. */
  isUsed(link: number): boolean;
  /** Links that nobody used for a while were closed. */
  closed(): void;
}

/** Of a link beside link 0. */
export interface OpenLinkReport {
  readonly link: number;
  readonly address: string;
  readonly port: number;
  /** The interface that its packets pass; undefined: as the routes say. */
  readonly device: string | undefined;
  readonly counters: LinkCounters;
}

interface OpenLink {
  readonly number: number;
  readonly address: Uint8Array;
  readonly device: string | undefined;
  readonly link: UdpLink;
  openedMs: number;
}

/** A link that no flow uses stays open so long, for the next move there, and up to twice as long. */
const keepMs = 30_000;

export class Links {
  /** Link 0. */
  readonly main: UdpLink;
  readonly #options: Omit<LinkOptions, 'callbacks'>;
  readonly #callbacks: LinksCallbacks;
  readonly #others = new Map<number, OpenLink>();
  readonly #full = new Set<number>();
  #next = 1;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: Omit<LinkOptions, 'callbacks'>, callbacks: LinksCallbacks) {
    this.#options = options;
    this.#callbacks = callbacks;
    this.main = this.#create(0, options);
  }

  /** Undefined: it is closed. */
  at(number: number): UdpLink | undefined {
    return number === 0 ? this.main : this.#others.get(number)?.link;
  }

  /** All are full: nothing may be polled. */
  get blocked(): boolean {
    return this.#full.size > this.#others.size;
  }

  noteFull(number: number): void {
    this.#full.add(number);
  }

  /**
   * Answers the number of a link at this address, which is open already or opened now; 0 for the unspecified address.
   * Rejects with a system error: EADDRNOTAVAIL when this machine does not have the address, or not in use.
   */
  async open(text: string): Promise<number> {
    const address = parseAddress(text);
    if (address === undefined) throw systemError(Linux.EINVAL, 'bind', `"${text}" is not an IP address`);
    if (address.every((byte) => byte === 0)) return 0;
    const known = [...this.#others.values()].find((one) => sameBytes(one.address, address));
    if (known !== undefined) {
      known.openedMs = performance.now();
      await known.link.ready;
      return known.number;
    }
    const usable = usableAddresses();
    if (!isUsable(address, usable)) throw systemError(Linux.EADDRNOTAVAIL, 'bind', text);
    return this.#open(address, deviceOf(address, usable));
  }

  /**
   * A link at each interface that packets pass, one for each IP version that it has; those that are there stay. Answers
   * whether there is a new one. What cannot be opened now is left out until it is asked again.
   */
  async openAll(): Promise<boolean> {
    const usable = usableAddresses();
    const same = (a: UsableAddress, b: UsableAddress): boolean =>
      a.name === b.name && a.address.length === b.address.length;
    const isOpen = ({ address }: UsableAddress): boolean =>
      [...this.#others.values()].some((one) => sameBytes(one.address, address));
    const missing = usable.filter(
      (one, i) =>
        usable.findIndex((other) => same(one, other)) === i &&
        carriesPackets(one) &&
        !usable.some((other) => same(one, other) && isOpen(other)),
    );
    const opened = await Promise.allSettled(missing.map(({ text }) => this.open(text)));
    return opened.some(({ status }) => status === 'fulfilled');
  }

  close(number: number): void {
    const one = this.#others.get(number);
    if (one === undefined) return;
    this.#others.delete(number);
    this.#full.delete(number);
    void one.link.close();
  }

  /** Those beside link 0 that can be used. */
  infos(): LinkInfo[] {
    return [...this.#others.values()].flatMap(({ number, link }) =>
      link.locals().map((local) => ({ link: number, local })),
    );
  }

  /** After a change of addresses or routes: links whose address is gone are closed, what is known of routes is forgotten. */
  refresh(): void {
    const usable = usableAddresses();
    this.main.forgetRoutes();
    for (const { number, address, link } of [...this.#others.values()]) {
      if (isUsable(address, usable)) link.forgetRoutes();
      else this.close(number);
    }
  }

  report(): OpenLinkReport[] {
    return [...this.#others.values()].map(({ number, address, device, link }) => ({
      link: number,
      address: addressText({ address, port: 0 }, false),
      port: link.report().port,
      device,
      counters: link.counters,
    }));
  }

  async closeAll(): Promise<void> {
    const links = [this.main, ...[...this.#others.values()].map(({ link }) => link)];
    this.#others.clear();
    clearInterval(this.#sweeping);
    await Promise.all(links.map((link) => link.close()));
  }

  async #open(address: Uint8Array, device: string | undefined): Promise<number> {
    const number = this.#next++;
    const link = this.#create(number, {
      ...this.#options,
      kind: this.main.kind,
      port: 0,
      address: addressText({ address, port: 0 }, false),
      ...(device === undefined ? {} : { device }),
    });
    this.#others.set(number, { number, address, device, link, openedMs: performance.now() });
    this.#sweeping ??= setInterval(() => this.#closeUnused(), keepMs).unref();
    try {
      await link.ready;
    } catch (error) {
      this.close(number);
      throw error;
    }
    return number;
  }

  #closeUnused(): void {
    const before = performance.now() - keepMs;
    const unused = [...this.#others.values()].filter(
      ({ number, openedMs }) => openedMs < before && !this.#callbacks.isUsed(number),
    );
    for (const { number } of unused) this.close(number);
    if (unused.length > 0) this.#callbacks.closed();
  }

  #create(number: number, options: Omit<LinkOptions, 'callbacks'>): UdpLink {
    const { received, drained, writable, unreachable } = this.#callbacks;
    return createLink({
      ...options,
      callbacks: {
        received: (buffer, bytes, remote) => received(buffer, bytes, remote, number),
        drained,
        unreachable,
        writable: () => {
          this.#full.delete(number);
          writable();
        },
      },
    });
  }
}

/** include/uapi/linux/if.h */
const InterfaceFlag = { POINTOPOINT: 0x10, NOARP: 0x80 } as const;

/** The interface that has the address, if packets can be kept to it. */
function deviceOf(address: Uint8Array, usable: readonly UsableAddress[]): string | undefined {
  const holder = usable.find((one) => sameBytes(one.address, address));
  return holder !== undefined && process.platform === 'linux' && carriesPackets(holder) ? holder.name : undefined;
}

/** Loopback and dummy interfaces only hold addresses, whose packets pass others. */
function carriesPackets({ name, internal }: UsableAddress): boolean {
  if (internal || process.platform !== 'linux') return !internal;
  try {
    const flags = Number(readFileSync(`/sys/class/net/${name}/flags`, 'utf8'));
    return (flags & InterfaceFlag.NOARP) === 0 || (flags & InterfaceFlag.POINTOPOINT) !== 0;
  } catch {
    return true;
  }
}
