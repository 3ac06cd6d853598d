// The fast link: a UDP socket made by FFI. UDP_SEGMENT sends up to 64 packets per system call, UDP_GRO receives as many,
// "don't fragment" is set for both IP versions, so that path MTU probes tell the truth. libuv (uv-poll.ts)
// says when to read or write; all reading and writing is by FFI, without blocking. Rejected: letting
// node:dgram adopt the socket; it allocates 64 KB per wake-up, cannot wait for room to send, and sets SO_REUSEADDR.
// IP_RECVERR is on: libuv stops polling at an error, which is read (error-queue.ts) before polling begins again; and an
// error of a packet before is what the next call answers, once, so a call that fails is made again.

import { getSystemErrorName } from 'node:util';
import type { Locator } from '../core/base/index.ts';
import { ErrorQueue } from './error-queue.ts';
import { bindToDevice, bytesOf, intOption, type Libc, Linux, openSockets, setIntOption, systemError } from './libc.ts';
import { NativeMessage, nameOffset } from './native-message.ts';
import { Routes } from './routes.ts';
import { emitSocketAddress, LocatorCache, parseAddress, socketAddressBytes } from './socket-address.ts';
import {
  kernelRelease,
  type LinkCallbacks,
  type LinkOptions,
  type LinkReport,
  localLocators,
  maxBatchBytes,
  maxSegments,
  newCounters,
  oneLocator,
  type SendResult,
  type UdpLink,
} from './udp-link.ts';
import type { PollHandle } from './uv-poll.ts';

const receiveBytes = 65_536;
const defaultReceiveBufferBytes = 8 << 20;
const defaultSendBufferBytes = 4 << 20;
const defaultDrainBudget = 32;
const mostPending = 64;
/** Of a dialogue every eighth wake-up asks for a second datagram. */
const mostUnasked = 8;

interface Choice {
  readonly why: string;
  readonly forced: boolean;
}

interface OpenSocket {
  readonly fd: number;
  readonly family: number;
  readonly bound: Locator;
  /** The address asked for; undefined: every address. */
  readonly only: Uint8Array | undefined;
}

/** A batch that found the socket full. */
interface Pending {
  readonly memory: Buffer;
  readonly address: number;
  readonly packetBytes: number;
  readonly remote: Locator;
  offset: number;
}

/** The link, or in words what the kernel lacks. A failed bind shows in `ready`. */
export function createOffloadLink(options: LinkOptions, libc: Libc, choice: Choice): UdpLink | string {
  const socket = openSocket(options, libc);
  return typeof socket === 'string' ? socket : new OffloadLink(options, libc, choice, socket);
}

class OffloadLink implements UdpLink {
  readonly kind = 'offload';
  // Of one kind, as all that the stack copies from and to, else V8 asks at each copy which one it is.
  readonly sendBuffer = new Uint8Array(maxBatchBytes);
  readonly counters = newCounters();
  readonly ready: Promise<void>;
  /** Of large buffers, which do not move; small ones may. */
  readonly #addresses = new WeakMap<Uint8Array, number>();
  readonly #receiveBuffer = new Uint8Array(receiveBytes);
  readonly #outgoing: NativeMessage;
  readonly #incoming: NativeMessage;
  readonly #libc: Libc;
  readonly #callbacks: LinkCallbacks;
  readonly #choice: Choice;
  readonly #socket: OpenSocket | undefined;
  readonly #poll: PollHandle | undefined;
  readonly #locators = new LocatorCache();
  readonly #routes: Routes;
  readonly #drainBudget: number;
  readonly #pending: Pending[] = [];
  #fd = -1;
  #segmentsPerCall = maxSegments;
  #lastRemote: Locator | undefined;
  readonly #errors: ErrorQueue;
  /** Datagrams come one by one, as in a dialogue. Each is answered before the call that finds that there is no second. */
  #alone = false;
  /** Wake-ups since that call was made: if there is a second datagram, it only wakes the loop again. */
  #unasked = 0;
  /** Bytes of the batch under way that the kernel has taken. */
  #taken = 0;

  constructor(options: LinkOptions, libc: Libc, choice: Choice, socket: OpenSocket | NodeJS.ErrnoException) {
    this.#libc = libc;
    this.#callbacks = options.callbacks;
    this.#choice = choice;
    this.#drainBudget = options.drainBudget ?? defaultDrainBudget;
    this.#outgoing = new NativeMessage(libc);
    this.#incoming = new NativeMessage(libc);
    this.#errors = new ErrorQueue(libc);
    this.#incoming.setData(Number(libc.addressOf(this.#receiveBuffer)), receiveBytes);
    this.#routes = new Routes(libc, socket instanceof Error ? {} : { from: socket.only, device: options.device });
    if (socket instanceof Error) {
      this.ready = Promise.reject(socket);
      this.ready.catch(() => {});
      return;
    }
    this.#socket = socket;
    this.#fd = socket.fd;
    this.#poll = libc.poll(socket.fd, this.#onReady);
    this.#poll.unref();
    this.ready = Promise.resolve();
    openSockets.add(this);
  }

  locals(): Locator[] {
    const socket = this.#socket;
    if (socket === undefined || this.#fd < 0) return [];
    return socket.only === undefined
      ? localLocators(socket.bound.port, socket.family === Linux.AF_INET6)
      : oneLocator(socket.only, socket.bound.port);
  }

  send(
    buffer: Uint8Array,
    bytes: number,
    packetBytes: number,
    packets: number,
    remote: Locator,
    probe: boolean,
  ): SendResult {
    const size = probe || packetBytes === 0 ? bytes : packetBytes;
    if (this.#pending.length > 0) return this.#keep(buffer, 0, bytes, size, remote);
    const address = this.#addresses.get(buffer) ?? this.#lookUp(buffer);
    this.#taken = 0;
    const errno = this.#transmit(address, bytes, size, remote);
    if (errno === 0) {
      this.counters.batchesSent++;
      this.counters.packetsSent += packets;
      return 'ok';
    }
    if (errno === Linux.EAGAIN) return this.#keep(buffer, this.#taken, bytes, size, remote);
    return this.#refused(errno, size, bytes, remote);
  }

  drain(): number {
    const { view, pointer } = this.#incoming;
    const budget = this.#alone && ++this.#unasked < mostUnasked ? 1 : this.#drainBudget;
    if (budget > 1) this.#unasked = 0;
    let received = 0;
    for (let i = 0; i < budget && this.#fd >= 0; i++) {
      this.#incoming.resetForReceive();
      const bytes = this.#libc.recvmsg(this.#fd, pointer, Linux.MSG_DONTWAIT);
      if (bytes < 0 && this.#libc.errno() === Linux.EAGAIN) break;
      const remote = bytes > 0 ? this.#locators.lookup(view, nameOffset) : undefined;
      if (remote === undefined) continue;
      received++;
      this.counters.batchesReceived++;
      this.counters.bytesReceived += bytes;
      this.#callbacks.received(this.#receiveBuffer, bytes, remote);
      if (this.#alone && received === 1) this.#callbacks.drained();
    }
    if (received > (this.#alone ? 1 : 0)) this.#callbacks.drained();
    if (budget > 1 && received > 0) this.#alone = received === 1;
    return received;
  }

  maxPacketBytes(remote: Locator): number {
    return this.#routes.maxPacketBytes(remote);
  }

  sourceOf(remote: Locator): Uint8Array | undefined {
    return this.#routes.sourceOf(remote);
  }

  forgetRoutes(): void {
    this.#routes.forgetAll();
  }

  receiveDrops(): number {
    const values = new Uint32Array(9);
    const bytes = new Int32Array([values.byteLength]);
    this.#libc.getsockopt(this.#fd, Linux.SOL_SOCKET, Linux.SO_MEMINFO, bytesOf(values), bytesOf(bytes));
    return values[8] ?? 0;
  }

  ref(): void {
    if (this.#fd >= 0) this.#poll?.ref();
  }

  unref(): void {
    if (this.#fd >= 0) this.#poll?.unref();
  }

  close(): Promise<void> {
    if (this.#fd >= 0) {
      this.#poll?.close();
      this.#libc.close(this.#fd);
      this.#fd = -1;
      this.#pending.length = 0;
      openSockets.delete(this);
    }
    return Promise.resolve();
  }

  report(): LinkReport {
    const libc = this.#libc;
    const option = (level: number, name: number): number => intOption(libc, this.#fd, level, name) ?? 0;
    return {
      kind: this.kind,
      ...this.#choice,
      kernel: kernelRelease(),
      koffi: libc.koffiVersion,
      segmentation: this.#segmentsPerCall > 1,
      coalescing: option(Linux.SOL_UDP, Linux.UDP_GRO) === 1,
      dontFragment: option(Linux.SOL_IP, Linux.IP_MTU_DISCOVER) === Linux.IP_PMTUDISC_PROBE,
      ipv6: this.#socket?.family === Linux.AF_INET6,
      receiveBufferBytes: option(Linux.SOL_SOCKET, Linux.SO_RCVBUF),
      sendBufferBytes: option(Linux.SOL_SOCKET, Linux.SO_SNDBUF),
      port: this.#socket?.bound.port ?? 0,
    };
  }

  readonly #onReady = (status: number): void => {
    if (status < 0) this.#readErrors();
    if (this.#pending.length > 0) this.#flush();
    this.drain();
  };

  /** libuv polls no more until they are read. */
  #readErrors(): void {
    if (this.#fd < 0) return;
    this.#errors.drain(this.#fd, this.#locators, this.#callbacks.unreachable);
    this.#poll?.start({ readable: true, writable: this.#pending.length > 0 });
  }

  /** Sends from `address`; `#taken` tells how far it came. Answers 0 or the error number. */
  #transmit(address: number, bytes: number, packetBytes: number, remote: Locator): number {
    const message = this.#outgoing;
    if (remote !== this.#lastRemote && !this.#setRemote(remote)) return Linux.EINVAL;
    let again = true;
    for (let at = 0; at < bytes; ) {
      const piece = Math.min(bytes - at, packetBytes * this.#segmentsPerCall);
      message.setData(address + at, piece);
      message.setSegmentBytes(piece > packetBytes ? packetBytes : 0);
      if (this.#libc.sendmsg(this.#fd, message.pointer, Linux.MSG_DONTWAIT) < 0) {
        const errno = this.#libc.errno();
        if (errno === Linux.EINTR) continue;
        if (again && errno !== Linux.EAGAIN && errno !== Linux.EIO) {
          again = false;
          continue;
        }
        // A device that cannot do checksums refuses segmentation: one packet per call from now on.
        if (errno !== Linux.EIO || this.#segmentsPerCall === 1) return errno;
        this.#segmentsPerCall = 1;
        continue;
      }
      at += piece;
      this.#taken += piece;
      this.counters.bytesSent += piece;
    }
    return 0;
  }

  #lookUp(buffer: Uint8Array): number {
    const address = Number(this.#libc.addressOf(buffer));
    if (buffer.length >= maxBatchBytes) this.#addresses.set(buffer, address);
    return address;
  }

  #setRemote(remote: Locator): boolean {
    const family = this.#socket?.family ?? Linux.AF_INET;
    const bytes = emitSocketAddress(this.#outgoing.view, nameOffset, family, remote);
    this.#outgoing.setNameBytes(bytes);
    this.#lastRemote = bytes > 0 ? remote : undefined;
    return bytes > 0;
  }

  /** EINVAL is what older kernels answer when a segment does not fit the interface. */
  #refused(errno: number, packetBytes: number, bytes: number, remote: Locator): SendResult {
    if (errno === Linux.EMSGSIZE || errno === Linux.EINVAL) {
      this.#routes.forget(remote);
      if (errno === Linux.EMSGSIZE || Math.min(packetBytes, bytes) > this.maxPacketBytes(remote)) {
        this.counters.tooBig++;
        return 'too-big';
      }
    }
    this.counters.failed++;
    this.counters.lastError = getSystemErrorName(-errno);
    return 'failed';
  }

  #keep(buffer: Uint8Array, from: number, to: number, packetBytes: number, remote: Locator): SendResult {
    if (this.#pending.length >= mostPending) {
      this.counters.overflowed++;
      return 'failed';
    }
    const memory = Buffer.allocUnsafeSlow(to - from);
    memory.set(buffer.subarray(from, to));
    const address = Number(this.#libc.addressOf(memory));
    this.#pending.push({ memory, address, packetBytes, remote, offset: 0 });
    this.counters.blocked++;
    if (this.#pending.length === 1) this.#poll?.start({ readable: true, writable: true });
    return 'blocked';
  }

  #flush(): void {
    for (;;) {
      const first = this.#pending[0];
      if (first === undefined) break;
      const rest = first.memory.length - first.offset;
      this.#taken = 0;
      const errno = this.#transmit(first.address + first.offset, rest, first.packetBytes, first.remote);
      first.offset += this.#taken;
      if (errno === Linux.EAGAIN) return;
      this.#pending.shift();
      if (errno === 0) {
        this.counters.batchesSent++;
        this.counters.packetsSent += Math.ceil(first.memory.length / first.packetBytes);
      } else this.#refused(errno, first.packetBytes, first.memory.length, first.remote);
    }
    this.#poll?.start({ readable: true, writable: false });
    this.#callbacks.writable();
  }
}

/** A bound socket; an error of bind; or in words which feature is missing. IPv6 and IPv4 in one where there is IPv6. */
function openSocket(options: LinkOptions, libc: Libc): OpenSocket | NodeJS.ErrnoException | string {
  const only = options.address === undefined ? undefined : parseAddress(options.address);
  if (options.address !== undefined && only === undefined)
    return systemError(Linux.EINVAL, 'bind', `"${options.address}" is not an IP address`);
  if (only?.length !== 4) {
    const socket = openFamily(Linux.AF_INET6, only, options, libc);
    const noIpv6 = socket instanceof Error && /^(EAFNOSUPPORT|EADDRNOTAVAIL)$/.test(socket.code ?? '');
    if (!noIpv6 || only !== undefined) return socket;
  }
  return openFamily(Linux.AF_INET, only, options, libc);
}

function openFamily(
  family: number,
  only: Uint8Array | undefined,
  options: LinkOptions,
  libc: Libc,
): OpenSocket | NodeJS.ErrnoException | string {
  const fd = libc.socket(family, Linux.SOCK_DGRAM | Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC, 0);
  if (fd < 0) return systemError(libc.errno(), 'socket', '');
  const missing = setOptions(libc, fd, family, options);
  if (missing !== undefined) {
    libc.close(fd);
    return missing;
  }
  if (options.device !== undefined) bindToDevice(libc, fd, options.device);
  const port = options.port ?? 0;
  const local: Locator = { address: only ?? new Uint8Array(family === Linux.AF_INET ? 4 : 16), port };
  const address = new Uint8Array(socketAddressBytes);
  const view = new DataView(address.buffer);
  if (libc.bind(fd, address, emitSocketAddress(view, 0, family, local)) < 0) {
    const error = systemError(libc.errno(), 'bind', `${options.address ?? '*'}:${port}`);
    libc.close(fd);
    return Object.assign(error, { address: options.address ?? '*', port });
  }
  libc.getsockname(fd, address, bytesOf(new Int32Array([socketAddressBytes])));
  const everywhere = only === undefined || only.every((byte) => byte === 0);
  const bound: Locator = { address: local.address, port: view.getUint16(2) };
  return { fd, family, bound, only: everywhere ? undefined : only };
}

/** Answers in words the feature that is missing and that the link cannot do without. */
function setOptions(libc: Libc, fd: number, family: number, options: LinkOptions): string | undefined {
  const set = (level: number, name: number, value: number): boolean => setIntOption(libc, fd, level, name, value);
  if (!set(Linux.SOL_UDP, Linux.UDP_SEGMENT, 0)) return 'the kernel has no UDP_SEGMENT (Linux 4.18)';
  if (!set(Linux.SOL_UDP, Linux.UDP_GRO, 1)) return 'the kernel has no UDP_GRO (Linux 5.0)';
  if (family === Linux.AF_INET6) {
    set(Linux.SOL_IPV6, Linux.IPV6_V6ONLY, 0);
    set(Linux.SOL_IPV6, Linux.IPV6_MTU_DISCOVER, Linux.IP_PMTUDISC_PROBE);
    set(Linux.SOL_IPV6, Linux.IPV6_RECVERR, 1);
  }
  set(Linux.SOL_IP, Linux.IP_MTU_DISCOVER, Linux.IP_PMTUDISC_PROBE);
  set(Linux.SOL_IP, Linux.IP_RECVERR, 1);
  const receive = options.receiveBufferBytes ?? defaultReceiveBufferBytes;
  const transmit = options.sendBufferBytes ?? defaultSendBufferBytes;
  // The FORCE options pass net.core.rmem_max and need privilege; the plain ones are cut to it.
  if (!set(Linux.SOL_SOCKET, Linux.SO_RCVBUFFORCE, receive)) set(Linux.SOL_SOCKET, Linux.SO_RCVBUF, receive);
  if (!set(Linux.SOL_SOCKET, Linux.SO_SNDBUFFORCE, transmit)) set(Linux.SOL_SOCKET, Linux.SO_SNDBUF, transmit);
  return undefined;
}
