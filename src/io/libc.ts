// The C library's socket calls, by FFI (koffi): what the offload link is built of. Linux only, 64-bit little-endian,
// where the structures below have one layout. Memory that the kernel sees across calls is a `Buffer` from
// allocUnsafeSlow: it never moves while it is referenced, and unlike mmap it cannot be unmapped under a reader.

import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import { type CreatePoll, choosePoll } from './uv-poll.ts';

/** Each call answers as in C: -1 for an error, whose number `errno` tells until the next call. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, bytes: number): number;
  connect(fd: number, address: Uint8Array, bytes: number): number;
  getsockname(fd: number, address: Uint8Array, bytes: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, bytes: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, bytes: Uint8Array): number;
  /** `message`: the address of a msghdr. */
  sendmsg(fd: number, message: bigint, flags: number): number;
  recvmsg(fd: number, message: bigint, flags: number): number;
  timerfd_create(clock: number, flags: number): number;
  /** The times: a struct itimerspec. */
  timerfd_settime(fd: number, flags: number, time: Uint8Array, before: null): number;
  timerfd_gettime(fd: number, time: Uint8Array): number;
  close(fd: number): number;
  errno(): number;
  addressOf(memory: Uint8Array): bigint;
  readonly poll: CreatePoll;
  readonly koffiVersion: string;
}

/** Constants of Linux on the architectures below (asm-generic). */
export const Linux = {
  AF_UNSPEC: 0,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  SOL_IP: 0,
  SOL_SOCKET: 1,
  SOL_UDP: 17,
  SOL_IPV6: 41,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_BINDTODEVICE: 25,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SO_MEMINFO: 55,
  IP_MTU_DISCOVER: 10,
  IP_RECVERR: 11,
  IP_MTU: 14,
  IP_PMTUDISC_PROBE: 3,
  IPV6_MTU_DISCOVER: 23,
  IPV6_MTU: 24,
  IPV6_RECVERR: 25,
  IPV6_V6ONLY: 26,
  UDP_SEGMENT: 103,
  UDP_GRO: 104,
  NETLINK_ROUTE: 0,
  CLOCK_MONOTONIC: 1,
  TFD_NONBLOCK: 0o4000,
  TFD_CLOEXEC: 0o2000000,
  MSG_DONTWAIT: 0x40,
  MSG_ERRQUEUE: 0x2000,
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  EINVAL: 22,
  EMSGSIZE: 90,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
} as const;

/** Sockets with a poll handle stand here while they are open: a handle that is collected stops. */
export const openSockets = new Set<{ close(): unknown }>();

// While Node takes the process down it runs the loop once more: a packet then would call into a JavaScript engine that is
// gone, and abort the process (exit code 134).
process.once('exit', () => {
  for (const socket of openSockets) void socket.close();
});

const architectures = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: Libc | string | undefined;

/** The binding, or in words why there is none. Loaded once per thread. */
export function loadLibc(): Libc | string {
  loaded ??= tryLoad();
  return loaded;
}

/** The value of an int socket option; undefined when the kernel does not know it. */
export function intOption(libc: Libc, fd: number, level: number, name: number): number | undefined {
  const value = new Int32Array(1);
  const bytes = new Int32Array([4]);
  const failed = libc.getsockopt(fd, level, name, bytesOf(value), bytesOf(bytes)) < 0;
  return failed ? undefined : value[0];
}

/** Answers whether the kernel took it. */
export function setIntOption(libc: Libc, fd: number, level: number, name: number, value: number): boolean {
  return libc.setsockopt(fd, level, name, bytesOf(new Int32Array([value])), 4) === 0;
}

/**
 * Only what passes that interface, whatever the routes say. Kernels before 5.7 ask for privilege; answers whether it was
 * taken.
 */
export function bindToDevice(libc: Libc, fd: number, device: string): boolean {
  const name = Buffer.from(`${device}\0`);
  return libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_BINDTODEVICE, name, name.length) === 0;
}

/** An error like those of node:dgram: `code`, `errno`, `syscall`. */
export function systemError(errno: number, syscall: string, detail: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${syscall} ${code} ${detail}`.trim()), { code, errno: -errno, syscall });
}

export function bytesOf(array: Int32Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

type Koffi = typeof import('koffi');

function tryLoad(): Libc | string {
  if (process.platform !== 'linux') return `segmentation offload needs Linux, this is ${process.platform}`;
  if (!architectures.includes(process.arch)) return `no structure layouts for ${process.arch}`;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    if (typeof koffi.node?.poll !== 'function') return `koffi ${koffi.version} has no node.poll`;
    return declare(koffi);
  } catch (error) {
    return `koffi cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** `koffi.load(null)` finds the symbols of the process itself, so glibc and musl need not be told apart. */
function declare(koffi: Koffi): Libc {
  const library = koffi.load(null);
  return {
    socket: library.func('int socket(int, int, int)'),
    bind: library.func('int bind(int, const void *, uint32_t)'),
    connect: library.func('int connect(int, const void *, uint32_t)'),
    getsockname: library.func('int getsockname(int, void *, void *)'),
    setsockopt: library.func('int setsockopt(int, int, int, const void *, uint32_t)'),
    getsockopt: library.func('int getsockopt(int, int, int, void *, void *)'),
    sendmsg: library.func('int sendmsg(int, void *, int)'),
    recvmsg: library.func('int recvmsg(int, void *, int)'),
    timerfd_create: library.func('int timerfd_create(int, int)'),
    timerfd_settime: library.func('int timerfd_settime(int, int, const void *, void *)'),
    timerfd_gettime: library.func('int timerfd_gettime(int, void *)'),
    close: library.func('int close(int)'),
    errno: () => koffi.errno(),
    addressOf: (memory) => koffi.address(memory),
    poll: choosePoll(koffi, library),
    koffiVersion: koffi.version,
  };
}
