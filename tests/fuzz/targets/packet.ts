// Fuzz target: every parser of core/wire. The bytes are taken as a datagram, as the extensions of one packet (so that
// mutations reach their bodies without guessing a header), as a segment, a record and a datagram header. Besides not throwing:
// the view ends with the bytes, so reading past them throws; what parses must survive emit and parse unchanged; and a
// router must be able to pass on whatever it could parse.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import * as wire from '../../../src/core/wire/index.ts';
import {
  type ExtensionName,
  extensionNames,
  extensionOffset,
  readExtension,
  writeExtension,
} from '../../vectors/extension-values.ts';

export function fuzz(data: Uint8Array): void {
  fuzzDatagram(viewOf(data));
  fuzzDatagram(asExtensions(data));
  fuzzSegment(viewOf(data));
  fuzzRecord(viewOf(data));
  fuzzDatagramHeader(viewOf(data));
}

const packet = wire.createPacket();
const again = wire.createPacket();
const segment = wire.createSegment();
const segmentAgain = wire.createSegment();
const record = wire.createRecordHeader();
const datagram = wire.createDatagramHeader();
const source = wire.createSource();
const scratch = new DataView(new ArrayBuffer(70_000));
const observed = { address: Uint8Array.of(192, 0, 2, 1), port: 1 };
const router = { address: Uint8Array.of(192, 0, 2, 2), port: 2 };

function fuzzDatagram(view: DataView): void {
  const limit = view.byteLength;
  let offset = 0;
  while (offset < limit) {
    const reason = wire.parsePacket(view, offset, limit, packet);
    checkPacket(view, offset, limit, reason);
    if (packet.totalBytes === 0) return;
    if (packet.kind === wire.PacketKind.PADDING) return assert.equal(offset + packet.totalBytes, limit);
    if (reason === Reason.OK || reason === Reason.UNSUPPORTED_EXTENSION) checkExtensions(view);
    if (reason === Reason.OK) checkAppend(view, limit - offset);
    const next = offset + packet.totalBytes;
    if (packet.protocol === 6) fuzzSegment(subview(view, packet.payloadOffset, next));
    if (packet.protocol === 17) fuzzDatagramHeader(subview(view, packet.payloadOffset, next));
    offset = next;
  }
}

function checkPacket(view: DataView, offset: number, limit: number, reason: Reason): void {
  if (packet.totalBytes === 0) return assert.notEqual(reason, Reason.OK);
  assert.ok(offset + packet.totalBytes <= limit, 'a packet ends within its datagram');
  if (packet.kind === wire.PacketKind.PADDING) return;
  assert.equal(packet.payloadOffset, offset + packet.headerBytes);
  assert.equal(packet.headerBytes + packet.payloadBytes, packet.totalBytes);
  assert.equal(
    reason === Reason.UNSUPPORTED_EXTENSION,
    packet.unsupported !== 0 && reason !== Reason.BAD_EXTENSION && reason !== Reason.DUPLICATE_EXTENSION,
  );
  wire.emitBase(
    scratch,
    0,
    packet.headerBytes,
    packet.protocol,
    packet.totalBytes,
    packet.flowHi,
    packet.flowLo,
    packet.flags,
  );
  for (let i = 0; i < wire.baseHeaderBytes; i++)
    if (i !== 6 && i !== 7) assert.equal(scratch.getUint8(i), view.getUint8(offset + i), `byte ${i} of the header`);
}

function checkExtensions(view: DataView): void {
  for (const name of extensionNames) {
    const at = extensionOffset(packet, name);
    assert.equal(at !== 0, (packet.present & wire.Present[name]) !== 0);
    if (at !== 0) checkExtension(view, at, name);
  }
}

function checkExtension(view: DataView, at: number, name: ExtensionName): void {
  const bytes = wire.extensionBytes(view, at);
  assert.ok(at + bytes <= packet.payloadOffset, 'an extension ends within the header');
  const value = readExtension(subview(view, at, at + bytes), 0, name);
  if (typeof value !== 'object') return assert.equal(value, Reason.BAD_EXTENSION);
  for (const field of Object.values(value))
    if (typeof field === 'number') assert.ok(Number.isSafeInteger(field) && field >= 0, `${name}: ${field}`);
  assert.equal(writeExtension(scratch, 0, name, value), bytes);
  assert.deepEqual(readExtension(scratch, 0, name), value);
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
  assert.equal(wire.parseSource(scratch, again.sourceOffset, source), Reason.OK);
  assert.equal(source.count, before + 1);
  assert.ok(wire.sourceHasRouter(scratch, source, router));
  assert.equal(again.payloadBytes, packet.payloadBytes);
  for (let i = 0; i < packet.payloadBytes; i++)
    assert.equal(scratch.getUint8(again.payloadOffset + i), view.getUint8(packet.payloadOffset + i));
}

function fuzzSegment(view: DataView): void {
  if (wire.parseSegment(view, 0, view.byteLength, segment) !== Reason.OK) return;
  assert.ok(segment.dataOffsetBytes >= wire.tcpHeaderBytes && segment.dataOffsetBytes <= view.byteLength);
  const bytes = wire.emitSegment(scratch, 0, segment);
  assert.equal(bytes, wire.segmentHeaderBytes(segment));
  assert.equal(wire.parseSegment(scratch, 0, bytes, segmentAgain), Reason.OK);
  // Foreign layouts may squeeze in a block for which ours has no room.
  const blocks = segmentAgain.sackBlocks;
  assert.ok(blocks === segment.sackBlocks || bytes > wire.maxTcpHeaderBytes - 8);
  segment.sackBlocks = blocks;
  segment.dataOffsetBytes = bytes;
  for (let i = blocks; i < wire.maxSackBlocks; i++) {
    segment.sackStart[i] = segmentAgain.sackStart[i] ?? 0;
    segment.sackEnd[i] = segmentAgain.sackEnd[i] ?? 0;
  }
  assert.deepEqual(segmentAgain, segment);
  const sum = wire.internetChecksum(view, 0, view.byteLength);
  assert.ok(sum >= 0 && sum <= 0xffff);
}

function fuzzRecord(view: DataView): void {
  if (wire.parseRecordHeader(view, 0, view.byteLength, record) !== Reason.OK) return;
  wire.emitRecordHeader(scratch, 0, record.type, record.bodyBytes, record.recordNumber);
  for (let i = 0; i < wire.recordHeaderBytes; i++) assert.equal(scratch.getUint8(i), view.getUint8(i));
}

function fuzzDatagramHeader(view: DataView): void {
  if (wire.parseDatagramHeader(view, 0, view.byteLength, datagram) !== Reason.OK) return;
  wire.emitDatagramHeader(scratch, 0, datagram.datagramNumber);
  for (let i = 0; i < wire.datagramHeaderBytes; i++) assert.equal(scratch.getUint8(i), view.getUint8(i));
}

/** The bytes behind a base header whose lengths fit them. */
function asExtensions(data: Uint8Array): DataView {
  const body = Math.min(data.length & ~3, wire.maxHeaderBytes - wire.baseHeaderBytes);
  const bytes = new Uint8Array(wire.baseHeaderBytes + body);
  bytes.set(data.subarray(0, body), wire.baseHeaderBytes);
  const view = viewOf(bytes);
  wire.emitBase(view, 0, bytes.length, 6, bytes.length, 1, 2);
  return view;
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.length);
}

function subview(view: DataView, start: number, end: number): DataView {
  return new DataView(view.buffer, view.byteOffset + start, end - start);
}
