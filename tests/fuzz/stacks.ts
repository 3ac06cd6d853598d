// A client, a server and a router: three stacks in virtual time, joined by a list of packets under way that the target
// delivers, drops, repeats and damages as it likes. Barer than src/sim, which draws links from a seed and hashes every
// packet: here the input decides, and a sequence must cost microseconds. Applications check what they read.

import { strict as assert } from 'node:assert';
import { type Locator, type Primitives, Reason, sameLocator, seededRandom } from '../../src/core/base/index.ts';
import { labelServiceId, memberServiceId } from '../../src/core/security/index.ts';
import {
  createOutput,
  createStack,
  type Event,
  Protocol,
  type SocketId,
  type Stack,
  type StackOptions,
} from '../../src/core/stack/index.ts';
import { fillContent, firstStrange } from './content.ts';
import { createToyCrypto, type ToyCrypto } from './toy-crypto.ts';

export interface Host {
  readonly name: string;
  readonly locator: Locator;
  readonly stack: Stack;
  readonly ends: Map<SocketId, End>;
  readonly listeners: Set<SocketId>;
  deadlineUs: number;
}

/** One end of a connection, and what its application did and saw. */
export interface End {
  readonly host: Host;
  readonly socket: SocketId;
  /** Number of the dial, which both ends know: content follows from it. */
  readonly dial: number;
  readonly server: boolean;
  sentBytes: number;
  receivedBytes: number;
  open: boolean;
  ended: boolean;
  aborted: boolean;
  /** The peer's end was told. */
  told: boolean;
}

export interface Flight {
  readonly to: Host;
  readonly from: Locator;
  readonly bytes: Uint8Array;
}

export interface Stacks {
  readonly hosts: readonly [Host, Host, Host];
  readonly flights: Flight[];
  readonly ends: End[];
  readonly crypto: ToyCrypto;
  /** Data goes in the clear. */
  readonly insecure: boolean;
  nowUs: number;
  dials: number;
  /** A packet was made up or damaged: openings may fail, and in the clear what arrives may be anything. */
  forged: boolean;
  /** Dials that were open on both sides and sealed before the first forgery: no forged packet may kill those. */
  readonly sheltered: Set<number>;
}

export interface StacksOptions {
  readonly seed: number;
  /** The two know the router and it finds the server; otherwise they find each other by multicast. */
  readonly routed: boolean;
  readonly insecure: boolean;
}

/** A stack that gives more outputs at one time does not come to rest. */
const mostOutputs = 20_000;
/** More packets under way are lost: what a sequence can hold up must be bounded. */
const mostFlights = 400;
const mostSpareBlocks = 12;
const linkBytes = 1472;
const leaseUs = 5_000_000;
const serviceBits = 224;

export const locators: readonly Locator[] = [1, 2, 254, 7].map((last) => ({
  address: Uint8Array.of(10, 0, 0, last),
  port: last === 254 ? 54_324 : 40_000,
}));

const label = 'fuzz';
const service = labelServiceId(createToyCrypto(), label);
const output = createOutput(new Uint8Array(65_536));
const piece = new Uint8Array(4096);
/** Handed on from one world to the next: memory is what a stack costs most. */
const spareBlocks: Uint8Array[] = [];

export function createStacks({ seed, routed, insecure }: StacksOptions): Stacks {
  const stacks: Stacks = {
    hosts: [] as unknown as Stacks['hosts'],
    flights: [],
    ends: [],
    crypto: createToyCrypto(),
    insecure,
    nowUs: 1_000_000,
    dials: 0,
    forged: false,
    sheltered: new Set(),
  };
  const member = routed ? { router: locators[2]!, adHoc: false } : { adHoc: true };
  const hosts = [
    createHost(stacks, 'client', locators[0]!, seed, member),
    createHost(stacks, 'server', locators[1]!, seed + 1, member),
    createHost(stacks, 'router', locators[2]!, seed + 2, { adHoc: false, forwarding: true, controller: routed }),
  ] as const;
  Object.assign(stacks, { hosts });
  for (const host of hosts) handle(stacks, host, { kind: 'bound', locals: [host.locator] });
  return stacks;
}

/** The end of a world, whose memory the next one can use. */
export function retire({ hosts }: Stacks): void {
  for (const { stack } of hosts) spareBlocks.push(...stack.state.blocks.free);
  spareBlocks.length = Math.min(spareBlocks.length, mostSpareBlocks);
}

function createHost(
  stacks: Stacks,
  name: string,
  locator: Locator,
  seed: number,
  options: Partial<StackOptions>,
): Host {
  const primitives: Primitives = {
    ...stacks.crypto,
    random: seededRandom(seed),
    allocate: (bytes) => new Uint8Array(bytes),
    unixSeconds: () => 1_800_000_000 + Math.floor(stacks.nowUs / 1e6),
  };
  const stack = createStack({
    adHoc: true,
    forwarding: false,
    controller: false,
    leaseUs,
    ...options,
    primitives,
    maxPacketBytes: () => linkBytes,
  });
  stack.state.blocks.free.push(...spareBlocks.splice(0, 4));
  return { name, locator, stack, ends: new Map(), listeners: new Set(), deadlineUs: Infinity };
}

/** Gives one input to a stack and takes everything that comes out of it. */
export function handle(stacks: Stacks, host: Host, input: Parameters<Stack['handle']>[1]): number {
  const answer = host.stack.handle(stacks.nowUs, input);
  pump(stacks, host);
  return answer;
}

function pump(stacks: Stacks, host: Host): void {
  for (let outputs = 0; outputs < mostOutputs; outputs++) {
    const kind = host.stack.poll(stacks.nowUs, output);
    if (kind === 'idle') {
      host.deadlineUs = output.deadlineUs;
      return;
    }
    if (kind === 'transmit') transmit(stacks, host);
    else if (kind === 'event') dispatch(stacks, host, output.event);
  }
  assert.fail(`the ${host.name} does not come to rest`);
}

function transmit(stacks: Stacks, from: Host): void {
  const { batch, remote } = output;
  const size = batch.packetBytes > 0 ? batch.packetBytes : batch.bytes;
  const multicast = remote.address[0] === 239;
  for (const to of stacks.hosts) {
    if (multicast ? to === from : !sameLocator(to.locator, remote)) continue;
    for (let at = 0; at < batch.bytes && stacks.flights.length < mostFlights; at += size) {
      const bytes = batch.buffer.slice(at, Math.min(at + size, batch.bytes));
      assert.ok(batch.probe || bytes.length <= linkBytes, 'no packet is larger than the link allows');
      stacks.flights.push({ to, from: from.locator, bytes });
    }
  }
}

function dispatch(stacks: Stacks, host: Host, event: Event): void {
  if (event.kind === 'connection') return accept(stacks, host, event.connection, event.service);
  if (event.kind === 'closed' || event.kind === 'listen-failed') host.listeners.delete(event.socket);
  const end = host.ends.get(event.socket);
  if (end === undefined) return;
  if (event.kind === 'data') take(stacks, end, event.bytes);
  else if (event.kind === 'end') endTold(stacks, end);
  else if (event.kind === 'closed') closed(stacks, end, event.reason);
}

function accept(stacks: Stacks, host: Host, socket: SocketId, to: Uint8Array): void {
  const dial = new DataView(to.buffer, to.byteOffset).getUint32(28);
  host.ends.set(socket, addEnd(stacks, host, socket, dial, true));
}

function addEnd(stacks: Stacks, host: Host, socket: SocketId, dial: number, server: boolean): End {
  const counted = { sentBytes: 0, receivedBytes: 0 };
  const end = { host, socket, dial, server, ...counted, open: true, ended: false, aborted: false, told: false };
  stacks.ends.push(end);
  return end;
}

function streamOf(dial: number, server: boolean): number {
  return dial * 2 + (server ? 1 : 0);
}

function take(stacks: Stacks, end: End, bytes: Uint8Array): void {
  const { dial, server, receivedBytes } = end;
  assert.ok(!end.told && !end.aborted, 'nothing comes after the end');
  end.receivedBytes += bytes.length;
  if (stacks.forged && stacks.insecure) return;
  assert.equal(firstStrange(bytes, 0, bytes.length, streamOf(dial, !server), receivedBytes), -1, 'content');
}

/** Who ends is believed: all that was written has come. */
function endTold(stacks: Stacks, end: End): void {
  assert.ok(!end.told && !end.aborted, 'an end is told once, and not to who gave up');
  end.told = true;
  if (stacks.forged && stacks.insecure) return;
  const peers = stacks.ends.filter(({ dial, server }) => dial === end.dial && server !== end.server);
  assert.ok(
    peers.some((peer) => peer.ended && peer.sentBytes === end.receivedBytes),
    'an end is told when all that was written has come',
  );
}

function closed({ forged, insecure }: Stacks, end: End, reason: Reason): void {
  assert.ok(end.open, 'a socket closes once');
  end.open = false;
  end.host.ends.delete(end.socket);
  if (reason === Reason.OK && !(forged && insecure) && !end.aborted)
    assert.ok(end.told && end.ended, 'in order only when both sides have ended');
}

export function listen(stacks: Stacks, host: Host): void {
  const security = { insecure: stacks.insecure };
  const socket = handle(stacks, host, { kind: 'listen', service, bits: serviceBits, protocol: Protocol.TCP, security });
  host.listeners.add(socket);
}

export function dial(stacks: Stacks, host: Host): void {
  const number = ++stacks.dials;
  const to = memberServiceId(service, number);
  const security = { insecure: stacks.insecure };
  const socket = host.stack.handle(stacks.nowUs, { kind: 'connect', service: to, protocol: Protocol.TCP, security });
  host.ends.set(socket, addEnd(stacks, host, socket, number, false));
  pump(stacks, host);
}

export function write(stacks: Stacks, end: End, length: number): void {
  if (end.ended || end.aborted) return;
  const bytes = piece.subarray(0, Math.min(length, piece.length));
  fillContent(bytes, 0, bytes.length, streamOf(end.dial, end.server), end.sentBytes);
  const before = end.sentBytes;
  const taken = end.host.stack.handle(stacks.nowUs, { kind: 'write', socket: end.socket, bytes, offset: 0 });
  assert.ok(taken >= 0 && taken <= bytes.length);
  end.sentBytes = before + taken;
  pump(stacks, end.host);
}

export function finish(stacks: Stacks, end: End): void {
  end.ended = true;
  handle(stacks, end.host, { kind: 'end', socket: end.socket });
}

export function abort(stacks: Stacks, end: End): void {
  end.aborted = true;
  handle(stacks, end.host, { kind: 'abort', socket: end.socket });
}

/** To be called before a packet is made up or damaged. */
export function noteForgery(stacks: Stacks): void {
  if (!stacks.forged && !stacks.insecure)
    for (const { dial, server } of stacks.ends) if (server) stacks.sheltered.add(dial);
  stacks.forged = true;
}

/** To be called before a packet comes from elsewhere: the flow may follow it to where nobody is. */
export function noteDiversion(stacks: Stacks): void {
  stacks.forged = true;
  stacks.sheltered.clear();
}

/** Neither end gave up, and nothing was in its way: what was written must arrive, and the ends with it. */
export function isUndisturbed({ ends, forged, sheltered }: Stacks, { dial }: End): boolean {
  if (forged && !sheltered.has(dial)) return false;
  return !ends.some((end) => end.dial === dial && end.aborted);
}

export function deliver(stacks: Stacks, flight: Flight): void {
  handle(stacks, flight.to, {
    kind: 'packets',
    buffer: flight.bytes,
    bytes: flight.bytes.length,
    remote: flight.from,
  });
}

/** Delivers what is under way, in order, and what that draws, up to `most` packets. Answers how many. */
export function deliverAll(stacks: Stacks, most: number): number {
  let delivered = 0;
  for (; delivered < most; delivered++) {
    const flight = stacks.flights.shift();
    if (flight === undefined) break;
    deliver(stacks, flight);
  }
  return delivered;
}

export function nextDeadlineUs({ hosts }: Stacks): number {
  return Math.min(...hosts.map(({ deadlineUs }) => deadlineUs));
}

/** Lets the clock reach `untilUs`, stopping at each deadline on the way; nothing is delivered meanwhile. */
export function advance(stacks: Stacks, untilUs: number): void {
  for (let ticks = 0; nextDeadlineUs(stacks) <= untilUs; ticks++) {
    assert.ok(ticks < mostOutputs, 'time goes on');
    tick(stacks, nextDeadlineUs(stacks));
  }
  stacks.nowUs = Math.max(stacks.nowUs, untilUs);
}

/** Wakes whoever is due at `atUs`. A deadline that does not move would come again at once, and for ever. */
export function tick(stacks: Stacks, atUs: number): void {
  stacks.nowUs = Math.max(stacks.nowUs, Math.ceil(atUs));
  for (const host of stacks.hosts) {
    if (host.deadlineUs > stacks.nowUs) continue;
    handle(stacks, host, { kind: 'tick' });
    assert.ok(host.deadlineUs > stacks.nowUs, `the ${host.name} asks for the same tick again`);
  }
}
