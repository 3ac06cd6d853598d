// What a router does to a first packet: append to SOURCE, keep the rest, find loops.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Locator, Reason } from '../base/index.ts';
import {
  appendSource,
  createControl,
  createPacket,
  createSource,
  emitBase,
  emitControl,
  emitService,
  emitSource,
  entryIs,
  entryOffset,
  type LocatorEntry,
  maxSourceEntries,
  Present,
  padTo,
  parsePacket,
  parseSource,
  readBytes,
  readEntryFlags,
  readLocator,
  SourceFlag,
  sourceHasRouter,
  synBytes,
} from './index.ts';

const client: Locator = { address: Uint8Array.of(192, 0, 2, 7), port: 40000 };
const router: Locator = { address: Uint8Array.of(198, 51, 100, 1), port: 54324 };
const sixRouter: Locator = { address: new Uint8Array(16).fill(0x20), port: 54324 };
const payload = Uint8Array.from({ length: 41 }, (_, i) => i);

/** A SYN padded to 1,100 bytes; `entries` of SOURCE stand between CONTROL and SERVICE. */
function syn(entries: readonly LocatorEntry[], paddedBytes = synBytes): DataView {
  const view = new DataView(new ArrayBuffer(Math.max(paddedBytes, 1200)));
  let at = 16 + emitControl(view, 16, { ...createControl(), flags: 1 });
  if (entries.length > 0) at += emitSource(view, at, entries);
  at += emitService(view, at, new Uint8Array(32).fill(7));
  new Uint8Array(view.buffer).set(payload, at);
  emitBase(view, 0, at, 6, at + payload.length, 0, 0, 3);
  padTo(view, 0, at + payload.length, paddedBytes);
  return view;
}

const hop = (locator: Locator, flags: number = SourceFlag.ROUTER): LocatorEntry => ({ locator, flags, priority: 0 });

test('source: of what stood in the memory before nothing is left', () => {
  const from = syn([]);
  const packet = createPacket();
  parsePacket(from, 0, synBytes, packet);
  const [clean, used] = [0, 0xff].map((fill) => new Uint8Array(synBytes).fill(fill));
  for (const bytes of [clean, used])
    if (bytes) appendSource(from, packet, synBytes, new DataView(bytes.buffer), 0, client, router);
  assert.deepEqual(used, clean);
});

test('source: the first router records the client as it saw it, then itself; the datagram keeps its size', () => {
  const from = syn([]);
  const to = new DataView(new Uint8Array(1500).fill(0xff).buffer);
  const packet = createPacket();
  parsePacket(from, 0, synBytes, packet);
  const before = { ...packet };
  assert.equal(appendSource(from, packet, synBytes, to, 8, client, router), synBytes);
  assert.equal(parsePacket(to, 8, 8 + synBytes, packet), Reason.OK);
  assert.equal(packet.headerBytes, before.headerBytes + 44);
  assert.equal(packet.flags, before.flags);
  assert.equal(packet.present, before.present | Present.SOURCE);
  assert.deepEqual(readBytes(to, packet.payloadOffset, packet.payloadBytes), payload);
  assert.deepEqual(
    readBytes(to, packet.payloadOffset + payload.length, synBytes - packet.totalBytes),
    new Uint8Array(synBytes - packet.totalBytes),
  );
  assert.equal(to.getUint8(8 + synBytes), 0xff, 'nothing is written past the datagram');
  const source = createSource();
  assert.equal(parseSource(to, packet.sourceOffset, source), Reason.OK);
  assert.equal(source.count, 2);
  assert.deepEqual(readLocator(to, entryOffset(source, 0)), client);
  assert.equal(readEntryFlags(to, entryOffset(source, 0)), 0);
  assert.deepEqual(readLocator(to, entryOffset(source, 1)), router);
  assert.equal(readEntryFlags(to, entryOffset(source, 1)), SourceFlag.ROUTER);
});

test('source: each later router adds one entry behind the others, wherever SOURCE stood', () => {
  const from = syn([hop(client, 0), hop(router)]);
  const to = new DataView(new ArrayBuffer(1500));
  const packet = createPacket();
  const source = createSource();
  parsePacket(from, 0, synBytes, packet);
  assert.equal(appendSource(from, packet, synBytes, to, 0, router, sixRouter), synBytes);
  assert.equal(parsePacket(to, 0, synBytes, packet), Reason.OK);
  assert.equal(packet.present, Present.CONTROL | Present.SERVICE | Present.SOURCE);
  assert.deepEqual(readBytes(to, packet.serviceOffset + 4, 32), new Uint8Array(32).fill(7));
  assert.deepEqual(readBytes(to, packet.payloadOffset, packet.payloadBytes), payload);
  parseSource(to, packet.sourceOffset, source);
  const all = [0, 1, 2].map((i) => readLocator(to, entryOffset(source, i)));
  assert.deepEqual(all, [client, router, sixRouter]);
});

test('source: without padding to take from, the datagram grows', () => {
  const from = syn([], 0);
  const packet = createPacket();
  parsePacket(from, 0, 200, packet);
  const { totalBytes } = packet;
  const to = new DataView(new ArrayBuffer(1500));
  assert.equal(appendSource(from, packet, totalBytes, to, 0, client, router), totalBytes + 44);
  assert.equal(parsePacket(to, 0, totalBytes + 44, packet), Reason.OK);
});

test('source: a loop is a router entry with the same locator; the client entry does not count', () => {
  const from = syn([hop(client, 0), hop(router), hop(sixRouter)]);
  const packet = createPacket();
  const source = createSource();
  parsePacket(from, 0, synBytes, packet);
  parseSource(from, packet.sourceOffset, source);
  assert.ok(sourceHasRouter(from, source, router));
  assert.ok(sourceHasRouter(from, source, sixRouter));
  assert.ok(!sourceHasRouter(from, source, client));
  assert.ok(!sourceHasRouter(from, source, { ...router, port: 54325 }));
  assert.ok(!sourceHasRouter(from, source, { ...router, address: Uint8Array.of(198, 51, 100, 2) }));
});

test('source: an IPv4 address is not the IPv6 address that starts alike', () => {
  const view = new DataView(new ArrayBuffer(24));
  const six = new Uint8Array(16);
  six.set(router.address);
  emitSource(view, 0, [hop({ address: six, port: router.port })]);
  assert.ok(!entryIs(view, 4, router));
  assert.ok(entryIs(view, 4, { address: six, port: router.port }));
});

test('source: refused when twelve entries stand already, when the header is full, when the buffer is small', () => {
  const packet = createPacket();
  const to = new DataView(new ArrayBuffer(2000));
  const full = syn(new Array(maxSourceEntries).fill(hop(router)));
  parsePacket(full, 0, synBytes, packet);
  assert.equal(appendSource(full, packet, synBytes, to, 0, client, sixRouter), 0);
  const almost = syn(new Array(maxSourceEntries - 1).fill(hop(router)));
  parsePacket(almost, 0, synBytes, packet);
  assert.equal(appendSource(almost, packet, synBytes, to, 0, client, sixRouter), synBytes);
  assert.equal(appendSource(almost, packet, synBytes, new DataView(new ArrayBuffer(1099)), 0, client, sixRouter), 0);
  const long = new DataView(new ArrayBuffer(1100));
  long.setUint16(16, 0x10fa);
  emitBase(long, 0, 16 + 0xfa * 4, 6, 1100, 0, 0);
  parsePacket(long, 0, 1100, packet);
  assert.equal(packet.headerBytes, 1016);
  assert.equal(appendSource(long, packet, 1100, to, 0, client, router), 0);
});

test('source: an entry of an unknown family is refused', () => {
  const view = new DataView(new ArrayBuffer(44));
  emitSource(view, 0, [hop(router), hop(client)]);
  view.setUint8(26, 0x15);
  assert.equal(parseSource(view, 0, createSource()), Reason.BAD_EXTENSION);
});

test('source: lists that the format cannot carry are the caller’s fault', () => {
  const view = new DataView(new ArrayBuffer(400));
  assert.throws(() => emitSource(view, 0, []), RangeError);
  assert.throws(() => emitSource(view, 0, new Array(13).fill(hop(router))), RangeError);
});

test('source: a packet passed through any number of routers keeps what it carried', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 11 }), fc.nat(30), (routers, offset) => {
      const packet = createPacket();
      let from = new DataView(new ArrayBuffer(offset + synBytes));
      new Uint8Array(from.buffer).set(new Uint8Array(syn([]).buffer, 0, synBytes), offset);
      for (let i = 0; i < routers; i++) {
        assert.equal(parsePacket(from, offset, offset + synBytes, packet), Reason.OK);
        const to = new DataView(new ArrayBuffer(offset + synBytes));
        const self = { address: Uint8Array.of(10, 0, 0, i), port: i };
        assert.equal(appendSource(from, packet, synBytes, to, offset, client, self), synBytes);
        from = to;
      }
      parsePacket(from, offset, offset + synBytes, packet);
      const source = createSource();
      assert.equal(parseSource(from, packet.sourceOffset, source), Reason.OK);
      assert.equal(source.count, routers + 1);
      assert.deepEqual(readBytes(from, packet.payloadOffset, packet.payloadBytes), payload);
    }),
    { numRuns: 20 },
  );
});
