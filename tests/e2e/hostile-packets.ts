// Every kind of bad packet, made from good ones: cut at every length, each field wrong in turn, extensions that lie
// about their length, all combinations of control flags, segments and control messages of nonsense, and noise.

import { createHash } from 'node:crypto';
import { type Random, randomBelow, type ServiceId } from '../../src/core/base/index.ts';
import { controlLabel, labelServiceId } from '../../src/core/security/index.ts';
import {
  baseHeaderBytes,
  ControlFlag,
  controlBytes,
  createControl,
  createPacket,
  createSegment,
  Direction,
  emitBase,
  emitControl,
  emitCookie,
  emitHandshake,
  emitSegment,
  emitService,
  parsePacket,
  serviceBytes,
  synBytes,
  TcpFlag,
} from '../../src/core/wire/index.ts';

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();

export interface SynOptions {
  readonly service: ServiceId;
  readonly random: Random;
  readonly flags?: number;
  readonly protocol?: number;
  readonly attempt?: number;
}

/**
 * A first packet as good as a stack's own, padded to 1,100 bytes. Its offer is that of a client without wishes: any 32 bytes
 * are a key of X25519.
 */
export function makeSyn({
  service,
  random,
  flags = ControlFlag.SYN,
  protocol = 6,
  attempt = 0,
}: SynOptions): Uint8Array {
  const bytes = new Uint8Array(synBytes);
  const view = new DataView(bytes.buffer);
  const control = createControl();
  control.flags = flags;
  control.attempt = attempt;
  control.nonceHi = random.uint32();
  control.nonceLo = random.uint32();
  control.flowHi = random.uint32();
  control.flowLo = random.uint32();
  let headerBytes = baseHeaderBytes + controlBytes + serviceBytes(false);
  emitControl(view, baseHeaderBytes, control);
  emitService(view, baseHeaderBytes + controlBytes, service);
  headerBytes += emitHandshake(view, headerBytes, 0, 0, new Uint8Array([...noise(random, 32), 0]));
  const segment = createSegment();
  segment.seq = random.uint32();
  segment.flags = TcpFlag.SYN;
  segment.windowRaw = 65535;
  segment.mss = 1200;
  segment.windowScale = 8;
  segment.hasTimestamps = true;
  segment.sackPermitted = true;
  const segmentBytes = protocol === 6 ? emitSegment(view, headerBytes, segment) : 0;
  emitBase(view, 0, headerBytes, protocol, headerBytes + segmentBytes, 0, 0);
  return bytes;
}

/** The same SYN, of TCP, with the cookie that it was answered with. */
export function withCookie(syn: Uint8Array, cookie: Uint8Array): Uint8Array {
  const bytes = syn.slice();
  const view = new DataView(bytes.buffer);
  const packet = createPacket();
  parsePacket(view, 0, bytes.length, packet);
  const { payloadOffset, payloadBytes } = packet;
  const headerBytes = payloadOffset + emitCookie(view, payloadOffset, Direction.RESPONSE, cookie);
  bytes.set(syn.subarray(payloadOffset, payloadOffset + payloadBytes), headerBytes);
  emitBase(view, 0, headerBytes, packet.protocol, headerBytes + payloadBytes, 0, 0);
  return bytes;
}

/** A packet on an established flow, as far as anyone can tell who does not know its flowID. */
function makeData(random: Random, payloadBytes: number): Uint8Array {
  const bytes = new Uint8Array(baseHeaderBytes + 20 + payloadBytes);
  const view = new DataView(bytes.buffer);
  const segment = createSegment();
  segment.seq = random.uint32();
  segment.ack = random.uint32();
  segment.flags = randomBelow(random, 256);
  segment.windowRaw = randomBelow(random, 65536);
  emitSegment(view, baseHeaderBytes, segment);
  emitBase(view, 0, baseHeaderBytes, 6, bytes.length, random.uint32(), random.uint32());
  return bytes;
}

/** An unbound datagram of noise to the control service. */
function makeControlMessage(random: Random, payloadBytes: number): Uint8Array {
  const service = labelServiceId({ sha256 }, controlLabel);
  const headerBytes = baseHeaderBytes + serviceBytes(true);
  const bytes = noise(random, headerBytes + payloadBytes);
  const view = new DataView(bytes.buffer);
  emitService(view, baseHeaderBytes, service, bytes.slice(0, 32));
  emitBase(view, 0, headerBytes, 17, bytes.length, 0, 0);
  // Mostly a version and a type that exist, so that the fields behind them are read.
  if (payloadBytes > 1 && randomBelow(random, 4) > 0) {
    view.setUint8(headerBytes, 1);
    view.setUint8(headerBytes + 1, 1 + randomBelow(random, 10));
  }
  return bytes;
}

function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.uint32() & 0xff);
}

/** Puts bytes behind the base header and counts them in. */
function withExtension(packet: Uint8Array, extension: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(packet.length + extension.length);
  bytes.set(packet.subarray(0, baseHeaderBytes));
  bytes.set(extension, baseHeaderBytes);
  bytes.set(packet.subarray(baseHeaderBytes), baseHeaderBytes + extension.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(1, view.getUint8(1) + extension.length / 4);
  view.setUint16(4, view.getUint16(4) + extension.length);
  return bytes;
}

/** One round: some thousands of packets. */
export function* hostilePackets(service: ServiceId, random: Random): Generator<Uint8Array, void, undefined> {
  const syn = (): Uint8Array => makeSyn({ service, random });
  yield new Uint8Array(0);
  for (let length = 1; length <= 200; length++) yield syn().subarray(0, length);
  for (let at = 0; at < 160; at++) {
    for (const value of [0, 0xff, randomBelow(random, 256)]) {
      const packet = syn();
      packet[at] = value;
      yield packet;
    }
  }
  for (let flags = 0; flags < 64; flags++)
    for (const protocol of [0, 6, 17, 255]) yield makeSyn({ service, random, flags, protocol });
  for (let attempt = 0; attempt < 256; attempt += 5) yield makeSyn({ service, random, attempt });
  for (const type of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 60, 127, 128, 129, 188, 255])
    for (const words of [0, 1, 2, 9, 17, 200, 255]) yield withExtension(syn(), [type, words, 0, 0]);
  yield withExtension(withExtension(syn(), [0x3f, 1, 0, 0]), [0x3f, 1, 0, 0]);
  yield duplicateControl(syn());
  for (let i = 0; i < 300; i++) yield makeData(random, randomBelow(random, 1300));
  for (let i = 0; i < 600; i++) yield makeControlMessage(random, randomBelow(random, 320));
  for (let i = 0; i < 300; i++) yield noise(random, 1 + randomBelow(random, 1400));
  yield superPacket(syn(), 200);
}

function duplicateControl(syn: Uint8Array): Uint8Array {
  return withExtension(syn, [...syn.subarray(baseHeaderBytes, baseHeaderBytes + controlBytes)]);
}

/** More packets in one datagram than a stack has to take. */
function superPacket(syn: Uint8Array, count: number): Uint8Array {
  const packet = createPacket();
  parsePacket(new DataView(syn.buffer), 0, syn.length, packet);
  const bytes = new Uint8Array(packet.totalBytes * count);
  for (let i = 0; i < count; i++) bytes.set(syn.subarray(0, packet.totalBytes), i * packet.totalBytes);
  return bytes;
}
