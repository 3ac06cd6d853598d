// What the kernel would do with a packet to somewhere: a connected throw-away socket makes it look the route up and tell
// which address the packet would leave from and what the first hop takes. That MTU is the interface's, or less if the kernel
// has learned less; the search above that knowledge is the transport's (RFC 8899). Answered from memory for ten seconds,
// until the kernel refuses a packet, or until addresses or routes change.

import type { Locator } from '../core/base/index.ts';
import { bindToDevice, bytesOf, intOption, type Libc, Linux } from './libc.ts';
import { emitSocketAddress, socketAddressBytes } from './socket-address.ts';
import { maxBatchBytes, safePacketBytes } from './udp-link.ts';

const keepMs = 10_000;
const mostEntries = 4_096;
const udpHeaderBytes = 8;

interface Route {
  /** Undefined: there is no way there. */
  readonly source: Uint8Array | undefined;
  readonly packetBytes: number;
  readonly untilMs: number;
}

export interface RoutesOptions {
  /** The local address and the interface that the packets leave by; absent: the kernel's choice. */
  readonly from?: Uint8Array | undefined;
  readonly device?: string | undefined;
}

export class Routes {
  readonly #libc: Libc;
  readonly #options: RoutesOptions;
  readonly #known = new Map<string, Route>();
  readonly #address = new Uint8Array(socketAddressBytes);
  readonly #view = new DataView(this.#address.buffer);

  constructor(libc: Libc, options: RoutesOptions = {}) {
    this.#libc = libc;
    this.#options = options;
  }

  /** UDP payload that one unfragmented packet to `remote` may hold; 1,200 when there is no route. */
  maxPacketBytes(remote: Locator): number {
    return this.#routeTo(remote).packetBytes;
  }

  /** The local address that a packet to `remote` leaves from; undefined when there is no route. */
  sourceOf(remote: Locator): Uint8Array | undefined {
    return this.#routeTo(remote).source;
  }

  /** The kernel refused a packet: what is remembered of `remote` is stale. */
  forget(remote: Locator): void {
    this.#known.delete(keyOf(remote));
  }

  forgetAll(): void {
    this.#known.clear();
  }

  #routeTo(remote: Locator): Route {
    const key = keyOf(remote);
    const nowMs = performance.now();
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known;
    const route = this.#ask(remote, nowMs + keepMs);
    if (this.#known.size >= mostEntries) this.#known.clear();
    this.#known.set(key, route);
    return route;
  }

  #ask(remote: Locator, untilMs: number): Route {
    const libc = this.#libc;
    const family = remote.address.length === 4 ? Linux.AF_INET : Linux.AF_INET6;
    const nowhere = { source: undefined, packetBytes: safePacketBytes, untilMs };
    const fd = libc.socket(family, Linux.SOCK_DGRAM | Linux.SOCK_CLOEXEC, 0);
    if (fd < 0) return nowhere;
    const there = this.#bind(fd, family) && this.#connect(fd, family, remote);
    const route = there
      ? { source: this.#sourceOf(fd, family), packetBytes: this.#packetBytes(fd, family), untilMs }
      : nowhere;
    libc.close(fd);
    return route;
  }

  #bind(fd: number, family: number): boolean {
    const { from, device } = this.#options;
    if (device !== undefined) bindToDevice(this.#libc, fd, device);
    if (from === undefined) return true;
    if (from.length !== (family === Linux.AF_INET ? 4 : 16)) return false;
    const bytes = emitSocketAddress(this.#view, 0, family, { address: from, port: 0 });
    return this.#libc.bind(fd, this.#address, bytes) === 0;
  }

  #connect(fd: number, family: number, remote: Locator): boolean {
    return this.#libc.connect(fd, this.#address, emitSocketAddress(this.#view, 0, family, remote)) === 0;
  }

  #sourceOf(fd: number, family: number): Uint8Array | undefined {
    if (this.#libc.getsockname(fd, this.#address, bytesOf(new Int32Array([socketAddressBytes]))) < 0) return undefined;
    return family === Linux.AF_INET ? this.#address.slice(4, 8) : this.#address.slice(8, 24);
  }

  #packetBytes(fd: number, family: number): number {
    const v4 = family === Linux.AF_INET;
    const mtu = v4
      ? intOption(this.#libc, fd, Linux.SOL_IP, Linux.IP_MTU)
      : intOption(this.#libc, fd, Linux.SOL_IPV6, Linux.IPV6_MTU);
    if (mtu === undefined) return safePacketBytes;
    return Math.min(mtu - (v4 ? 20 : 40) - udpHeaderBytes, maxBatchBytes);
  }
}

function keyOf({ address }: Locator): string {
  return address.join('.');
}
