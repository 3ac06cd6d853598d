// The one timer of a driver. Node's own goes off at its time also when it was cleared or set to later meanwhile, and finds nothing
// to do: to an idle process, whose deadline moves with each heartbeat, that is a cold wake-up a second, a fifth of its
// work. So what is far is waited for by a timer of the kernel's (timerfd), which is really put back; what is near, as a busy
// process has it, by Node's, which takes no system call. Neither keeps a process alive.

import { isMainThread } from 'node:worker_threads';
import { type Libc, Linux, loadLibc, openSockets } from './libc.ts';
import type { PollHandle } from './uv-poll.ts';

const leastFarUs = 50_000;
const longestMs = 2 ** 31 - 1;

export class WakeTimer {
  readonly #due: () => void;
  readonly #kernel: KernelTimer | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `due` is called once for each `set`, unless another one or `clear` came before. */
  constructor(due: () => void, libc: Libc | string = loadLibc()) {
    this.#due = due;
    // The loop of a worker is left without handles of ours.
    if (typeof libc !== 'string' && isMainThread) this.#kernel = openKernelTimer(libc, due);
  }

  set(waitUs: number): void {
    clearTimeout(this.#timer);
    const waitMs = Math.min(Math.ceil(waitUs / 1_000), longestMs);
    // The kernel's is put back by setting it: a call instead of two.
    if (this.#kernel !== undefined && waitUs >= leastFarUs) return this.#kernel.set(waitMs);
    this.#kernel?.clear();
    this.#timer = setTimeout(this.#due, waitMs).unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#kernel?.clear();
  }

  close(): void {
    this.clear();
    this.#kernel?.close();
  }
}

function openKernelTimer(libc: Libc, due: () => void): KernelTimer | undefined {
  const fd = libc.timerfd_create(Linux.CLOCK_MONOTONIC, Linux.TFD_NONBLOCK | Linux.TFD_CLOEXEC);
  return fd < 0 ? undefined : new KernelTimer(libc, fd, due);
}

class KernelTimer {
  readonly #libc: Libc;
  readonly #due: () => void;
  readonly #poll: PollHandle;
  /** struct itimerspec: the interval, then the first time, in seconds and nanoseconds. */
  readonly #time = new BigInt64Array(4);
  readonly #bytes = new Uint8Array(this.#time.buffer);
  #fd: number;
  #armed = false;

  constructor(libc: Libc, fd: number, due: () => void) {
    this.#libc = libc;
    this.#fd = fd;
    this.#due = due;
    this.#poll = libc.poll(fd, this.#onReady);
    this.#poll.unref();
    openSockets.add(this);
  }

  set(waitMs: number): void {
    this.#armed = true;
    this.#settime(waitMs);
  }

  /** Also takes back that it has gone off. */
  clear(): void {
    if (!this.#armed) return;
    this.#armed = false;
    this.#settime(0);
  }

  close(): void {
    if (this.#fd < 0) return;
    openSockets.delete(this);
    this.#poll.close();
    this.#libc.close(this.#fd);
    this.#fd = -1;
  }

  #settime(waitMs: number): void {
    if (this.#fd < 0) return;
    this.#time[2] = BigInt(Math.trunc(waitMs / 1_000));
    this.#time[3] = BigInt((waitMs % 1_000) * 1_000_000);
    this.#libc.timerfd_settime(this.#fd, 0, this.#bytes, null);
  }

  /** Readiness that was seen before `clear` or `set` is still told after it. */
  readonly #onReady = (): void => {
    if (!this.#armed || !this.#hasGoneOff()) return;
    this.clear();
    this.#due();
  };

  #hasGoneOff(): boolean {
    this.#libc.timerfd_gettime(this.#fd, this.#bytes);
    return this.#time[2] === 0n && this.#time[3] === 0n;
  }
}
