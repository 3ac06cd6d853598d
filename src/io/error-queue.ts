// What the network says about packets that this socket has sent (IP_RECVERR): read here, so that "port unreachable" is
// known of the packets of flows themselves. To ask by a packet of its own is often too late: a host sends a peer six such
// messages at once and then one a second (icmp_ratelimit), and the acknowledgments of a bulk transfer whose sender is
// killed use them up. An unread queue makes the socket readable for ever, so all of it is read at each wake-up.

import type { Locator } from '../core/base/index.ts';
import { type Libc, Linux } from './libc.ts';
import { controlOffset, NativeMessage, nameOffset } from './native-message.ts';
import type { LocatorCache } from './socket-address.ts';

/** Of sock_extended_err, behind the cmsghdr. */
const errorOffset = controlOffset + 16;
const controlBytes = 152;
const dataBytes = 64;

/** linux/errqueue.h */
const Origin = { ICMP: 2, ICMP6: 3 } as const;
/** More than these wait for the next wake-up. */
const mostPerDrain = 64;

export class ErrorQueue {
  readonly #libc: Libc;
  readonly #message: NativeMessage;
  /** What was sent, as the kernel quotes it; nobody reads it. */
  readonly #data = Buffer.allocUnsafeSlow(dataBytes);

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#message = new NativeMessage(libc, controlBytes);
    this.#message.setData(Number(libc.addressOf(this.#data)), dataBytes);
  }

  /** `refused`: the host at `remote` says that no program has the port. Anybody can forge that. */
  drain(fd: number, locators: LocatorCache, refused: (remote: Locator) => void): void {
    const { view, pointer } = this.#message;
    for (let i = 0; i < mostPerDrain; i++) {
      this.#message.resetForReceive(controlBytes);
      if (this.#libc.recvmsg(fd, pointer, Linux.MSG_ERRQUEUE | Linux.MSG_DONTWAIT) < 0) return;
      const remote = this.#saysRefused() ? locators.lookup(view, nameOffset) : undefined;
      if (remote !== undefined) refused(remote);
    }
  }

  #saysRefused(): boolean {
    const { view } = this.#message;
    if (view.getUint32(40, true) < errorOffset - controlOffset + 8) return false;
    const origin = view.getUint8(errorOffset + 4);
    return (
      view.getUint32(errorOffset, true) === Linux.ECONNREFUSED && (origin === Origin.ICMP || origin === Origin.ICMP6)
    );
  }
}
