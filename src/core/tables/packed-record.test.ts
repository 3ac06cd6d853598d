// Packing loses nothing: whatever stands in a record stands in the one that is made of its bytes.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTemplate, packRecord, type Template, unpackRecord } from './packed-record.ts';

interface Sample {
  count: number;
  big: number;
  flag: boolean;
  name: string;
  bytes: Uint8Array;
  maybe: unknown;
  readonly list: unknown[];
  readonly shared: object;
  inner: { a: number; b: number; deep: { c: number } };
  last: number;
}

const shared = { constant: true };

function sample(): Sample {
  return {
    count: 0,
    big: 0,
    flag: false,
    name: 'idle',
    bytes: new Uint8Array(4),
    maybe: undefined,
    list: [],
    shared,
    inner: { a: 0, b: -1, deep: { c: Number.POSITIVE_INFINITY } },
    last: 0,
  };
}

function roundTrip(template: Template<Sample>, record: Sample): Sample | undefined {
  const packed = packRecord(template, record);
  if (packed === undefined) return undefined;
  const row = new Uint8Array(packed.length + 7);
  row.set(packed.bytes.subarray(0, packed.length), 7);
  return unpackRecord(template, row, 7, packed.others);
}

const anyNumber = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 33 }),
  fc.double(),
  fc.constantFrom(-1, -0, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Infinity, -Infinity, Number.NaN),
);
const anySample = fc.record(
  {
    count: anyNumber,
    big: anyNumber,
    flag: fc.boolean(),
    name: fc.constantFrom('idle', 'busy'),
    bytes: fc.uint8Array({ maxLength: 300 }),
    maybe: fc.oneof(fc.constant(undefined), fc.boolean(), anyNumber, fc.string(), fc.uint8Array({ maxLength: 8 })),
    list: fc.array(anyNumber, { maxLength: 2 }),
    shared: fc.constantFrom<object>(shared, { other: 1 }),
    inner: fc.record(
      { a: anyNumber, b: anyNumber, deep: fc.record({ c: anyNumber }, { noNullPrototype: true }) },
      { noNullPrototype: true },
    ),
    last: anyNumber,
  },
  { noNullPrototype: true },
);

test('packed record: what is unpacked is what was packed, whichever record came first', () => {
  fc.assert(
    fc.property(fc.array(anySample, { minLength: 1, maxLength: 5 }), (samples) => {
      const template = createTemplate(sample);
      for (const each of samples) assert.deepStrictEqual(roundTrip(template, each), each);
    }),
  );
});

test('packed record: one like the first takes a byte, a number as many as it has', () => {
  const template = createTemplate(sample);
  const first = { ...sample(), count: 77, name: 'busy' };
  assert.equal(packRecord(template, first)?.length, 1);
  assert.equal(packRecord(template, { ...first, inner: { ...first.inner } })?.length, 1);
  assert.equal(packRecord(template, { ...first, big: 3 })?.length, 3);
  assert.equal(packRecord(template, { ...first, big: 70_000 })?.length, 6);
  assert.equal(packRecord(template, { ...first, big: 0.5, last: 0.5 })?.length, 12, 'a number that repeats is short');
});

test('packed record: records do not share what is part of each', () => {
  const template = createTemplate(sample);
  const one = roundTrip(template, sample());
  const two = roundTrip(template, sample());
  assert.ok(one && two);
  one.inner.deep.c = 5;
  one.list.push(1);
  assert.deepStrictEqual(two, sample());
  assert.equal(two.shared, shared);
});

test('packed record: one of another shape, or without a part, is left as it is', () => {
  const template = createTemplate(sample);
  assert.equal(packRecord(template, { ...sample(), more: 1 } as Sample), undefined);
  assert.equal(packRecord(template, { ...sample(), inner: undefined } as unknown as Sample), undefined);
  const { last, ...less } = sample();
  assert.equal(packRecord(template, { last, ...less } as Sample), undefined, 'another order is another shape');
});

test('packed record: more than a row holds is left as it is', () => {
  const make = () => Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`field${i}`, 0]));
  const template = createTemplate(make);
  assert.equal(packRecord(template, make())?.length, 1);
  const full = Object.fromEntries(Object.keys(make()).map((key, i) => [key, i + 0.5]));
  assert.equal(packRecord(template, full), undefined);
  const sparse = { ...make(), field399: 1 };
  const packed = packRecord(template, sparse);
  assert.ok(packed);
  assert.deepStrictEqual(unpackRecord(template, packed.bytes, 0, packed.others), sparse);
});
