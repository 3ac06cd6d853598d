// One end of a connection that plays a script over a driver and writes down what became of it. Every byte received is
// compared with the one that the other end must have sent at that offset: a byte lost, doubled or misplaced shows.

import { type Reason, seededRandom } from '../../src/core/base/index.ts';
import type { Driver, Event, SocketId } from '../../src/core/stack/index.ts';
import { type Clock, schedule } from '../../src/sim/index.ts';
import type { Script } from './plan.ts';

export interface Endpoint {
  readonly socket: SocketId;
  readonly script: Script;
  opened: boolean;
  sentBytes: number;
  receivedBytes: number;
  /** Offset of the first byte that was not the expected one; -1: none. */
  wrongAt: number;
  localEnd: boolean;
  remoteEnd: boolean;
  aborted: boolean;
  /** When the other end asked this one to go on elsewhere. */
  readonly shedUs: number[];
  /** What it was told of its flows, as `STATE INTERFACE`. */
  readonly paths: string[];
  /** Of the `closed` event. */
  reason: Reason | undefined;
  detail: string;
  openedUs: number;
  closedUs: number;
}

interface Play extends Endpoint {
  readonly driver: Driver;
  readonly clock: Clock;
  wantedBytes: number;
  writing: boolean;
}

/** Prime, so that no packet or record size repeats the stream. */
const period = 65_521;
const longestWrite = 65_537;
const noise = makeNoise();

/** Plays `script` on a socket that is open already (`connection`) or will be (`connected`). */
export function playScript(driver: Driver, clock: Clock, socket: SocketId, script: Script, open: boolean): Endpoint {
  const play: Play = {
    socket,
    script,
    driver,
    clock,
    opened: false,
    sentBytes: 0,
    receivedBytes: 0,
    wrongAt: -1,
    localEnd: false,
    remoteEnd: false,
    aborted: false,
    shedUs: [],
    paths: [],
    reason: undefined,
    detail: '',
    openedUs: -1,
    closedUs: -1,
    wantedBytes: 0,
    writing: false,
  };
  driver.attach(socket, (event) => onEvent(play, event));
  if (script.abort?.kind === 'time') schedule(clock, clock.nowUs + script.abort.afterUs, () => abort(play));
  if (open) start(play);
  return play;
}

/** Another process goes on with this end where it stood, on a socket of its own; `start` once the socket is open. */
export function continueScript(
  endpoint: Endpoint,
  driver: Driver,
  socket: SocketId,
): { play: Endpoint; start(): void } {
  const play: Play = { ...(endpoint as Play), driver, socket, writing: false };
  return { play, start: () => start(play) };
}

/** What the socket of a script is told. */
export function hear(endpoint: Endpoint, event: Event): void {
  onEvent(endpoint as Play, event);
}

/** Everything sent was delivered, both ends ended, nothing else. */
export function isIntact(endpoint: Endpoint): boolean {
  const { script, receivedBytes, wrongAt, remoteEnd, reason } = endpoint;
  return reason === 0 && remoteEnd && wrongAt === -1 && receivedBytes === script.receiveBytes;
}

/** The bytes of stream `salt` from `offset`; a view, valid until it is read. */
export function streamBytes(salt: number, offset: number, bytes: number): Uint8Array {
  const start = (offset + salt * 7_919) % period;
  return noise.subarray(start, start + bytes);
}

function onEvent(play: Play, event: Event): void {
  if (event.kind === 'connected') start(play);
  else if (event.kind === 'data') onData(play, event.bytes);
  else if (event.kind === 'writable') writeMore(play);
  else if (event.kind === 'end') onEnd(play);
  else if (event.kind === 'shed') play.shedUs.push(play.clock.nowUs);
  else if (event.kind === 'path') play.paths.push(`${event.path.state} ${event.path.interface}`);
  else if (event.kind === 'closed') {
    play.reason = event.reason;
    play.detail = event.detail;
    play.closedUs = play.clock.nowUs;
  }
}

function start(play: Play): void {
  play.opened = true;
  play.openedUs = play.clock.nowUs;
  demand(play);
  writeMore(play);
  checkAbort(play);
}

function demand(play: Play): void {
  if (play.reason !== undefined) return;
  play.wantedBytes = play.script.readBytes;
  play.driver.handle({ kind: 'read', socket: play.socket, bytes: play.wantedBytes });
}

function onData(play: Play, bytes: Uint8Array): void {
  compare(play, bytes);
  play.receivedBytes += bytes.length;
  const before = play.wantedBytes;
  play.wantedBytes -= bytes.length;
  if (before > 0 && play.wantedBytes <= 0) {
    if (play.script.pauseUs === 0) demand(play);
    else schedule(play.clock, play.clock.nowUs + play.script.pauseUs, () => demand(play));
  }
  checkAbort(play);
}

function compare(play: Play, bytes: Uint8Array): void {
  if (play.wrongAt !== -1) return;
  for (let at = 0; at < bytes.length; at += period) {
    const part = bytes.subarray(at, at + period);
    const expected = streamBytes(play.script.receiveSalt, play.receivedBytes + at, part.length);
    if (Buffer.compare(part, expected) === 0) continue;
    play.wrongAt = play.receivedBytes + at + part.findIndex((byte, i) => byte !== expected[i]);
    return;
  }
}

function writeMore(play: Play): void {
  const { script, driver, socket } = play;
  // An abort inside must not be followed by a write, nor a write that ends up here again be nested.
  if (play.writing || !play.opened || play.localEnd) return;
  play.writing = true;
  while (play.sentBytes < script.sendBytes && !play.aborted && play.reason === undefined) {
    const length = Math.min(script.writeBytes, script.sendBytes - play.sentBytes);
    const bytes = streamBytes(script.sendSalt, play.sentBytes, length);
    const taken = driver.handle({ kind: 'write', socket, bytes, offset: 0 });
    play.sentBytes += taken;
    checkAbort(play);
    if (taken < length) break;
  }
  play.writing = false;
  if (play.sentBytes === script.sendBytes && (script.endWhen === 'sent' || play.remoteEnd)) endNow(play);
}

function endNow(play: Play): void {
  if (play.localEnd || play.aborted) return;
  play.localEnd = true;
  play.driver.handle({ kind: 'end', socket: play.socket });
}

function onEnd(play: Play): void {
  play.remoteEnd = true;
  if (play.script.endWhen === 'peer-ended') writeMore(play);
}

function checkAbort(play: Play): void {
  const condition = play.script.abort;
  if (condition === undefined || condition.kind === 'time') return;
  const reached = condition.kind === 'sent' ? play.sentBytes : play.receivedBytes;
  if (reached >= condition.bytes) abort(play);
}

function abort(play: Play): void {
  if (play.aborted || play.reason !== undefined) return;
  play.aborted = true;
  play.driver.handle({ kind: 'abort', socket: play.socket });
}

function makeNoise(): Uint8Array {
  const random = seededRandom(20_260_101);
  const once = Uint8Array.from({ length: period }, () => random.uint32() & 0xff);
  return Uint8Array.from({ length: period + longestWrite }, (_, i) => once[i % period] as number);
}
