// The vectors of docs/protocol.md, "Vectors": what each value is on the wire, byte for byte, both ways, and the reason for
// each malformed one. The bytes were written from the field tables, not by the codecs that they test.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Reason } from '../../src/core/base/index.ts';
import * as wire from '../../src/core/wire/index.ts';
import {
  type ExtensionName,
  type ExtensionValue,
  extensionNames,
  extensionOffset,
  high,
  low,
  readExtension,
  writeExtension,
} from './extension-values.ts';
import { fromHex, loadVectors, toHex, viewOf } from './load.ts';

interface Malformed {
  readonly name: string;
  readonly hex: string;
  readonly reason: keyof typeof Reason;
}

interface ExtensionVector {
  readonly type: ExtensionName;
  readonly name: string;
  readonly value: ExtensionValue;
  readonly hex: string;
}

interface PacketValue {
  readonly protocol: number;
  readonly flags: number;
  readonly flow: string;
  readonly extensions: readonly { readonly type: ExtensionName; readonly value: ExtensionValue }[];
  readonly payload: string;
  /** Size of the datagram when it is padded. */
  readonly paddedBytes?: number;
}

interface LocatorValue {
  readonly address: string;
  readonly port: number;
}

interface SegmentValue {
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgent?: number;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  readonly timestamps?: readonly [number, number];
  readonly sack?: readonly (readonly [number, number])[];
}

const extensions = loadVectors<{ valid: ExtensionVector[]; invalid: (Malformed & { type: ExtensionName })[] }>(
  'extensions.json',
);
const packets = loadVectors<{
  valid: { name: string; value: PacketValue; hex: string }[];
  accepted: { name: string; hex: string }[];
  padding: string[];
  invalid: Malformed[];
  appendSource: { name: string; observed: LocatorValue; router: LocatorValue; before: string; after: string }[];
}>('packets.json');
const segments = loadVectors<{
  valid: { name: string; value: SegmentValue; hex: string }[];
  foreign: { name: string; value: Partial<SegmentValue>; hex: string }[];
  invalid: Malformed[];
}>('segments.json');
const records = loadVectors<{
  valid: { name: string; value: wire.RecordHeader; hex: string }[];
  invalid: Malformed[];
  datagrams: { name: string; number: number; hex: string }[];
  invalidDatagrams: Malformed[];
}>('records.json');
const checksums =
  loadVectors<{ name: string; source: string; destination: string; protocol: number; checksum: number; hex: string }[]>(
    'checksums.json',
  );

test('vectors: every extension has valid and malformed ones', () => {
  assert.deepEqual([...new Set(extensions.valid.map(({ type }) => type))], extensionNames);
  assert.deepEqual([...new Set(extensions.invalid.map(({ type }) => type))], extensionNames);
});

test('vectors: every extension is carried by some packet', () => {
  const carried = packets.valid.flatMap(({ value }) => value.extensions.map(({ type }) => type));
  assert.deepEqual(
    extensionNames.filter((name) => !carried.includes(name)),
    [],
  );
});

for (const { type, name, value, hex } of extensions.valid) {
  test(`vectors: ${type}, ${name}`, () => {
    assert.deepEqual(readExtension(viewOf(fromHex(hex)), 0, type), value);
    assert.equal(
      written((view) => writeExtension(view, 0, type, value)),
      hex,
    );
  });
}

for (const { type, name, hex, reason } of extensions.invalid) {
  test(`vectors: ${type}, ${name}: refused`, () => {
    assert.equal(readExtension(viewOf(fromHex(hex)), 0, type), Reason[reason]);
  });
}

for (const { name, value, hex } of packets.valid) {
  test(`vectors: packet, ${name}`, () => {
    assert.equal(
      written((view) => writePacket(view, value)),
      hex,
    );
    const view = viewOf(fromHex(hex));
    const packet = wire.createPacket();
    assert.equal(wire.parsePacket(view, 0, view.byteLength, packet), Reason.OK);
    const { paddedBytes: _padding, ...carried } = value;
    assert.deepEqual(packetValue(view, packet), carried);
  });
}

for (const { name, hex } of packets.accepted) {
  test(`vectors: packet, ${name}`, () => {
    const view = viewOf(fromHex(hex));
    const packet = wire.createPacket();
    assert.equal(wire.parsePacket(view, 0, view.byteLength, packet), Reason.OK);
    assert.equal(packet.totalBytes, view.byteLength);
  });
}

test('vectors: padding ends a datagram', () => {
  for (const hex of packets.padding) {
    const view = viewOf(fromHex(hex));
    const packet = wire.createPacket();
    assert.equal(wire.parsePacket(view, 0, view.byteLength, packet), Reason.OK);
    assert.deepEqual([packet.kind, packet.totalBytes], [wire.PacketKind.PADDING, view.byteLength]);
  }
});

for (const { name, hex, reason } of packets.invalid) {
  test(`vectors: packet, ${name}: refused`, () => {
    const view = viewOf(fromHex(hex));
    assert.equal(wire.parsePacket(view, 0, view.byteLength, wire.createPacket()), Reason[reason]);
  });
}

for (const { name, observed, router, before, after } of packets.appendSource) {
  test(`vectors: appendSource, ${name}`, () => {
    const from = viewOf(fromHex(before));
    const packet = wire.createPacket();
    assert.equal(wire.parsePacket(from, 0, from.byteLength, packet), Reason.OK);
    const append = (to: DataView) =>
      wire.appendSource(from, packet, from.byteLength, to, 0, locatorOf(observed), locatorOf(router));
    assert.equal(written(append), after);
  });
}

for (const { name, value, hex } of segments.valid) {
  test(`vectors: segment, ${name}`, () => {
    assert.equal(
      written((view) => wire.emitSegment(view, 0, segmentOf(value))),
      hex,
    );
    const segment = wire.createSegment();
    assert.equal(wire.parseSegment(viewOf(fromHex(hex)), 0, hex.length / 2, segment), Reason.OK);
    assert.equal(segment.dataOffsetBytes, hex.length / 2);
    assert.deepEqual(segment, { ...segmentOf(value), dataOffsetBytes: hex.length / 2 });
  });
}

for (const { name, value, hex } of segments.foreign) {
  test(`vectors: segment, ${name}`, () => {
    const segment = wire.createSegment();
    assert.equal(wire.parseSegment(viewOf(fromHex(hex)), 0, hex.length / 2, segment), Reason.OK);
    const expected = segmentOf({ seq: 0, ack: 0, flags: 0, window: 0, ...value });
    const { mss, windowScale, sackPermitted, hasTimestamps, tsval, tsecr, sackBlocks } = expected;
    const options = { mss, windowScale, sackPermitted, hasTimestamps, tsval, tsecr, sackBlocks };
    assert.deepEqual({ ...segment, ...options }, segment);
  });
}

for (const { name, hex, reason } of segments.invalid) {
  test(`vectors: segment, ${name}: refused`, () => {
    assert.equal(wire.parseSegment(viewOf(fromHex(hex)), 0, hex.length / 2, wire.createSegment()), Reason[reason]);
  });
}

for (const { name, value, hex } of records.valid) {
  test(`vectors: record, ${name}`, () => {
    const header = wire.createRecordHeader();
    assert.equal(wire.parseRecordHeader(viewOf(fromHex(hex)), 0, hex.length / 2, header), Reason.OK);
    assert.deepEqual(header, value);
    const { type, bodyBytes, recordNumber } = value;
    assert.equal(
      written((view) => wire.emitRecordHeader(view, 0, type, bodyBytes, recordNumber)),
      hex,
    );
  });
}

for (const { name, hex, reason } of records.invalid) {
  test(`vectors: record, ${name}: refused`, () => {
    const header = wire.createRecordHeader();
    assert.equal(wire.parseRecordHeader(viewOf(fromHex(hex)), 0, hex.length / 2, header), Reason[reason]);
  });
}

for (const { name, number, hex } of records.datagrams) {
  test(`vectors: datagram number, ${name}`, () => {
    const header = wire.createDatagramHeader();
    assert.equal(wire.parseDatagramHeader(viewOf(fromHex(hex)), 0, hex.length / 2, header), Reason.OK);
    assert.equal(header.datagramNumber, number);
    assert.equal(
      written((view) => wire.emitDatagramHeader(view, 0, number)),
      hex,
    );
  });
}

for (const { name, hex, reason } of records.invalidDatagrams) {
  test(`vectors: datagram number, ${name}: refused`, () => {
    const header = wire.createDatagramHeader();
    assert.equal(wire.parseDatagramHeader(viewOf(fromHex(hex)), 0, hex.length / 2, header), Reason[reason]);
  });
}

for (const { name, source, destination, protocol, checksum, hex } of checksums) {
  test(`vectors: checksum, ${name}`, () => {
    const view = viewOf(fromHex(hex));
    const [from, to] = [fromHex(source), fromHex(destination)];
    assert.ok(wire.verifyTransportChecksum(view, 0, view.byteLength, from, to, protocol));
    view.setUint16(16, 0);
    assert.equal(wire.transportChecksum(view, 0, view.byteLength, from, to, protocol), checksum);
  });
}

/** What an emitter writes, in hexadecimal; it writes over ones, so that no zero comes about by chance. */
function written(emit: (view: DataView) => number): string {
  const bytes = new Uint8Array(4096).fill(0xff);
  const length = emit(viewOf(bytes));
  assert.ok(bytes.subarray(length).every((byte) => byte === 0xff));
  return toHex(bytes.subarray(0, length));
}

function writePacket(view: DataView, value: PacketValue): number {
  let at: number = wire.baseHeaderBytes;
  for (const { type, value: extension } of value.extensions) at += writeExtension(view, at, type, extension);
  const payload = fromHex(value.payload);
  payload.forEach((byte, i) => {
    view.setUint8(at + i, byte);
  });
  const totalBytes = at + payload.length;
  wire.emitBase(view, 0, at, value.protocol, totalBytes, high(value.flow), low(value.flow), value.flags);
  return wire.padTo(view, 0, totalBytes, value.paddedBytes ?? 0);
}

function packetValue(view: DataView, packet: wire.Packet): Omit<PacketValue, 'paddedBytes'> {
  const present = extensionNames
    .filter((name) => extensionOffset(packet, name) !== 0)
    .sort((a, b) => extensionOffset(packet, a) - extensionOffset(packet, b));
  return {
    protocol: packet.protocol,
    flags: packet.flags,
    flow: toHex(wire.readBytes(view, 8, 8)),
    extensions: present.map((type) => {
      const value = readExtension(view, extensionOffset(packet, type), type);
      assert.ok(typeof value === 'object', `${type}: ${String(value)}`);
      return { type, value };
    }),
    payload: toHex(wire.readBytes(view, packet.payloadOffset, packet.payloadBytes)),
  };
}

function locatorOf({ address, port }: LocatorValue) {
  return { address: fromHex(address), port };
}

function segmentOf(value: SegmentValue): wire.Segment {
  const segment = wire.createSegment();
  segment.sourcePort = value.sourcePort ?? 0;
  segment.destinationPort = value.destinationPort ?? 0;
  segment.seq = value.seq;
  segment.ack = value.ack;
  segment.flags = value.flags;
  segment.windowRaw = value.window;
  segment.urgent = value.urgent ?? 0;
  segment.mss = value.mss ?? 0;
  segment.windowScale = value.windowScale ?? -1;
  segment.sackPermitted = value.sackPermitted ?? false;
  segment.hasTimestamps = value.timestamps !== undefined;
  segment.tsval = value.timestamps?.[0] ?? 0;
  segment.tsecr = value.timestamps?.[1] ?? 0;
  segment.sackBlocks = value.sack?.length ?? 0;
  value.sack?.forEach(([start, end], i) => {
    segment.sackStart[i] = start;
    segment.sackEnd[i] = end;
  });
  return segment;
}
