// Segment headers: round trips over every combination of options, the layouts of other stacks, broken options.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { Reason } from '../base/index.ts';
import { createSegment, emitSegment, parseSegment, type Segment, segmentHeaderBytes, TcpFlag } from './index.ts';

const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);

const segments: fc.Arbitrary<Segment> = fc
  .record({
    sourcePort: u16,
    destinationPort: u16,
    seq: u32,
    ack: u32,
    flags: fc.nat(255),
    windowRaw: u16,
    urgent: u16,
    mss: fc.oneof(fc.constant(0), u16),
    windowScale: fc.integer({ min: -1, max: 14 }),
    sackPermitted: fc.boolean(),
    timestamps: fc.option(fc.tuple(u32, u32), { nil: undefined }),
    blocks: fc.array(fc.tuple(u32, u32), { maxLength: 4 }),
  })
  .map(({ timestamps, blocks, ...fields }) => {
    const segment: Segment = { ...createSegment(), ...fields, sackBlocks: blocks.length };
    if (timestamps) Object.assign(segment, { hasTimestamps: true, tsval: timestamps[0], tsecr: timestamps[1] });
    blocks.forEach(([start, end], i) => {
      segment.sackStart[i] = start;
      segment.sackEnd[i] = end;
    });
    return segment;
  });

/** What can be compared: only the blocks that count, and without the length of the header. */
function comparable({ sackStart, sackEnd, sackBlocks, dataOffsetBytes: _, ...fields }: Segment) {
  return { ...fields, blocks: Array.from({ length: sackBlocks }, (_, i) => [sackStart[i], sackEnd[i]]) };
}

test('tcp: what is emitted is parsed again, with as many SACK blocks as 40 bytes of options hold', () => {
  fc.assert(
    fc.property(segments, fc.nat(20), (segment, offset) => {
      const view = new DataView(new Uint8Array(offset + 70).fill(0xa5).buffer);
      const bytes = emitSegment(view, offset, segment);
      assert.equal(bytes, segmentHeaderBytes(segment));
      assert.ok(bytes <= 60);
      assert.equal(view.getUint8(offset + bytes), 0xa5);
      const out = createSegment();
      out.mss = 1;
      out.sackBlocks = 4;
      assert.equal(parseSegment(new DataView(view.buffer, 0, offset + bytes), offset, bytes, out), Reason.OK);
      assert.equal(out.dataOffsetBytes, bytes);
      const expected = comparable(segment);
      const used = bytes - (out.sackBlocks === 0 ? 0 : 4 + out.sackBlocks * 8);
      const room = Math.max(0, Math.floor((60 - used - 4) / 8));
      expected.blocks.length = Math.min(expected.blocks.length, room);
      assert.deepEqual(comparable(out), expected);
    }),
    { numRuns: 500 },
  );
});

test('tcp: a data segment has 32 bytes of header, ports 0 and checksum 0', () => {
  const view = new DataView(new ArrayBuffer(32));
  const segment = createSegment();
  Object.assign(segment, { seq: 0x80000001, ack: 0xfffffffe, flags: TcpFlag.ACK | TcpFlag.PSH, windowRaw: 0x1234 });
  Object.assign(segment, { hasTimestamps: true, tsval: 0xdeadbeef, tsecr: 0xcafebabe });
  assert.equal(emitSegment(view, 0, segment), 32);
  const hex = '00000000 80000001 fffffffe 80181234 00000000 0101080a deadbeef cafebabe';
  assert.equal(toHex(view), hex.replaceAll(' ', ''));
});

test('tcp: three SACK blocks fit beside timestamps, four without', () => {
  const segment = createSegment();
  segment.sackBlocks = 4;
  assert.equal(segmentHeaderBytes(segment), 20 + 4 + 32);
  segment.hasTimestamps = true;
  assert.equal(segmentHeaderBytes(segment), 20 + 12 + 4 + 24);
});

test('tcp: options in the order and alignment of other stacks', () => {
  const segment = createSegment();
  // mss, nop, wscale, nop, nop, timestamps, sack-permitted, end of list and filling.
  const options = '020405b4 01030306 0101080a 00000001 00000002 04020000';
  assert.equal(parseSegment(...withOptions(options), segment), Reason.OK);
  assert.deepEqual(
    [segment.mss, segment.windowScale, segment.sackPermitted, segment.tsval, segment.tsecr],
    [1460, 6, true, 1, 2],
  );
  // Unknown (kind 254), then timestamps at an odd place.
  assert.equal(parseSegment(...withOptions('fe030008 0a000000 09000000 0a010101'), segment), Reason.OK);
  assert.deepEqual([segment.mss, segment.windowScale, segment.tsval, segment.tsecr], [0, -1, 9, 10]);
});

test('tcp: behind the end of the list nothing counts', () => {
  const segment = createSegment();
  assert.equal(parseSegment(...withOptions('00ffffff 020405b4'), segment), Reason.OK);
  assert.equal(segment.mss, 0);
});

test('tcp: a window scale above 14 is taken as 14', () => {
  const segment = createSegment();
  assert.equal(parseSegment(...withOptions('010303ff'), segment), Reason.OK);
  assert.equal(segment.windowScale, 14);
});

test('tcp: broken options are BAD_SEGMENT', () => {
  const broken = [
    '02000000', // length 0
    '02010000', // length 1
    '01010102', // kind without length
    '02050000', // past the header
    '02030001', // mss of 3 bytes
    '03020101', // window scale of 2 bytes
    '04030001', // SACK-permitted of 3 bytes
    '08040000', // timestamps of 4 bytes
    '05020101', // SACK of no block
    '0506000000000101', // SACK of half a block
    'fe000000', // unknown with length 0
    'fe090000', // unknown past the header
  ];
  for (const options of broken)
    assert.equal(parseSegment(...withOptions(options), createSegment()), Reason.BAD_SEGMENT, options);
});

test('tcp: a header shorter than 20 bytes or longer than the segment is refused', () => {
  const view = new DataView(new ArrayBuffer(60));
  assert.equal(parseSegment(view, 0, 60, createSegment()), Reason.BAD_SEGMENT);
  view.setUint8(12, 0xf0);
  assert.equal(parseSegment(view, 0, 59, createSegment()), Reason.BAD_SEGMENT);
  assert.equal(parseSegment(view, 0, 19, createSegment()), Reason.TRUNCATED);
  assert.equal(parseSegment(view, 0, 0, createSegment()), Reason.TRUNCATED);
});

test('tcp: every truncation gives a reason, and nothing past the length is read', () => {
  const out = createSegment();
  fc.assert(
    fc.property(segments, (segment) => {
      const view = new DataView(new ArrayBuffer(60));
      const bytes = emitSegment(view, 0, segment);
      for (let length = 0; length < bytes; length++) {
        const reason = parseSegment(new DataView(view.buffer, 0, length), 0, length, out);
        assert.equal(reason, length < 20 ? Reason.TRUNCATED : Reason.BAD_SEGMENT);
      }
    }),
    { numRuns: 50 },
  );
});

test('tcp: random bytes never throw', () => {
  const out = createSegment();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (data) => {
      const reason = parseSegment(new DataView(data.buffer, 0, data.length), 0, data.length, out);
      assert.ok(reason === Reason.OK || reason === Reason.TRUNCATED || reason === Reason.BAD_SEGMENT);
      if (reason === Reason.OK) assert.ok(out.dataOffsetBytes <= data.length && out.sackBlocks <= 4);
    }),
    { numRuns: 2000 },
  );
});

/** A segment whose options are these bytes: the arguments of `parseSegment`. */
function withOptions(hex: string): [DataView, number, number] {
  const options = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const bytes = 20 + options.length;
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint8(12, (bytes / 4) << 4);
  new Uint8Array(view.buffer).set(options, 20);
  return [view, 0, bytes];
}

function toHex(view: DataView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('hex');
}
