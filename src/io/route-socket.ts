// The kernel's word that an interface, an address or a route has changed (rtnetlink(7)): a netlink socket by FFI, woken
// by libuv. What the messages say is not read: whoever is told looks at the whole anew, which is right also when the
// socket has overflowed (ENOBUFS) or a change is told in several messages or in none, as routes that go with their interface.

import { type Libc, Linux, openSockets, systemError } from './libc.ts';
import { NativeMessage } from './native-message.ts';
import type { PollHandle } from './uv-poll.ts';

const sockaddrNetlinkBytes = 12;
const receiveBytes = 8_192;
/** Per wake-up; a socket that holds more wakes again. */
const mostReads = 64;

/** RTMGRP_LINK, then address, route and rule of IPv4 and of IPv6. */
const groups = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | (1 << 18);

/** Calls `noticed` once per wake-up; keeps no process alive. Answers how to stop, or in words why it cannot be had. */
export function openRouteSocket(libc: Libc, noticed: () => void): (() => void) | string {
  const fd = libc.socket(
    Linux.AF_NETLINK,
    Linux.SOCK_RAW | Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC,
    Linux.NETLINK_ROUTE,
  );
  if (fd < 0) return systemError(libc.errno(), 'socket', 'AF_NETLINK').message;
  const address = new Uint8Array(sockaddrNetlinkBytes);
  const view = new DataView(address.buffer);
  view.setUint16(0, Linux.AF_NETLINK, true);
  view.setUint32(8, groups, true);
  if (libc.bind(fd, address, sockaddrNetlinkBytes) < 0) {
    const { message } = systemError(libc.errno(), 'bind', 'AF_NETLINK');
    libc.close(fd);
    return message;
  }
  const socket = new RouteSocket(libc, fd, noticed);
  return () => socket.close();
}

class RouteSocket {
  readonly #libc: Libc;
  readonly #noticed: () => void;
  readonly #buffer = Buffer.allocUnsafeSlow(receiveBytes);
  readonly #message: NativeMessage;
  readonly #poll: PollHandle;
  #fd: number;

  constructor(libc: Libc, fd: number, noticed: () => void) {
    this.#libc = libc;
    this.#fd = fd;
    this.#noticed = noticed;
    this.#message = new NativeMessage(libc);
    this.#message.setData(Number(libc.addressOf(this.#buffer)), receiveBytes);
    this.#poll = libc.poll(fd, this.#onReady);
    this.#poll.unref();
    openSockets.add(this);
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#poll.close();
    this.#libc.close(this.#fd);
    this.#fd = -1;
    openSockets.delete(this);
  }

  readonly #onReady = (): void => {
    let reads = 0;
    while (reads < mostReads && this.#fd >= 0 && this.#read()) reads++;
    if (reads > 0 && this.#fd >= 0) this.#noticed();
  };

  /** One message or an overflow, which stands for messages that were lost; false when nothing is left. */
  #read(): boolean {
    this.#message.resetForReceive();
    if (this.#libc.recvmsg(this.#fd, this.#message.pointer, Linux.MSG_DONTWAIT) >= 0) return true;
    return this.#libc.errno() === Linux.ENOBUFS;
  }
}
