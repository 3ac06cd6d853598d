import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createExpiringMap,
  deleteExpiring,
  expiringEntries,
  getExpiring,
  nextExpiryUs,
  setExpiring,
  takeExpired,
} from './expiring-map.ts';

describe('expiring map', () => {
  it('an entry is there until its time, drained or not', () => {
    const map = createExpiringMap<string, number>(10, 'refuse');
    setExpiring(map, 'a', 1, 100);
    assert.equal(getExpiring(map, 'a', 99), 1);
    assert.equal(getExpiring(map, 'a', 100), undefined);
    assert.equal(getExpiring(map, 'b', 0), undefined);
    assert.deepEqual(takeExpired(map, 99), undefined);
    assert.deepEqual(takeExpired(map, 100), { key: 'a', value: 1 });
    assert.equal(nextExpiryUs(map), Infinity);
  });

  it('drains in order of expiry; setting again renews', () => {
    const map = createExpiringMap<string, number>(10, 'refuse');
    setExpiring(map, 'a', 1, 300);
    setExpiring(map, 'b', 2, 100);
    setExpiring(map, 'c', 3, 200);
    setExpiring(map, 'b', 4, 400);
    assert.equal(nextExpiryUs(map), 200);
    const keys = [];
    for (let entry = takeExpired(map, 1000); entry; entry = takeExpired(map, 1000))
      keys.push(`${entry.key}${entry.value}`);
    assert.deepEqual(keys, ['c3', 'a1', 'b4']);
  });

  it('at capacity `refuse` keeps what is there, but still replaces', () => {
    const map = createExpiringMap<string, number>(2, 'refuse');
    assert.equal(setExpiring(map, 'a', 1, 1), true);
    assert.equal(setExpiring(map, 'b', 2, Infinity), true);
    assert.equal(setExpiring(map, 'c', 3, 3), false);
    assert.equal(setExpiring(map, 'a', 9, 9), true);
    assert.deepEqual([...expiringEntries(map)], [9, 2]);
  });

  it('at capacity `evict` drops what would expire first', () => {
    const map = createExpiringMap<number, number>(2, 'evict');
    setExpiring(map, 1, 1, Infinity);
    setExpiring(map, 2, 2, 50);
    assert.equal(setExpiring(map, 3, 3, 60), true);
    assert.deepEqual(
      [1, 2, 3].map((key) => getExpiring(map, key, 0)),
      [1, undefined, 3],
    );
    assert.equal(setExpiring(map, 4, 4, 1), true);
    assert.deepEqual(
      [1, 3, 4].map((key) => getExpiring(map, key, 0)),
      [1, undefined, 4],
    );
  });

  it('a deleted key leaves no deadline behind and its slot is used again', () => {
    const map = createExpiringMap<string, number>(2, 'refuse');
    setExpiring(map, 'a', 1, 100);
    assert.equal(deleteExpiring(map, 'a'), true);
    assert.equal(deleteExpiring(map, 'a'), false);
    assert.equal(nextExpiryUs(map), Infinity);
    setExpiring(map, 'b', 2, 200);
    assert.equal(takeExpired(map, 150), undefined);
    assert.equal(map.keys.length, 1);
  });
});
