// The base header by itself: which reason each defect gives, and what stays valid after it. What holds for all extensions
// together stands in extensions.test.ts.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Reason } from '../base/index.ts';
import {
  createControl,
  createPacket,
  Extension,
  emitBase,
  emitControl,
  emitMac,
  PacketKind,
  Present,
  padTo,
  parseControl,
  parsePacket,
} from './index.ts';

/** A data packet of 20 bytes at offset 0, in a datagram of 24. */
function dataPacket(): DataView {
  const view = new DataView(new ArrayBuffer(24));
  emitBase(view, 0, 16, 6, 20, 0x01020304, 0x05060708);
  return view;
}

/** A header of CONTROL, then `extension`, then MAC. */
function withExtension(...extension: number[]): DataView {
  const view = new DataView(new ArrayBuffer(200));
  let at = 16;
  at += emitControl(view, at, { ...createControl(), flags: 1, nonceLo: 99 });
  for (const byte of extension) view.setUint8(at++, byte);
  at += emitMac(view, at, 0);
  emitBase(view, 0, at, 6, at, 1, 2);
  return view;
}

test('packet: the base header of a data packet, byte for byte', () => {
  const bytes = new Uint8Array(dataPacket().buffer, 0, 16);
  assert.deepEqual([...bytes], [0x11, 4, 6, 0, 0, 20, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('packet: flowIDs and lengths at the ends of their ranges', () => {
  const view = new DataView(new ArrayBuffer(65535));
  const packet = createPacket();
  for (const [headerBytes, totalBytes, id] of [
    [16, 16, 0],
    [16, 65535, 0xffffffff],
  ] as const) {
    emitBase(view, 0, headerBytes, 255, totalBytes, id, id, 255);
    assert.equal(parsePacket(view, 0, 65535, packet), Reason.OK);
    assert.deepEqual(
      [packet.headerBytes, packet.totalBytes, packet.flowHi, packet.flowLo, packet.protocol, packet.flags],
      [headerBytes, totalBytes, id, id, 255, 255],
    );
  }
});

test('packet: each defect of the base header has its reason', () => {
  const packet = createPacket();
  const cases: [number, number, Reason][] = [
    [0, 0x21, Reason.BAD_VERSION],
    [0, 0x01, Reason.BAD_VERSION],
    [0, 0x12, Reason.BAD_KIND],
    [1, 3, Reason.BAD_HEADER_LENGTH],
    [1, 0, Reason.BAD_HEADER_LENGTH],
    [1, 6, Reason.BAD_TOTAL_LENGTH],
    [5, 15, Reason.BAD_TOTAL_LENGTH],
    [5, 25, Reason.TRUNCATED],
    [4, 1, Reason.TRUNCATED],
  ];
  for (const [at, byte, reason] of cases) {
    const view = dataPacket();
    view.setUint8(at, byte);
    assert.equal(parsePacket(view, 0, 24, packet), reason, `byte ${at} = ${byte}`);
    assert.equal(packet.totalBytes, 0);
  }
});

test('packet: reserved bytes are ignored', () => {
  const view = dataPacket();
  view.setUint16(6, 0xffff);
  assert.equal(parsePacket(view, 0, 24, createPacket()), Reason.OK);
});

test('packet: a datagram is split by total length up to its padding', () => {
  const view = new DataView(new ArrayBuffer(100));
  const packet = createPacket();
  emitBase(view, 0, 16, 6, 21, 0, 1);
  emitBase(view, 21, 16, 17, 30, 0, 2);
  const seen: number[] = [];
  let offset = 0;
  while (parsePacket(view, offset, 100, packet) === Reason.OK && packet.kind !== PacketKind.PADDING) {
    seen.push(packet.flowLo);
    offset += packet.totalBytes;
  }
  assert.deepEqual(seen, [1, 2]);
  assert.equal(packet.kind, PacketKind.PADDING);
  assert.equal(packet.totalBytes, 49, 'padding reaches to the limit');
});

test('packet: padding may be a single byte, nothing at all is TRUNCATED', () => {
  const view = new DataView(new ArrayBuffer(1));
  const packet = createPacket();
  assert.equal(parsePacket(view, 0, 1, packet), Reason.OK);
  assert.equal(packet.kind, PacketKind.PADDING);
  assert.equal(parsePacket(view, 1, 1, packet), Reason.TRUNCATED);
});

test('packet: padTo fills with zeros and never cuts', () => {
  const view = new DataView(new Uint8Array(40).fill(0xff).buffer);
  assert.equal(padTo(view, 4, 16, 24), 24);
  assert.deepEqual([...new Uint8Array(view.buffer, 18, 12)], [0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
  assert.equal(padTo(view, 0, 30, 24), 30);
});

test('packet: an unknown extension is skipped unless it is critical', () => {
  const packet = createPacket();
  assert.equal(parsePacket(withExtension(0x7f, 1, 9, 9), 0, 200, packet), Reason.OK);
  assert.equal(packet.present, Present.CONTROL | Present.MAC);
  assert.equal(packet.unsupported, 0);
});

test('packet: with an unknown critical extension everything else is still there to be echoed', () => {
  const packet = createPacket();
  const control = createControl();
  const view = withExtension(0xff, 2, 0, 0, 0, 0, 0, 0);
  assert.equal(parsePacket(view, 0, 200, packet), Reason.UNSUPPORTED_EXTENSION);
  assert.equal(packet.unsupported, 0xff);
  assert.equal(packet.present, Present.CONTROL | Present.MAC);
  assert.equal(parseControl(view, packet.controlOffset, control), Reason.OK);
  assert.equal(control.nonceLo, 99);
  assert.equal(packet.totalBytes, 68);
});

test('packet: a known number with the other critical bit is another, unknown type', () => {
  const packet = createPacket();
  const uncritical = Extension.CONTROL & 0x7f;
  assert.equal(parsePacket(withExtension(uncritical, 1, 0, 0), 0, 200, packet), Reason.OK);
  const critical = Extension.SOURCE | 0x80;
  assert.equal(parsePacket(withExtension(critical, 1, 0, 0), 0, 200, packet), Reason.UNSUPPORTED_EXTENSION);
});

test('packet: an extension of length 0, or past the header, is BAD_EXTENSION; the packet can still be stepped over', () => {
  const packet = createPacket();
  for (const extension of [
    [0x7f, 0, 0, 0],
    [0, 0, 0, 0],
    [0x7f, 7, 0, 0],
  ]) {
    assert.equal(parsePacket(withExtension(...extension), 0, 200, packet), Reason.BAD_EXTENSION);
    assert.equal(packet.totalBytes, 64);
  }
});

test('packet: a known extension may stand once, an unknown one is not counted', () => {
  const packet = createPacket();
  const twice = withExtension(Extension.MAC, 5, ...new Array(18).fill(0));
  assert.equal(parsePacket(twice, 0, 200, packet), Reason.DUPLICATE_EXTENSION);
  assert.equal(parsePacket(withExtension(0x10, 1, 0, 0, 0x10, 1, 0, 0), 0, 200, packet), Reason.OK);
});

test('packet: nothing of an earlier packet shines through', () => {
  const packet = createPacket();
  parsePacket(withExtension(0xff, 1, 0, 0), 0, 200, packet);
  const fresh = createPacket();
  assert.equal(parsePacket(dataPacket(), 0, 24, packet), parsePacket(dataPacket(), 0, 24, fresh));
  assert.deepEqual(packet, fresh);
});
