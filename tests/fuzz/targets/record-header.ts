// Fuzz target: the bytes as the header of a record. What parses is emitted byte for byte as it was.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import * as wire from '../../../src/core/wire/index.ts';
import { viewOf } from '../../vectors/load.ts';

export const maxBytes = 32;

export function fuzz(data: Uint8Array): void {
  const view = viewOf(data);
  if (wire.parseRecordHeader(view, 0, data.length, record) !== Reason.OK) return;
  assert.ok(record.bodyBytes <= wire.maxRecordBodyBytes);
  assert.ok(Number.isSafeInteger(record.recordNumber));
  wire.emitRecordHeader(scratch, 0, record.type, record.bodyBytes, record.recordNumber);
  for (let i = 0; i < wire.recordHeaderBytes; i += 4) assert.equal(scratch.getUint32(i), view.getUint32(i));
}

const record = wire.createRecordHeader();
const scratch = new DataView(new ArrayBuffer(wire.recordHeaderBytes));
