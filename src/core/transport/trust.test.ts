// The seam for authenticated packets: what an untrusted segment may do, and malformed ones.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Reason, randomBelow, seededRandom } from '../base/index.ts';
import { createSegment, emitSegment, type Segment, TcpFlag } from '../wire/index.ts';
import { egress, enqueue, handleSegment, type PacketBatch, readableBytes, Signal, type Tcb } from './index.ts';
import { deliver, headerBytesAt, lower, makeWorld, open, pass, transfer, type World } from './two-ends.test.ts';

const packet = new Uint8Array(2048);
const view = new DataView(packet.buffer);

function openWorld(opening: 'lower' | 'self' = 'lower'): World {
  const world = makeWorld(1, {}, { opening });
  open(world);
  deliver(world, 0, 10_000);
  pass(world, 100_000);
  return world;
}

function give(tcb: Tcb, nowUs: number, bytes: number, trusted: boolean, changes: Partial<Segment>): Reason {
  const segment = Object.assign(createSegment(), {
    flags: TcpFlag.ACK,
    seq: (tcb.irs + 1 + tcb.rcvNxt) >>> 0,
    ack: (tcb.iss + 1 + tcb.sndUna) >>> 0,
    windowRaw: 500,
    hasTimestamps: true,
    tsval: tcb.tsRecent,
    ...changes,
  });
  const length = emitSegment(view, 0, segment);
  return handleSegment(tcb, nowUs, view, packet, 0, length + bytes, trusted);
}

test('untrusted: payload is taken; ACK, window, timestamps and FIN are not', () => {
  const world = openWorld();
  const { tcb } = world.ends[1];
  world.ends[1].toSend = 5000;
  const before = { una: tcb.sndUna, wnd: tcb.sndWnd, ts: tcb.tsRecent };
  const changes = { windowRaw: 1, tsval: (tcb.tsRecent + 2 ** 30) >>> 0, flags: TcpFlag.ACK | TcpFlag.FIN };
  assert.equal(give(tcb, world.nowUs, 100, false, changes), Reason.OK);
  assert.equal(readableBytes(tcb), 100);
  assert.deepEqual({ una: tcb.sndUna, wnd: tcb.sndWnd, ts: tcb.tsRecent }, before);
  assert.equal(tcb.rcvFinAt, -1);
  assert.equal(give(tcb, world.nowUs, 100, true, { flags: TcpFlag.ACK | TcpFlag.FIN }), Reason.OK);
  assert.equal(tcb.rcvFinAt, tcb.rcvNxt);
});

test('a forged FIN in the middle is shown up by the data behind it', () => {
  const world = openWorld();
  const { tcb } = world.ends[1];
  give(tcb, world.nowUs, 0, true, { seq: (tcb.irs + 1 + tcb.rcvNxt + 3000) >>> 0, flags: TcpFlag.ACK | TcpFlag.FIN });
  assert.equal(tcb.rcvFinAt, tcb.rcvNxt + 3000);
  transfer(world, 50_000);
  assert.equal(world.ends[1].received, 60_000);
});

test('an ACK of what was never sent, or of long ago, is questioned and changes nothing', () => {
  const world = openWorld('self');
  const { tcb } = world.ends[0];
  for (const ack of [tcb.sndUna + 1, tcb.sndUna + 2 ** 30, tcb.sndUna - 2 ** 30]) {
    assert.equal(give(tcb, world.nowUs, 0, true, { ack: (tcb.iss + 1 + ack) >>> 0 }), Reason.STALE);
    assert.equal(tcb.sndUna, 10_000);
  }
  assert.ok(tcb.ackNow);
});

test('SACK blocks of what was never sent are ignored', () => {
  const world = openWorld();
  const { tcb } = world.ends[0];
  const segment = createSegment();
  segment.sackStart.set([tcb.iss + 1 + 50_000, 7]);
  segment.sackEnd.set([tcb.iss + 1 + 60_000, 3]);
  give(tcb, world.nowUs, 0, true, { sackBlocks: 2, sackStart: segment.sackStart, sackEnd: segment.sackEnd });
  assert.equal(tcb.scoreboard.sackedBytes, 0);
  transfer(world, 20_000);
});

test('data beyond the window is not stored, a part within it is', () => {
  const world = openWorld();
  const { tcb } = world.ends[1];
  const beyond = (tcb.irs + 1 + tcb.rcvAdv) >>> 0;
  assert.equal(give(tcb, world.nowUs, 100, true, { seq: beyond }), Reason.STALE);
  assert.equal(give(tcb, world.nowUs, 100, true, { seq: beyond - 40 }), Reason.OK);
  assert.deepEqual([...tcb.reassembly.intervals.values.subarray(0, 1)], [tcb.rcvAdv]);
});

test('random bytes never throw, and a connection survives them', () => {
  for (const mode of ['lower', 'self'] as const) {
    const world = openWorld(mode);
    const { tcb } = world.ends[1];
    const random = seededRandom(99);
    for (let i = 0; i < 20_000; i++) {
      const length = randomBelow(random, 120);
      for (let at = 0; at < length; at++) packet[at] = random.uint32() & 255;
      handleSegment(tcb, world.nowUs, view, packet, 0, length);
    }
    if (mode === 'lower') {
      assert.equal(tcb.signals & (Signal.RESET | Signal.TIMED_OUT), 0);
      transfer(world, 10_000, 10_000);
    }
  }
});

for (const [packetBytes, packets] of [
  [600, 64],
  [30_000, 3],
  [33_000, 1],
  [65_487, 1],
] as const)
  test(`a full batch of packets of ${packetBytes} bytes ends with a segment that is believed`, () => {
    const world = makeWorld(1, {}, { packetBytes, maxPacketBytes: packetBytes });
    open(world);
    const [{ tcb }] = world.ends;
    tcb.congestion.cwndBytes = 1_000_000;
    tcb.sndWnd = 1_000_000;
    tcb.pacer.bytesPerUs = 0;
    enqueue(tcb, world.nowUs, new Uint8Array(200_000), 0, 200_000);
    const buffer = new Uint8Array(65_487);
    const view = new DataView(buffer.buffer);
    const batch: PacketBatch = { buffer, view, bytes: 0, packetBytes: 0, packets: 0, probe: false };
    assert.ok(egress(tcb, world.nowUs, lower, batch));
    assert.equal(batch.packets, packets);
    assert.equal(headerBytesAt(view, (packets - 1) * batch.packetBytes), lower.trustedHeaderBytes);
  });
