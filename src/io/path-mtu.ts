// How large a packet the first hop takes: a connected throw-away socket makes the kernel look the route up and tell its
// MTU. That is the interface's, or less if the kernel has learned less; the search above that knowledge is the
// transport's (RFC 8899). Asked once per connection, answered from memory for ten seconds.

import type { Locator } from '../core/base/index.ts';
import { intOption, type Libc, Linux } from './libc.ts';
import { emitSocketAddress, socketAddressBytes } from './socket-address.ts';
import { maxBatchBytes, safePacketBytes } from './udp-link.ts';

const keepMs = 10_000;
const mostEntries = 4_096;
const udpHeaderBytes = 8;

interface Entry {
  readonly packetBytes: number;
  readonly untilMs: number;
}

export class PathMtu {
  readonly #libc: Libc;
  readonly #known = new Map<string, Entry>();
  readonly #address = new Uint8Array(socketAddressBytes);

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** UDP payload that one unfragmented packet to `remote` may hold; 1,200 when there is no route. */
  maxPacketBytes(remote: Locator): number {
    const key = remote.address.join('.');
    const nowMs = performance.now();
    const entry = this.#known.get(key);
    if (entry !== undefined && entry.untilMs > nowMs) return entry.packetBytes;
    const packetBytes = this.#ask(remote);
    if (this.#known.size >= mostEntries) this.#known.clear();
    this.#known.set(key, { packetBytes, untilMs: nowMs + keepMs });
    return packetBytes;
  }

  /** The kernel refused a packet: what is remembered of `remote` is stale. */
  forget(remote: Locator): void {
    this.#known.delete(remote.address.join('.'));
  }

  #ask(remote: Locator): number {
    const libc = this.#libc;
    const v4 = remote.address.length === 4;
    const family = v4 ? Linux.AF_INET : Linux.AF_INET6;
    const fd = libc.socket(family, Linux.SOCK_DGRAM | Linux.SOCK_CLOEXEC, 0);
    if (fd < 0) return safePacketBytes;
    const view = new DataView(this.#address.buffer);
    const bytes = emitSocketAddress(view, 0, family, remote);
    const connected = libc.connect(fd, this.#address, bytes) === 0;
    const mtu = connected ? this.#mtuOf(fd, v4) : undefined;
    libc.close(fd);
    if (mtu === undefined) return safePacketBytes;
    const headerBytes = (v4 ? 20 : 40) + udpHeaderBytes;
    return Math.min(mtu - headerBytes, maxBatchBytes);
  }

  #mtuOf(fd: number, v4: boolean): number | undefined {
    return v4
      ? intOption(this.#libc, fd, Linux.SOL_IP, Linux.IP_MTU)
      : intOption(this.#libc, fd, Linux.SOL_IPV6, Linux.IPV6_MTU);
  }
}
