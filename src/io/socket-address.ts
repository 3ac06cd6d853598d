// Locators as the kernel and as node:dgram spell them: sockaddr_in, sockaddr_in6 (an IPv4 locator on a dual-stack
// socket is IPv4-mapped there, and only there) and address text. Received addresses go through a bounded cache, so that
// in steady state a super-packet allocates nothing and one sender is always the same Locator object.

import { isIPv4, isIPv6 } from 'node:net';
import type { Locator } from '../core/base/index.ts';
import { Linux } from './libc.ts';

export const socketAddressBytes = 28;

/** Writes a sockaddr for a socket of `family`; answers its length, 0 when that family cannot reach the locator. */
export function emitSocketAddress(view: DataView, offset: number, family: number, locator: Locator): number {
  const { address, port } = locator;
  view.setUint16(offset, family, true);
  view.setUint16(offset + 2, port);
  if (family === Linux.AF_INET) {
    if (address.length !== 4) return 0;
    for (let i = 0; i < 4; i++) view.setUint8(offset + 4 + i, address[i] ?? 0);
    view.setUint32(offset + 8, 0);
    view.setUint32(offset + 12, 0);
    return 16;
  }
  view.setUint32(offset + 4, 0);
  view.setUint32(offset + 24, 0);
  if (address.length === 4) {
    view.setUint32(offset + 8, 0);
    view.setUint32(offset + 12, 0);
    view.setUint32(offset + 16, 0xffff);
    for (let i = 0; i < 4; i++) view.setUint8(offset + 20 + i, address[i] ?? 0);
  } else {
    for (let i = 0; i < 16; i++) view.setUint8(offset + 8 + i, address[i] ?? 0);
  }
  return socketAddressBytes;
}

/** Turns received sockaddrs into Locators. Direct-mapped: a collision evicts, so the memory is bounded. */
export class LocatorCache {
  readonly #locators: (Locator | undefined)[];
  /** Per slot: port and family, then four words of address. */
  readonly #keys: Uint32Array;
  readonly #mask: number;

  /** `slots`: a power of two. */
  constructor(slots = 1024) {
    this.#locators = new Array<Locator | undefined>(slots).fill(undefined);
    this.#keys = new Uint32Array(slots * 5);
    this.#mask = slots - 1;
  }

  /** The Locator of the sockaddr at `offset`; undefined for another address family. */
  lookup(view: DataView, offset: number): Locator | undefined {
    const family = view.getUint16(offset, true);
    if (family !== Linux.AF_INET && family !== Linux.AF_INET6) return undefined;
    const v6 = family === Linux.AF_INET6;
    const head = view.getUint32(offset);
    const a = v6 ? view.getUint32(offset + 8) : 0;
    const b = v6 ? view.getUint32(offset + 12) : 0;
    const c = v6 ? view.getUint32(offset + 16) : 0xffff;
    const d = view.getUint32(offset + (v6 ? 20 : 4));
    const slot = (Math.imul(d ^ (head << 16) ^ head ^ b, 0x9e3779b1) >>> 16) & this.#mask;
    const keys = this.#keys;
    const at = slot * 5;
    const known = this.#locators[slot];
    if (
      known !== undefined &&
      keys[at] === head &&
      keys[at + 1] === a &&
      keys[at + 2] === b &&
      keys[at + 3] === c &&
      keys[at + 4] === d
    )
      return known;
    const locator = parseSocketAddress(view, offset, a === 0 && b === 0 && c === 0xffff);
    keys.set([head, a, b, c, d], at);
    this.#locators[slot] = locator;
    return locator;
  }
}

/** `ipv4`: the address is IPv4 or IPv4-mapped; a Locator never holds the mapped form. */
function parseSocketAddress(view: DataView, offset: number, ipv4: boolean): Locator {
  const v6 = view.getUint16(offset, true) === Linux.AF_INET6;
  const start = offset + (v6 ? (ipv4 ? 20 : 8) : 4);
  const address = new Uint8Array(ipv4 ? 4 : 16);
  for (let i = 0; i < address.length; i++) address[i] = view.getUint8(start + i);
  return { address, port: view.getUint16(offset + 2) };
}

/** The bytes of an IP address in text; IPv4-mapped becomes IPv4. undefined for anything else, and for scoped ones. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = text.split('::');
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  const gap = new Array<number>(tail === undefined ? 0 : 16 - front.length - back.length).fill(0);
  const bytes = Uint8Array.from([...front, ...gap, ...back]);
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12) : bytes;
}

function groupsOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** Address text for node:dgram; IPv4 in mapped form when the socket is `udp6`. */
export function addressText(locator: Locator, mapped: boolean): string {
  const { address } = locator;
  if (address.length === 4) return mapped ? `::ffff:${address.join('.')}` : address.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((address[i] ?? 0) << 8) | (address[i + 1] ?? 0)).toString(16));
  return groups.join(':');
}
