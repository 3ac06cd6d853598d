// One table of all extensions, and what must hold for each: emit and parse are inverse, lengths agree, no length byte and no
// truncation makes a parser throw or read past its extension. Whole packets are made of the same table.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { Reason } from '../base/index.ts';
import * as wire from './index.ts';
import { copyBytes, createPacket, Extension, emitBase, type Packet, parsePacket, readBytes } from './index.ts';

type Value = Record<string, unknown>;

interface Codec {
  readonly type: number;
  readonly offset: (packet: Packet) => number;
  readonly values: fc.Arbitrary<Value>;
  readonly bytes: (value: never) => number;
  readonly emit: (view: DataView, offset: number, value: never) => number;
  /** The value, or the reason that it is none. */
  readonly parse: (view: DataView, offset: number) => Value | Reason;
}

/** With a prototype, as the codecs' own records have. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(model, { noNullPrototype: true });
const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const u53 = fc.maxSafeNat();
const bytesOf = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const idList = (minLength: number, maxLength: number) => fc.array(fc.tuple(u32, u32), { minLength, maxLength });
const direction = fc.constantFrom(1, 2);
const locators = (most: number) =>
  fc.array(
    record({
      locator: record({ address: fc.oneof(bytesOf(4, 4), bytesOf(16, 16)), port: u16 }),
      flags: fc.nat(15),
      priority: u8,
    }),
    { minLength: 1, maxLength: most },
  );

/** For records that emit and parse share. */
function plain<T extends object>(
  create: () => T,
  parse: (view: DataView, offset: number, out: T) => Reason,
): Codec['parse'] {
  return (view, offset) => {
    const out = create();
    const reason = parse(view, offset, out);
    return reason === Reason.OK ? ({ ...out } as Value) : reason;
  };
}

/** For records that parse fills with offsets: `take` reads what they point at. */
function pointed<T extends object>(
  create: () => T,
  parse: (view: DataView, offset: number, out: T) => Reason,
  take: (view: DataView, out: T) => Value,
): Codec['parse'] {
  return (view, offset) => {
    const out = create();
    const reason = parse(view, offset, out);
    return reason === Reason.OK ? take(view, out) : reason;
  };
}

const takeIds = (ids: wire.IdList) => Array.from({ length: ids.count }, (_, i) => [ids.hi[i], ids.lo[i]]);

function fillIds(ids: wire.IdList, values: readonly (readonly [number, number])[]): void {
  ids.count = values.length;
  values.forEach(([hi, lo], i) => {
    ids.hi[i] = hi;
    ids.lo[i] = lo;
  });
}

const takeLocators = (view: DataView, list: wire.LocatorList) => ({
  entries: Array.from({ length: list.count }, (_, i) => {
    const entry = wire.entryOffset(list, i);
    return {
      locator: wire.readLocator(view, entry),
      flags: wire.readEntryFlags(view, entry),
      priority: wire.readEntryPriority(view, entry),
    };
  }),
});

const codecs: Record<string, Codec> = {
  CONTROL: {
    type: Extension.CONTROL,
    offset: (packet) => packet.controlOffset,
    values: record({
      flags: u8,
      reason: u8,
      attempt: u8,
      options: u8,
      nonceHi: u32,
      nonceLo: u32,
      flowHi: u32,
      flowLo: u32,
    }),
    bytes: () => wire.controlBytes,
    emit: wire.emitControl,
    parse: plain(wire.createControl, wire.parseControl),
  },
  SERVICE: {
    type: Extension.SERVICE,
    offset: (packet) => packet.serviceOffset,
    values: record({ destination: bytesOf(32, 32), source: fc.option(bytesOf(32, 32), { nil: undefined }) }),
    bytes: ({ source }: { source?: Uint8Array }) => wire.serviceBytes(source !== undefined),
    emit: (view, offset, { destination, source }: { destination: Uint8Array; source?: Uint8Array }) =>
      wire.emitService(view, offset, destination, source),
    parse: pointed(wire.createService, wire.parseService, (view, out) => ({
      destination: wire.readServiceId(view, out.destinationOffset),
      source: out.sourceOffset === 0 ? undefined : wire.readServiceId(view, out.sourceOffset),
    })),
  },
  SOURCE: {
    type: Extension.SOURCE,
    offset: (packet) => packet.sourceOffset,
    values: record({ entries: locators(wire.maxSourceEntries) }),
    bytes: ({ entries }: { entries: unknown[] }) => wire.sourceBytes(entries.length),
    emit: (view, offset, { entries }: { entries: wire.LocatorEntry[] }) => wire.emitSource(view, offset, entries),
    parse: pointed(wire.createSource, wire.parseSource, takeLocators),
  },
  HANDSHAKE: {
    type: Extension.HANDSHAKE,
    offset: (packet) => packet.handshakeOffset,
    values: record({ pattern: u8, message: u8, body: bytesOf(0, 300) }),
    bytes: ({ body }: { body: Uint8Array }) => wire.handshakeBytes(body.length),
    emit: (
      view,
      offset,
      { pattern, message, body }: { pattern: number; message: number; body: Uint8Array<ArrayBuffer> },
    ) => wire.emitHandshake(view, offset, pattern, message, body),
    parse: pointed(wire.createHandshake, wire.parseHandshake, (view, out) => ({
      pattern: out.pattern,
      message: out.message,
      body: readBytes(view, out.bodyOffset, out.bodyBytes),
    })),
  },
  COOKIE: {
    type: Extension.COOKIE,
    offset: (packet) => packet.cookieOffset,
    values: record({ direction, cookie: bytesOf(1, wire.maxCookieBytes) }),
    bytes: ({ cookie }: { cookie: Uint8Array }) => wire.cookieBytes(cookie.length),
    emit: (view, offset, value: { direction: number; cookie: Uint8Array }) =>
      wire.emitCookie(view, offset, value.direction, value.cookie),
    parse: pointed(wire.createCookie, wire.parseCookie, (view, out) => ({
      direction: out.direction,
      cookie: readBytes(view, out.cookieOffset, out.cookieBytes),
    })),
  },
  MAC: {
    type: Extension.MAC,
    offset: (packet) => packet.macOffset,
    values: record({ epoch: u8, tag: fc.constant(new Uint8Array(wire.macTagBytes)) }),
    bytes: () => wire.macBytes,
    emit: (view, offset, { epoch }: { epoch: number }) => wire.emitMac(view, offset, epoch),
    parse: pointed(wire.createMac, wire.parseMac, (view, out) => ({
      epoch: out.epoch,
      tag: readBytes(view, out.tagOffset, wire.macTagBytes),
    })),
  },
  LINEAGE: {
    type: Extension.LINEAGE,
    offset: (packet) => packet.lineageOffset,
    values: record({ committedHi: u32, committedLo: u32, sent: idList(0, wire.maxLineageIds) }),
    bytes: ({ sent }: { sent: unknown[] }) => wire.lineageBytes(sent.length),
    emit: (
      view,
      offset,
      { committedHi, committedLo, sent }: { committedHi: number; committedLo: number; sent: [number, number][] },
    ) => {
      const lineage = Object.assign(wire.createLineage(), { committedHi, committedLo });
      fillIds(lineage.sent, sent);
      return wire.emitLineage(view, offset, lineage);
    },
    parse: pointed(wire.createLineage, wire.parseLineage, (_view, out) => ({ ...out, sent: takeIds(out.sent) })),
  },
  CHALLENGE: {
    type: Extension.CHALLENGE,
    offset: (packet) => packet.challengeOffset,
    values: record({ direction, tokenHi: u32, tokenLo: u32 }),
    bytes: () => wire.challengeBytes,
    emit: wire.emitChallenge,
    parse: plain(wire.createChallenge, wire.parseChallenge),
  },
  FLOWIDS: {
    type: Extension.FLOWIDS,
    offset: (packet) => packet.flowIdsOffset,
    values: record({ ids: idList(1, wire.maxSpareFlowIds) }),
    bytes: ({ ids }: { ids: unknown[] }) => wire.flowIdsBytes(ids.length),
    emit: (view, offset, { ids }: { ids: [number, number][] }) => {
      const list = wire.createFlowIds();
      fillIds(list, ids);
      return wire.emitFlowIds(view, offset, list);
    },
    parse: pointed(wire.createFlowIds, wire.parseFlowIds, (_view, out) => ({ ids: takeIds(out) })),
  },
  JOIN: {
    type: Extension.JOIN,
    offset: (packet) => packet.joinOffset,
    values: record({ pathId: u8, flags: u8, tokenHi: u32, tokenLo: u32 }),
    bytes: () => wire.joinBytes,
    emit: wire.emitJoin,
    parse: plain(wire.createJoin, wire.parseJoin),
  },
  RESUME: {
    type: Extension.RESUME,
    offset: (packet) => packet.resumeOffset,
    values: record({ sent: u53, acknowledged: u53, token: bytesOf(1, wire.maxResumeTokenBytes) }),
    bytes: ({ token }: { token: Uint8Array }) => wire.resumeBytes(token.length),
    emit: (view, offset, value: { sent: number; acknowledged: number; token: Uint8Array }) =>
      wire.emitResume(view, offset, value.sent, value.acknowledged, value.token),
    parse: pointed(wire.createResume, wire.parseResume, (view, out) => ({
      sent: out.sentOffset,
      acknowledged: out.acknowledgedOffset,
      token: readBytes(view, out.tokenOffset, out.tokenBytes),
    })),
  },
  ADDRESS: {
    type: Extension.ADDRESS,
    offset: (packet) => packet.addressOffset,
    values: record({ entries: locators(wire.maxAddresses) }),
    bytes: ({ entries }: { entries: unknown[] }) => wire.addressBytes(entries.length),
    emit: (view, offset, { entries }: { entries: wire.LocatorEntry[] }) => wire.emitAddress(view, offset, entries),
    parse: pointed(wire.createAddress, wire.parseAddress, takeLocators),
  },
  DATASEQ: {
    type: Extension.DATASEQ,
    offset: (packet) => packet.dataSeqOffset,
    values: record({ recordNumber: u53 }),
    bytes: () => wire.dataSeqBytes,
    emit: wire.emitDataSeq,
    parse: plain(wire.createDataSeq, wire.parseDataSeq),
  },
  SIGNAL: {
    type: Extension.SIGNAL,
    offset: (packet) => packet.signalOffset,
    values: record({ protocol: u16, body: bytesOf(0, 300) }),
    bytes: ({ body }: { body: Uint8Array }) => wire.signalBytes(body.length),
    emit: (view, offset, value: { protocol: number; body: Uint8Array }) =>
      wire.emitSignal(view, offset, value.protocol, value.body),
    parse: pointed(wire.createSignal, wire.parseSignal, (view, out) => ({
      protocol: out.protocol,
      body: readBytes(view, out.bodyOffset, out.bodyBytes),
    })),
  },
  FINAL: {
    type: Extension.FINAL,
    offset: (packet) => packet.finalOffset,
    values: record({ sentOffset: u53, receivedOffset: u53 }),
    bytes: () => wire.finalBytes,
    emit: wire.emitFinal,
    parse: plain(wire.createFinal, wire.parseFinal),
  },
};

test('extensions: the table holds every registered type', () => {
  assert.deepEqual(Object.fromEntries(Object.entries(codecs).map(([name, { type }]) => [name, type])), Extension);
  assert.deepEqual(Object.keys(wire.Present), Object.keys(Extension));
});

for (const [name, codec] of Object.entries(codecs)) {
  test(`${name}: emit and parse are inverse, and the length is the one announced`, () => {
    fc.assert(
      fc.property(codec.values, fc.nat(40), (value, offset) => {
        const bytes = codec.bytes(value as never);
        const view = poisoned(offset + bytes + 8);
        assert.equal(codec.emit(view, offset, value as never), bytes);
        assert.equal(bytes % 4, 0);
        assert.equal(view.getUint8(offset), codec.type);
        assert.equal(wire.extensionBytes(view, offset), bytes);
        assert.deepEqual(codec.parse(view, offset), value);
        for (let i = 0; i < view.byteLength; i++)
          if (i < offset || i >= offset + bytes) assert.equal(view.getUint8(i), poison, `byte ${i} was touched`);
      }),
      { numRuns: 50 },
    );
  });

  test(`${name}: no body, whatever its length, makes the parser throw or read past it`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), fc.infiniteStream(u8), (words, noise) => {
        // The view ends with the extension: one byte more would throw.
        const view = new DataView(new ArrayBuffer(words * 4));
        for (let i = 0; i < view.byteLength; i++) view.setUint8(i, noise.next().value);
        view.setUint16(0, (codec.type << 8) | words);
        const result = codec.parse(view, 0);
        assert.ok(typeof result === 'object' || result === Reason.BAD_EXTENSION);
      }),
      { numRuns: 300 },
    );
  });

  test(`${name}: a wrong length is refused`, () => {
    const [value] = fc.sample(codec.values, { numRuns: 1, seed: 7 });
    const bytes = codec.bytes(value as never);
    for (const words of [1, bytes / 4 - 1, bytes / 4 + 1, 255]) {
      const view = new DataView(new ArrayBuffer(1020));
      codec.emit(view, 0, value as never);
      view.setUint8(1, words);
      const result = codec.parse(view, 0);
      // A list one word longer or shorter is no list; SIGNAL and HANDSHAKE carry their exact length.
      assert.equal(result, Reason.BAD_EXTENSION, `${words} words`);
    }
  });
}

const someExtensions = fc
  .uniqueArray(fc.constantFrom(...Object.keys(codecs)), { maxLength: 5 })
  .chain((names) => fc.tuple(...names.map((name) => codecs[name]!.values.map((value) => ({ name, value })))))
  .filter((parts) => parts.reduce((sum, { name, value }) => sum + codecs[name]!.bytes(value as never), 16) <= 1020);

const somePackets = record({
  parts: someExtensions,
  protocol: u8,
  flags: u8,
  flowHi: u32,
  flowLo: u32,
  payload: bytesOf(0, 100),
  offset: fc.nat(50),
});
type SomePacket = typeof somePackets extends fc.Arbitrary<infer T> ? T : never;

test('packets: any extensions in any order are found again, and the next packet starts where this one ends', () => {
  const packet = createPacket();
  fc.assert(
    fc.property(somePackets, (some) => {
      const { view, end } = build(some);
      assert.equal(parsePacket(view, some.offset, view.byteLength, packet), Reason.OK);
      assert.equal(packet.kind, 1);
      assert.equal(packet.protocol, some.protocol);
      assert.equal(packet.flags, some.flags);
      assert.equal(packet.flowHi, some.flowHi);
      assert.equal(packet.flowLo, some.flowLo);
      assert.equal(some.offset + packet.totalBytes, end);
      assert.equal(packet.payloadOffset, some.offset + packet.headerBytes);
      assert.deepEqual(readBytes(view, packet.payloadOffset, packet.payloadBytes), some.payload);
      for (const [name, codec] of Object.entries(codecs)) {
        const part = some.parts.find((candidate) => candidate.name === name);
        const bit = wire.Present[name as keyof typeof wire.Present];
        assert.equal((packet.present & bit) !== 0, part !== undefined);
        if (part === undefined) assert.equal(codec.offset(packet), 0);
        else assert.deepEqual(codec.parse(view, codec.offset(packet)), part.value);
      }
    }),
  );
});

test('packets: every truncation is TRUNCATED, and nothing past the limit is read', () => {
  const packet = createPacket();
  fc.assert(
    fc.property(somePackets, (some) => {
      const { view, end } = build(some);
      for (let limit = some.offset; limit < end; limit++) {
        const cut = new DataView(view.buffer, 0, limit);
        assert.equal(parsePacket(cut, some.offset, limit, packet), Reason.TRUNCATED);
        assert.equal(packet.totalBytes, 0);
      }
    }),
    { numRuns: 40 },
  );
});

test('packets: a header cut short inside an extension is BAD_EXTENSION', () => {
  const packet = createPacket();
  fc.assert(
    fc.property(somePackets, (some) => {
      const { view } = build(some);
      const words = view.getUint8(some.offset + 1);
      const ends = new Set<number>([4]);
      let at = 4;
      for (const { name, value } of some.parts) {
        at += codecs[name]!.bytes(value as never) / 4;
        ends.add(at);
      }
      for (let cut = 4; cut < words; cut++) {
        view.setUint8(some.offset + 1, cut);
        const expected = ends.has(cut) ? Reason.OK : Reason.BAD_EXTENSION;
        assert.equal(parsePacket(view, some.offset, view.byteLength, packet), expected);
      }
    }),
    { numRuns: 40 },
  );
});

test('packets: what stands outside [offset, limit) makes no difference', () => {
  const here = createPacket();
  const there = createPacket();
  fc.assert(
    fc.property(fc.oneof(bytesOf(0, 120), somePackets.map(flipped)), fc.nat(20), (data, offset) => {
      const limit = offset + data.length;
      const zeros = new Uint8Array(limit + 64);
      const ones = new Uint8Array(limit + 64).fill(0xff);
      zeros.set(data, offset);
      ones.set(data, offset);
      const reason = parsePacket(new DataView(zeros.buffer), offset, limit, here);
      assert.equal(parsePacket(new DataView(ones.buffer), offset, limit, there), reason);
      assert.deepEqual(here, there);
      if (reason !== Reason.OK || here.kind === 0) return;
      for (const { offset: at, parse } of Object.values(codecs)) {
        if (at(here) === 0) continue;
        assert.deepEqual(parse(new DataView(zeros.buffer), at(here)), parse(new DataView(ones.buffer), at(here)));
      }
    }),
    { numRuns: 1000 },
  );
});

const poison = 0xa5;

function poisoned(bytes: number): DataView {
  return new DataView(new Uint8Array(bytes).fill(poison).buffer);
}

function build({ parts, protocol, flags, flowHi, flowLo, payload, offset }: SomePacket) {
  const view = poisoned(offset + 1020 + payload.length + 16);
  let at = offset + 16;
  for (const { name, value } of parts) at += codecs[name]!.emit(view, at, value as never);
  const headerBytes = at - offset;
  copyBytes(new DataView(payload.buffer, payload.byteOffset), 0, view, at, payload.length);
  emitBase(view, offset, headerBytes, protocol, headerBytes + payload.length, flowHi, flowLo, flags);
  return { view, end: at + payload.length };
}

/** A packet with one byte of its header changed. */
function flipped(some: SomePacket): Uint8Array {
  const { view, end } = build(some);
  const data = readBytes(view, some.offset, end - some.offset);
  const at = (some.flowLo >>> 8) % data.length;
  data[at] = data[at]! ^ (some.flowLo & 0xff);
  return data;
}
