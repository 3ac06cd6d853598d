// Record headers, datagram numbers and the 53-bit counters in both.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { Reason } from '../base/index.ts';
import {
  branchNumbers,
  createDatagramHeader,
  createRecordHeader,
  datagramHeaderBytes,
  emitBranch,
  emitDatagramHeader,
  emitRecordHeader,
  maxRecordBodyBytes,
  parseBranch,
  parseDatagramHeader,
  parseRecordHeader,
  RecordType,
  readUint53,
  recordHeaderBytes,
  recordNumberEnd,
  writeUint53,
} from './index.ts';

const u53 = fc.maxSafeNat();
const recordNumber = fc.maxSafeNat().map((number) => number % recordNumberEnd);

test('record: header round trip', () => {
  const out = createRecordHeader();
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2),
      fc.nat(maxRecordBodyBytes),
      recordNumber,
      fc.nat(9),
      (type, body, number, offset) => {
        const view = new DataView(new ArrayBuffer(offset + recordHeaderBytes));
        assert.equal(emitRecordHeader(view, offset, type, body, number), recordHeaderBytes);
        assert.equal(parseRecordHeader(view, offset, recordHeaderBytes, out), Reason.OK);
        assert.deepEqual(out, { type, bodyBytes: body, recordNumber: number });
      },
    ),
  );
});

test('record: numbers of branches are told from records’ and from that of the next key', () => {
  const view = new DataView(new ArrayBuffer(8));
  for (const number of [recordNumberEnd, recordNumberEnd + branchNumbers - 1]) {
    emitBranch(view, 0, number);
    assert.equal(parseBranch(view, 0), number);
  }
  for (const number of [0, recordNumberEnd - 1, recordNumberEnd + branchNumbers, 2 ** 53 - 1]) {
    emitBranch(view, 0, number);
    assert.equal(parseBranch(view, 0), undefined);
  }
  view.setUint32(0, 0xffffffff);
  assert.equal(parseBranch(view, 0), undefined);
});

test('record: byte for byte', () => {
  const view = new DataView(new ArrayBuffer(12));
  emitRecordHeader(view, 0, RecordType.DATA, 65536, 2 ** 32 + 5);
  assert.equal(Buffer.from(view.buffer).toString('hex'), '010100000000000100000005');
});

test('record: a short header, an unknown type, a long body and a huge number are refused', () => {
  const out = createRecordHeader();
  const view = new DataView(new ArrayBuffer(12));
  emitRecordHeader(view, 0, RecordType.CLOSE, 0, 7);
  for (let length = 0; length < 12; length++)
    assert.equal(parseRecordHeader(new DataView(view.buffer, 0, length), 0, length, out), Reason.TRUNCATED);
  const cases: [number, number][] = [
    [0, 0x00000000],
    [0, 0x03000000],
    [0, 0x01010001],
    [4, 0x00100000],
    [4, 0x00200000],
    [4, 0xffffffff],
  ];
  for (const [at, word] of cases) {
    emitRecordHeader(view, 0, RecordType.CLOSE, 0, 7);
    view.setUint32(at, word);
    assert.equal(parseRecordHeader(view, 0, 12, out), Reason.BAD_RECORD, word.toString(16));
  }
});

test('datagram: number round trip, short or huge ones refused', () => {
  const out = createDatagramHeader();
  const view = new DataView(new ArrayBuffer(8));
  fc.assert(
    fc.property(u53, (number) => {
      assert.equal(emitDatagramHeader(view, 0, number), datagramHeaderBytes);
      assert.equal(parseDatagramHeader(view, 0, 8, out), Reason.OK);
      assert.equal(out.datagramNumber, number);
    }),
  );
  assert.equal(parseDatagramHeader(new DataView(view.buffer, 0, 7), 0, 7, out), Reason.TRUNCATED);
  view.setUint32(0, 0x200000);
  assert.equal(parseDatagramHeader(view, 0, 8, out), Reason.BAD_RECORD);
});

test('counter: exact up to 2^53 - 1, refused from 2^53 on', () => {
  const view = new DataView(new ArrayBuffer(8));
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    writeUint53(view, 0, value);
    assert.equal(view.getBigUint64(0), BigInt(value));
    assert.equal(readUint53(view, 0), value);
  }
  view.setBigUint64(0, 2n ** 53n);
  assert.equal(readUint53(view, 0), -1);
});
