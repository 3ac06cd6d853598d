// Waiting for sockets without a call into JavaScript for each wake-up. libuv calls a C function when a socket is ready;
// here that is its own uv_handle_set_data, which writes its second argument, the status, into the handle: memory of ours, at
// which an immediate looks behind each turn of the loop. It keeps no process alive, and the loop from sleeping only while it
// pays to wait awake (spin.ts).
// Rejected: koffi's poll handle as it is, which makes an object of three named properties and calls outside of Node's ticks,
// so that all it can do is to set an immediate: 3 us of the 30 that a short message costs a process.

import { setImmediate } from 'node:timers';
import { isMainThread } from 'node:worker_threads';
import { nowUs } from './clock.ts';
import { chooseSpinUs, createSpin, type Spin, turnOn } from './spin.ts';

/** A libuv poll handle. Readable is what it waits for at first. */
export interface PollHandle {
  /** Waits for these from now on; to be called again after an error. */
  start(events: PollEvents): void;
  ref(): void;
  unref(): void;
  close(): void;
}

export interface PollEvents {
  readonly readable: boolean;
  readonly writable: boolean;
}

/**
 * `callback` comes once a turn of the loop, where immediates do. `status` below 0: the socket has an error waiting, and
 * nothing is waited for any more until `start` is called again.
 */
export type CreatePoll = (fd: number, callback: (status: number) => void) => PollHandle;

type Koffi = typeof import('koffi');
type Library = ReturnType<Koffi['load']>;

/** Of libuv's public interface: the numbers of uv_handle_type and uv_poll_event. */
const uvPoll = 8;
const uvReadable = 1;
const uvWritable = 2;

/** `uv_handle_t.data` is its first field; no status is positive. */
const dataAt = 0;
const notReady = 1;

interface Watched {
  readonly words: Int32Array;
  readonly callback: (status: number) => void;
}

const watched = new Set<Watched>();
let looking = false;
let spin: Spin | undefined;

/** By koffi's own handle where this Node hides what is needed, and in a worker, whose loop must be left without handles. */
export function choosePoll(koffi: Koffi, library: Library): CreatePoll {
  const byKoffi: CreatePoll = (fd, callback) => pollByKoffi(koffi, fd, callback);
  if (!isMainThread) return byKoffi;
  try {
    return declare(koffi, library);
  } catch {
    return byKoffi;
  }
}

/** Its callbacks run outside Node's tick machinery: work done there would delay ticks and lose exceptions. */
function pollByKoffi(koffi: Koffi, fd: number, callback: (status: number) => void): PollHandle {
  let woken: number | undefined;
  const wake = (): void => {
    const status = woken ?? 0;
    woken = undefined;
    callback(status);
  };
  const onReady = (status: number): void => {
    if (woken === undefined) setImmediate(wake);
    woken = Math.min(woken ?? 0, status);
  };
  // Its types leave the status out.
  const handle = koffi.node.poll(fd, onReady as () => void);
  return {
    start: (events) => handle.start(events, onReady as () => void),
    ref: () => handle.ref(),
    unref: () => handle.unref(),
    close: () => handle.close(),
  };
}

function declare(koffi: Koffi, library: Library): CreatePoll {
  const ptr = 'uint64_t';
  const poll = {
    init: library.func(`int uv_poll_init(${ptr}, void *, int)`),
    start: library.func(`int uv_poll_start(void *, int, ${ptr})`),
    ref: library.func('void uv_ref(void *)'),
    unref: library.func('void uv_unref(void *)'),
    close: library.func(`void uv_close(void *, ${ptr})`),
  };
  const bytes = library.func('size_t uv_handle_size(int)')(uvPoll) as number;
  const loop = findLoop(koffi, library);
  const setData = koffi.address(library.symbol('uv_handle_set_data', 'void *'));
  return (fd, callback) => {
    spin ??= createSpin(chooseSpinUs());
    const handle = Buffer.allocUnsafeSlow(bytes).fill(0);
    const words = new Int32Array(handle.buffer);
    words[dataAt] = notReady;
    if ((poll.init(loop, handle, fd) as number) !== 0) throw new Error(`uv_poll_init of ${fd} failed`);
    const entry: Watched = { words, callback };
    watch(entry);
    const start = ({ readable, writable }: PollEvents): void =>
      void poll.start(handle, (readable ? uvReadable : 0) | (writable ? uvWritable : 0), setData);
    start({ readable: true, writable: false });
    return {
      start,
      ref: () => void poll.ref(handle),
      unref: () => void poll.unref(handle),
      close: () => {
        if (!watched.delete(entry)) return;
        poll.close(handle, 0);
        keepForClosing(handle);
      },
    };
  };
}

/** The loop of this Node, which need not be libuv's default one. */
function findLoop(koffi: Koffi, library: Library): bigint {
  const { env } = koffi.node as unknown as { env: unknown };
  const loop = new BigUint64Array(1);
  const status = library.func('int napi_get_uv_event_loop(void *, void *)')(env, loop) as number;
  if (status !== 0 || loop[0] === undefined || loop[0] === 0n) throw new Error('this Node tells no event loop');
  return loop[0];
}

function watch(entry: Watched): void {
  watched.add(entry);
  if (looking) return;
  looking = true;
  setImmediate(look).unref();
}

/** Arms itself first: should a callback throw, the others are looked at in the next turn. */
function look(): void {
  looking = watched.size > 0;
  if (!looking) return;
  const next = setImmediate(look);
  let woken = false;
  for (const { words, callback } of watched) {
    const status = words[dataAt] ?? notReady;
    if (status === notReady) continue;
    words[dataAt] = notReady;
    woken = true;
    callback(status);
  }
  // Referenced, it holds the loop from sleeping.
  const waitsAwake = spin !== undefined && (woken || spin.endUs > 0) && turnOn(spin, woken, nowUs());
  if (!waitsAwake) next.unref();
}

/** libuv lets go of a closed handle's memory at the end of a turn. */
function keepForClosing(handle: Uint8Array): void {
  setImmediate(() => setImmediate(() => void handle).unref()).unref();
}
