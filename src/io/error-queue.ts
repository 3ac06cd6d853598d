// What the network says about packets that this socket has sent (IP_RECVERR): read here, so that "port unreachable" is
// known of the packets of flows themselves. To ask by a packet of its own is often too late: a host sends a peer six such
// messages at once and then one a second (icmp_ratelimit), and the acknowledgments of a bulk transfer whose sender is
// killed use them up. An unread queue makes the socket readable for ever, so all of it is read at each wake-up.

import type { Locator } from '../core/base/index.ts';
import { type Libc, Linux } from './libc.ts';
import { type LocatorCache, socketAddressBytes } from './socket-address.ts';

//   0 msghdr (native-message.ts)   56 iovec   72 sockaddr   104 cmsghdr, with sock_extended_err at 120
const iovecOffset = 56;
const nameOffset = 72;
const controlOffset = 104;
const errorOffset = controlOffset + 16;
const controlBytes = 152;
const dataOffset = 256;
const dataBytes = 64;

/** linux/errqueue.h */
const Origin = { ICMP: 2, ICMP6: 3 } as const;
/** More than these wait for the next wake-up. */
const mostPerDrain = 64;

export class ErrorQueue {
  readonly #libc: Libc;
  readonly #memory = Buffer.allocUnsafeSlow(dataOffset + dataBytes).fill(0);
  readonly #view = new DataView(this.#memory.buffer, this.#memory.byteOffset, this.#memory.length);
  readonly #pointer: bigint;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#pointer = libc.addressOf(this.#memory);
    const point = (at: number, to: number): void => this.#view.setBigUint64(at, this.#pointer + BigInt(to), true);
    point(0, nameOffset);
    point(16, iovecOffset);
    this.#view.setBigUint64(24, 1n, true);
    point(32, controlOffset);
    point(iovecOffset, dataOffset);
    this.#view.setBigUint64(iovecOffset + 8, BigInt(dataBytes), true);
  }

  /** `refused`: the host at `remote` says that no program has the port. Anybody can forge that. */
  drain(fd: number, locators: LocatorCache, refused: (remote: Locator) => void): void {
    const view = this.#view;
    for (let i = 0; i < mostPerDrain; i++) {
      view.setUint32(8, socketAddressBytes, true);
      view.setBigUint64(40, BigInt(controlBytes), true);
      if (this.#libc.recvmsg(fd, this.#pointer, Linux.MSG_ERRQUEUE | Linux.MSG_DONTWAIT) < 0) return;
      const remote = this.#saysRefused() ? locators.lookup(view, nameOffset) : undefined;
      if (remote !== undefined) refused(remote);
    }
  }

  #saysRefused(): boolean {
    const view = this.#view;
    if (view.getUint32(40, true) < errorOffset - controlOffset + 8) return false;
    const origin = view.getUint8(errorOffset + 4);
    return (
      view.getUint32(errorOffset, true) === Linux.ECONNREFUSED && (origin === Origin.ICMP || origin === Origin.ICMP6)
    );
  }
}
