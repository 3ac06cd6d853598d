import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatLocator, isLoopback, isPrivate, sameLocator } from './locator.ts';

const v4 = { address: Uint8Array.of(192, 0, 2, 1), port: 54324 };
const v6 = { address: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), port: 9 };

describe('locator', () => {
  it('is equal by value: address, family and port', () => {
    assert.ok(sameLocator(v4, { address: v4.address.slice(), port: 54324 }));
    assert.ok(!sameLocator(v4, { ...v4, port: 1 }));
    assert.ok(!sameLocator(v4, { address: Uint8Array.of(192, 0, 2, 2), port: 54324 }));
    assert.ok(!sameLocator({ address: new Uint8Array(4), port: 1 }, { address: new Uint8Array(16), port: 1 }));
  });

  it('prints both families', () => {
    assert.equal(formatLocator(v4), '192.0.2.1:54324');
    assert.equal(formatLocator(v6), '[2001:db8:0:0:0:0:0:1]:9');
  });

  it('knows loopback: 127/8 and ::1', () => {
    const one = new Uint8Array(16);
    one[15] = 1;
    assert.ok(isLoopback({ address: Uint8Array.of(127, 9, 9, 9), port: 1 }));
    assert.ok(isLoopback({ address: one, port: 1 }));
    assert.ok(!isLoopback(v4));
    assert.ok(!isLoopback(v6));
    assert.ok(!isLoopback({ address: new Uint8Array(16), port: 1 }));
  });

  it('knows what is not of the public internet', () => {
    const of = (...address: number[]) => isPrivate({ address: Uint8Array.from(address), port: 1 });
    for (const [a, b] of [
      [10, 0],
      [172, 16],
      [172, 31],
      [192, 168],
      [169, 254],
      [100, 64],
      [127, 5],
    ] as const)
      assert.ok(of(a, b, 1, 1), `${a}.${b}`);
    for (const [a, b] of [
      [172, 32],
      [192, 0],
      [100, 128],
      [8, 8],
      [11, 0],
    ] as const)
      assert.ok(!of(a, b, 1, 1), `${a}.${b}`);
    const six = (a: number, b: number) => of(a, b, ...new Array(14).fill(7));
    assert.ok(six(0xfd, 1) && six(0xfe, 0x80) && !six(0x20, 1) && !six(0xfe, 0));
    assert.ok(of(...new Array(15).fill(0), 1));
  });
});
