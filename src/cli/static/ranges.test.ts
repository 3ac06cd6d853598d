import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRange } from './ranges.ts';

describe('static ranges', () => {
  it('one range: closed, open, suffix, clipped to the size', () => {
    assert.deepEqual(parseRange('bytes=0-99', 1000), [{ start: 0, end: 99 }]);
    assert.deepEqual(parseRange('bytes=900-', 1000), [{ start: 900, end: 999 }]);
    assert.deepEqual(parseRange('bytes=-100', 1000), [{ start: 900, end: 999 }]);
    assert.deepEqual(parseRange('bytes=-5000', 1000), [{ start: 0, end: 999 }]);
    assert.deepEqual(parseRange('Bytes = 5-5000', 1000), [{ start: 5, end: 999 }]);
  });

  it('several ranges: in the order asked for; unsatisfiable ones left out', () => {
    assert.deepEqual(parseRange('bytes=500-599, 0-9,2000-', 1000), [
      { start: 500, end: 599 },
      { start: 0, end: 9 },
    ]);
  });

  it('not understood or hostile: the whole file', () => {
    for (const header of [
      undefined,
      '',
      'bytes',
      'bytes=',
      'bytes=,',
      'bytes=-',
      'bytes=9-1',
      'bytes=a-b',
      'items=0-1',
      'bytes=0-10,5-20',
      `bytes=${Array.from({ length: 17 }, (_, i) => `${i * 2}-${i * 2}`).join(',')}`,
    ])
      assert.equal(parseRange(header, 1000), 'whole', header);
  });

  it('nothing satisfiable: none', () => {
    assert.equal(parseRange('bytes=1000-', 1000), 'none');
    assert.equal(parseRange('bytes=-0', 1000), 'none');
    assert.equal(parseRange('bytes=0-', 0), 'none');
  });

  it('any header: ranges lie within the file and do not overlap', () => {
    const spec = fc.tuple(fc.option(fc.nat(300)), fc.option(fc.nat(300))).map(([a, b]) => `${a ?? ''}-${b ?? ''}`);
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 6 }), fc.nat(200), (specs, sizeBytes) => {
        const result = parseRange(`bytes=${specs.join(',')}`, sizeBytes);
        if (typeof result === 'string') return;
        let total = 0;
        for (const { start, end } of result) {
          assert.ok(start >= 0 && start <= end && end < sizeBytes);
          total += end - start + 1;
        }
        assert.ok(total <= sizeBytes);
      }),
    );
  });
});
