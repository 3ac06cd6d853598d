// A TUN device by FFI (Documentation/networking/tuntap.rst): a network interface whose packets this process reads and
// writes as files, one IP packet a call. Needs Linux and CAP_NET_ADMIN. Without a virtio header, so that the kernel cuts what
// segmentation offload had joined and packets are what a wire would carry.

import { createRequire } from 'node:module';
import { loadLibc, openSockets, systemError } from './libc.ts';

export interface Tun {
  /** For who waits by other means than the event loop. */
  readonly fd: number;
  /** Bytes of the next packet, copied into `buffer`; 0: there is none now. */
  read(buffer: Uint8Array): number;
  /** Hands a packet to the kernel, as if it had come by the device; one that it does not take is lost. */
  write(packet: Uint8Array): void;
  close(): void;
}

/** include/uapi/linux/if_tun.h and asm-generic/fcntl.h */
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const O_RDWR_NONBLOCK_CLOEXEC = 0o2004002;
const ifreqBytes = 40;
const ifreqFlagsAt = 16;

/** The device exists while it is open; `readable` is called when packets wait. Throws a system error, or why there is no FFI. */
export function openTun(name: string, readable: () => void): Tun {
  const libc = loadLibc();
  if (typeof libc === 'string') throw new Error(libc);
  const library = (createRequire(import.meta.url)('koffi') as typeof import('koffi')).load(null);
  const open = library.func('int open(const char *, int)');
  const ioctl = library.func('int ioctl(int, ulong, void *)');
  const read = library.func('long read(int, void *, size_t)');
  const write = library.func('long write(int, const void *, size_t)');
  const path = '/dev/net/tun';
  const fd = open(path, O_RDWR_NONBLOCK_CLOEXEC) as number;
  if (fd < 0) throw systemError(libc.errno(), 'open', path);
  const request = Buffer.alloc(ifreqBytes);
  request.write(name, 0, ifreqFlagsAt - 1, 'latin1');
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI, ifreqFlagsAt);
  if ((ioctl(fd, TUNSETIFF, request) as number) < 0) {
    const error = systemError(libc.errno(), 'ioctl', name);
    libc.close(fd);
    throw error;
  }
  const poll = libc.poll(fd, readable);
  const tun: Tun = {
    fd,
    read: (buffer) => Math.max(0, Number(read(fd, buffer, buffer.length))),
    write: (packet) => void write(fd, packet, packet.length),
    close: () => {
      if (!openSockets.delete(tun)) return;
      poll.close();
      libc.close(fd);
    },
  };
  openSockets.add(tun);
  return tun;
}
