// Fuzz target: the bytes as a TCP segment. What parses survives emit and parse, but for SACK blocks that foreign layouts
// squeeze in where ours has no room; the checksum of anything is a checksum.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import * as wire from '../../../src/core/wire/index.ts';
import { viewOf } from '../../vectors/load.ts';

export const maxBytes = 512;

export function fuzz(data: Uint8Array): void {
  const view = viewOf(data);
  const sum = wire.internetChecksum(view, 0, data.length);
  assert.ok(sum >= 0 && sum <= 0xffff);
  if (wire.parseSegment(view, 0, data.length, segment) !== Reason.OK) return;
  assert.ok(segment.dataOffsetBytes >= wire.tcpHeaderBytes && segment.dataOffsetBytes <= data.length);
  const bytes = wire.emitSegment(scratch, 0, segment);
  assert.equal(bytes, wire.segmentHeaderBytes(segment));
  assert.ok(bytes <= wire.maxTcpHeaderBytes);
  assert.equal(wire.parseSegment(scratch, 0, bytes, again), Reason.OK);
  assert.ok(again.sackBlocks === segment.sackBlocks || bytes > wire.maxTcpHeaderBytes - 8);
  for (const field of fields) assert.equal(again[field], segment[field], field);
  for (let i = 0; i < again.sackBlocks; i++) {
    assert.equal(again.sackStart[i], segment.sackStart[i]);
    assert.equal(again.sackEnd[i], segment.sackEnd[i]);
  }
}

const segment = wire.createSegment();
const again = wire.createSegment();
const scratch = new DataView(new ArrayBuffer(wire.maxTcpHeaderBytes));
const differing = ['dataOffsetBytes', 'sackBlocks', 'sackStart', 'sackEnd'];
const fields = Object.keys(segment).filter((key) => !differing.includes(key)) as 'seq'[];
