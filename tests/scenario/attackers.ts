// Attackers of the scenarios. Off-path: a station that sends under any source address and sees only what reaches its own.
// On-path: a tap that sees each packet of a path and decides what goes on. Both are deterministic. What they forge is built
// with the wire format's own codec; keys they have none, but a hostile peer has its own.

import {
  type FlowId,
  type Locator,
  type Random,
  randomBelow,
  randomBytes,
  randomId,
  type ServiceId,
} from '../../src/core/base/index.ts';
import { Protocol } from '../../src/core/stack/index.ts';
import {
  baseHeaderBytes,
  ControlFlag,
  controlBytes,
  createSegment,
  emitBase,
  emitControl,
  emitHandshake,
  emitMac,
  emitSegment,
  emitService,
  macBytes,
  macTagBytes,
  type Segment,
  segmentHeaderBytes,
  serviceBytes,
  synBytes,
  TcpFlag,
} from '../../src/core/wire/index.ts';
import {
  addLink,
  attachStation,
  inject,
  type LinkOptions,
  makeLocator,
  type Packet,
  type Simulation,
  type Station,
  schedule,
  setPath,
  setTap,
} from '../../src/sim/index.ts';

export interface Attacker {
  readonly station: Station;
  readonly locator: Locator;
  /** What was sent to its own address. */
  readonly received: Packet[];
}

/** A station of its own at `address`, that the byte ledger expects nothing of. Its links take no time. */
export function addAttacker(simulation: Simulation, address = '203.0.113.66', name = 'mallory'): Attacker {
  const locator = makeLocator(address, 6_666);
  const received: Packet[] = [];
  const station: Station = {
    name,
    segment: name,
    locals: [locator],
    seenAs: [locator],
    receive: (packet) => void received.push(packet),
    tooBig() {},
  };
  attachStation(simulation.network, station);
  simulation.ledger.exempt.add(name);
  return { station, locator, received };
}

/** How fast the attacker reaches `host`. */
export function placeAttacker(simulation: Simulation, { station }: Attacker, host: string, link: Partial<LinkOptions>) {
  setPath(simulation.network, station.name, host, [addLink(simulation.network, link)]);
}

/** Sends what claims to come from `source`. */
export function spoof(simulation: Simulation, { station }: Attacker, packet: Packet): void {
  inject(simulation.network, station, packet);
}

/** The same, `afterUs` from now. */
export function spoofLater(simulation: Simulation, attacker: Attacker, packet: Packet, afterUs: number): void {
  const { clock } = simulation;
  schedule(clock, clock.nowUs + afterUs, () => spoof(simulation, attacker, packet));
}

/** One tap on each of the paths, by `from>to`; `tap` is told where the packet was seen. */
export function tapAll(
  simulation: Simulation,
  paths: readonly string[],
  tap: ((packet: Packet, path: string) => readonly Packet[]) | undefined,
): void {
  for (const path of paths) {
    const [from = '', to = ''] = path.split('>');
    setTap(simulation.network, from, to, tap && ((packet) => tap(packet, path)));
  }
}

/** A copy with one bit changed. */
export function flipBit(packet: Packet, bit: number): Packet {
  const bytes = packet.bytes.slice();
  const at = bit >> 3;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
  return { ...packet, bytes };
}

export interface Forgery {
  /** Right or wrong: 16 bytes; undefined: no MAC. */
  readonly tag?: Uint8Array | undefined;
}

export interface ForgedControl extends Forgery {
  readonly flags: number;
  readonly reason?: number;
  readonly nonce: FlowId;
  readonly from: FlowId;
  /** Extensions behind CONTROL, as they stand on the wire. */
  readonly extensions?: Uint8Array;
}

/** A SYN for `service`, as any client could send it; `key` stands for its half of the key exchange. */
export function forgeSyn(service: ServiceId, flow: FlowId, nonce: FlowId, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(synBytes);
  const view = new DataView(bytes.buffer);
  let at = baseHeaderBytes;
  at += emitControl(view, at, {
    flags: ControlFlag.SYN,
    reason: 0,
    attempt: 0,
    options: 0,
    nonceHi: nonce.hi,
    nonceLo: nonce.lo,
    flowHi: flow.hi,
    flowLo: flow.lo,
  });
  at += emitService(view, at, service, undefined);
  const offer = new Uint8Array(33);
  offer.set(key.subarray(0, 32));
  at += emitHandshake(view, at, 0, 0, offer);
  const segment: Segment = { ...createSegment(), flags: TcpFlag.SYN, windowRaw: 0xffff, mss: 1_000, windowScale: 7 };
  const end = at + emitSegment(view, at, { ...segment, hasTimestamps: true, tsval: 1, sackPermitted: true });
  emitBase(view, 0, at, Protocol.TCP, end, 0, 0);
  return bytes;
}

/** A control packet to the flow `to`. */
export function forgeControl(to: FlowId, forged: ForgedControl): Uint8Array {
  const { flags, reason = 0, nonce, from, tag, extensions = new Uint8Array(0) } = forged;
  const headerBytes = baseHeaderBytes + controlBytes + extensions.length + (tag === undefined ? 0 : macBytes);
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  emitBase(view, 0, headerBytes, 0, headerBytes, to.hi, to.lo);
  emitControl(view, baseHeaderBytes, {
    flags,
    reason,
    attempt: 0,
    options: 0,
    nonceHi: nonce.hi,
    nonceLo: nonce.lo,
    flowHi: from.hi,
    flowLo: from.lo,
  });
  bytes.set(extensions, baseHeaderBytes + controlBytes);
  if (tag !== undefined) putTag(view, bytes, headerBytes - macBytes, tag);
  return bytes;
}

/** A segment to the flow `to`, with `payload` behind it. */
export function forgeSegment(
  to: FlowId,
  values: Partial<Segment>,
  payload: Uint8Array,
  { tag }: Forgery = {},
): Uint8Array {
  const segment: Segment = { ...createSegment(), flags: TcpFlag.ACK, windowRaw: 0xffff, ...values };
  const headerBytes = baseHeaderBytes + (tag === undefined ? 0 : macBytes);
  const dataAt = headerBytes + segmentHeaderBytes(segment);
  const bytes = new Uint8Array(dataAt + payload.length);
  const view = new DataView(bytes.buffer);
  emitBase(view, 0, headerBytes, Protocol.TCP, bytes.length, to.hi, to.lo);
  if (tag !== undefined) putTag(view, bytes, baseHeaderBytes, tag);
  emitSegment(view, headerBytes, segment);
  bytes.set(payload, dataAt);
  return bytes;
}

/** An unbound datagram without payload that says it comes from `from`. */
export function forgeDatagram(to: ServiceId, from: ServiceId): Uint8Array {
  const bytes = new Uint8Array(baseHeaderBytes + serviceBytes(true));
  const view = new DataView(bytes.buffer);
  emitService(view, baseHeaderBytes, to, from);
  emitBase(view, 0, bytes.length, Protocol.UDP, bytes.length, 0, 0);
  return bytes;
}

/** A packet of the same flow as `bytes` with other content behind the base header; mostly no extension, never a tag. */
export function forgeLike(bytes: Uint8Array, random: Random): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const to = { hi: view.getUint32(8), lo: view.getUint32(12) };
  const nonce = randomId(random);
  if (randomBelow(random, 4) === 0) return forgeControl(to, { flags: 1 << randomBelow(random, 6), nonce, from: nonce });
  const seq = bytes.length >= 40 && bytes[1] === 4 ? view.getUint32(20) : random.uint32();
  return forgeSegment(to, { seq, ack: random.uint32() }, randomBytes(random, randomBelow(random, 1_000)));
}

function putTag(view: DataView, bytes: Uint8Array, offset: number, tag: Uint8Array): void {
  emitMac(view, offset, 0);
  bytes.set(tag, offset + macBytes - macTagBytes);
}
