// The data path without a network: two engines in memory. What is asserted does not depend on the machine: one ACK per
// batch at most, full batches, nothing repeated; the rate and the nanoseconds per segment are only reported.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import {
  acceptBytes,
  consumeBytes,
  copyReadable,
  createBlockPool,
  createTcb,
  egress,
  emitSyn,
  endBatch,
  enqueue,
  handleSegment,
  type Lower,
  type PacketBatch,
  readableBytes,
  sendSpace,
  type Tcb,
} from './index.ts';
import { headerBytes, tcbOptions } from './two-ends.test.ts';

const totalBytes = 256 * 1024 * 1024;
const packetBytes = 1472;
const chunk = new Uint8Array(65_536);
const sink = new Uint8Array(65_536);

const lower: Lower = {
  headerBytes,
  trustedHeaderBytes: headerBytes,
  opening: 'lower',
  pads: false,
  emitHeader({ view }, offset, segmentBytes) {
    view.setUint32(offset, segmentBytes);
  },
};

function makeBatch(): PacketBatch {
  const buffer = new Uint8Array(65_507);
  return { buffer, view: new DataView(buffer.buffer), bytes: 0, packetBytes: 0, packets: 0, probe: false };
}

function receive(tcb: Tcb, nowUs: number, { view, buffer, bytes, packetBytes: size }: PacketBatch): void {
  for (let at = 0; at < bytes; at += size)
    handleSegment(tcb, nowUs, view, buffer, at + headerBytes, Math.min(size, bytes - at) - headerBytes);
}

function readAll(tcb: Tcb, nowUs: number): void {
  for (let bytes = readableBytes(tcb); bytes > 0; bytes = readableBytes(tcb)) {
    const taken = Math.min(bytes, sink.length);
    copyReadable(tcb, 0, sink, 0, taken);
    acceptBytes(tcb, nowUs, taken);
    consumeBytes(tcb, nowUs, taken);
  }
  endBatch(tcb, nowUs);
}

test('throughput: engine to engine in memory', (t) => {
  const pool = createBlockPool();
  const a = createTcb(tcbOptions({ packetBytes, maxPacketBytes: packetBytes }), pool);
  const b = createTcb(tcbOptions({ packetBytes, maxPacketBytes: packetBytes, iss: 5 }), pool);
  const data = makeBatch();
  const acks = makeBatch();
  let nowUs = 1_000_000;
  handleSegment(b, nowUs, data.view, data.buffer, 0, emitSyn(a, nowUs, data.view, 0));
  handleSegment(a, nowUs, data.view, data.buffer, 0, emitSyn(b, nowUs, data.view, 0));
  const startedAt = process.hrtime.bigint();
  let batches = 0;
  let inEgress = 0n;
  let inIngress = 0n;
  while (b.rcvAcked < totalBytes) {
    nowUs += 20;
    while (sendSpace(a) >= chunk.length) enqueue(a, nowUs, chunk, 0, chunk.length);
    for (;;) {
      const before = process.hrtime.bigint();
      const more = egress(a, nowUs, lower, data);
      const between = process.hrtime.bigint();
      inEgress += between - before;
      if (!more) break;
      batches++;
      receive(b, nowUs, data);
      inIngress += process.hrtime.bigint() - between;
      readAll(b, nowUs);
      while (egress(b, nowUs, lower, acks)) receive(a, nowUs, acks);
      endBatch(a, nowUs);
    }
  }
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  const segments = a.counters.segmentsOut;
  t.diagnostic(
    `${(b.rcvAcked / seconds / 1e9).toFixed(2)} GB/s; egress ${(Number(inEgress) / segments) | 0} ns, ` +
      `ingress ${(Number(inIngress) / segments) | 0} ns per segment`,
  );
  assert.equal(a.counters.retransmits, 0);
  assert.ok(b.counters.acksOut <= batches, `${b.counters.acksOut} ACKs for ${batches} batches`);
  assert.ok(segments / batches > 35, `${segments / batches} segments per batch`);
});
