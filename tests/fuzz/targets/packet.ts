// Fuzz target: the bytes as a datagram of packets. Besides not throwing: the view ends with the bytes, so reading past
// them throws; what is parsed lies within the datagram; the base header survives emit; and a router must be able to pass on
// whatever it could parse, with one router more and everything else as it was.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import * as wire from '../../../src/core/wire/index.ts';
import { viewOf } from '../../vectors/load.ts';
import { firstDifference } from '../content.ts';

export const maxBytes = 1500;

export function fuzz(data: Uint8Array): void {
  const view = viewOf(data);
  const limit = data.length;
  for (let offset = 0; offset < limit; offset += packet.totalBytes) {
    const reason = wire.parsePacket(view, offset, limit, packet);
    checkPacket(view, offset, limit, reason);
    if (packet.totalBytes === 0) return;
    if (packet.kind === wire.PacketKind.PADDING) return assert.equal(offset + packet.totalBytes, limit);
    if (reason === Reason.OK) checkAppend(view, limit - offset);
  }
}

const packet = wire.createPacket();
const again = wire.createPacket();
const source = wire.createSource();
const scratch = new DataView(new ArrayBuffer(70_000));
const observed = { address: Uint8Array.of(192, 0, 2, 1), port: 1 };
const router = { address: Uint8Array.of(192, 0, 2, 2), port: 2 };
const offsets = Object.keys(packet).filter((key) => /Offset$/.test(key) && key !== 'payloadOffset');

function checkPacket(view: DataView, offset: number, limit: number, reason: Reason): void {
  const { totalBytes, headerBytes, payloadOffset, payloadBytes, protocol, flowHi, flowLo, flags } = packet;
  if (totalBytes === 0) return assert.notEqual(reason, Reason.OK);
  assert.ok(offset + totalBytes <= limit, 'a packet ends within its datagram');
  if (packet.kind === wire.PacketKind.PADDING) return;
  assert.equal(payloadOffset, offset + headerBytes);
  assert.equal(headerBytes + payloadBytes, totalBytes);
  const walked = reason !== Reason.BAD_EXTENSION && reason !== Reason.DUPLICATE_EXTENSION;
  assert.equal(reason === Reason.UNSUPPORTED_EXTENSION, packet.unsupported !== 0 && walked);
  wire.emitBase(scratch, 0, headerBytes, protocol, totalBytes, flowHi, flowLo, flags);
  // Bytes 6 and 7 are reserved.
  assert.equal(scratch.getUint32(0), view.getUint32(offset));
  assert.equal(scratch.getUint16(4), view.getUint16(offset + 4));
  assert.equal(scratch.getUint32(8), view.getUint32(offset + 8));
  assert.equal(scratch.getUint32(12), view.getUint32(offset + 12));
  if (walked) checkExtensions(view, offset);
}

function checkExtensions(view: DataView, offset: number): void {
  let present = 0;
  for (const key of offsets) {
    const at = packet[key as 'sourceOffset'];
    if (at === 0) continue;
    present++;
    assert.ok(at >= offset + wire.baseHeaderBytes, key);
    assert.ok(at + wire.extensionBytes(view, at) <= packet.payloadOffset, 'an extension ends within the header');
  }
  assert.equal(present, countBits(packet.present));
}

/** A router's copy has the same flow and payload, and one router more. */
function checkAppend(view: DataView, datagramBytes: number): void {
  if (packet.sourceOffset !== 0 && wire.parseSource(view, packet.sourceOffset, source) !== Reason.OK) return;
  const before = packet.sourceOffset === 0 ? 1 : source.count;
  const bytes = wire.appendSource(view, packet, datagramBytes, scratch, 4, observed, router);
  if (bytes === 0) return;
  assert.ok(bytes >= datagramBytes);
  assert.equal(wire.parsePacket(scratch, 4, 4 + bytes, again), Reason.OK);
  assert.equal(again.present, packet.present | wire.Present.SOURCE);
  assert.equal(again.flowHi, packet.flowHi);
  assert.equal(again.flowLo, packet.flowLo);
  assert.equal(wire.parseSource(scratch, again.sourceOffset, source), Reason.OK);
  assert.equal(source.count, before + 1);
  assert.ok(wire.sourceHasRouter(scratch, source, router));
  const { payloadOffset, payloadBytes } = packet;
  assert.equal(again.payloadBytes, payloadBytes);
  assert.equal(firstDifference(scratch, again.payloadOffset, view, payloadOffset, payloadBytes), -1, 'the payload');
}

function countBits(word: number): number {
  let bits = 0;
  for (; word !== 0; word &= word - 1) bits++;
  return bits;
}
