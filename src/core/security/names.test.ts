import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { formatServiceId, makePrefix, prefixContains, serviceBits } from '../base/index.ts';
import { checkLabel, controlLabel, directoryLabel, isLabel, labelServiceId, memberServiceId } from './names.ts';

const primitives = { sha256: (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest()) };
const invalid = { name: 'TypeError', code: 'ERR_INVALID_SERVICE_NAME' };

describe('labels', () => {
  it('a label is ssID 0, the first 160 bits of its SHA-256, member 0', () => {
    const id = labelServiceId(primitives, 'echo');
    const hash = createHash('sha256').update('echo').digest('hex');
    assert.equal(Buffer.from(id).toString('hex'), `${'00'.repeat(8)}${hash.slice(0, 40)}${'00'.repeat(4)}`);
    assert.equal(formatServiceId(id).slice(0, 12), 'a'.repeat(12));
  });

  it('well-known names differ from each other and stand in the label domain', () => {
    const control = labelServiceId(primitives, controlLabel);
    const directory = labelServiceId(primitives, directoryLabel);
    assert.notDeepEqual(control, directory);
    for (const id of [control, directory]) assert.ok(prefixContains(makePrefix(new Uint8Array(32), 64), id));
  });

  it('takes what a DNS name may hold, and nothing else', () => {
    const long = 'a'.repeat(63);
    for (const label of ['a', '0', 'web-1', '_x', 'a.b.c', long, `${long}.${long}.${long}.${'a'.repeat(61)}`])
      assert.ok(isLabel(label), label);
    const tooLong = `${long}.${long}.${long}.${'a'.repeat(62)}`;
    for (const label of ['', '.', 'a.', '.a', 'a..b', 'A', 'é', 'a b', 'a/b', 'a\n', `${long}a`, tooLong]) {
      assert.ok(!isLabel(label), label);
      assert.throws(() => checkLabel(label), invalid);
      assert.throws(() => labelServiceId(primitives, label), invalid);
    }
  });

  it('a member belongs to its service', () => {
    const service = labelServiceId(primitives, 'cache');
    const member = memberServiceId(service, 0xdeadbeef);
    assert.deepEqual([...member.subarray(28)], [0xde, 0xad, 0xbe, 0xef]);
    assert.ok(prefixContains(makePrefix(service, serviceBits), member));
    assert.deepEqual(memberServiceId(member, 0), service);
    for (const wrong of [-1, 2 ** 32, 0.5, Number.NaN])
      assert.throws(() => memberServiceId(service, wrong), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  });
});
