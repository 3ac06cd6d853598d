import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sealState } from '../../core/security/index.ts';
import { primitives, unixSeconds } from '../../keys/index.ts';
import { type Carried, createParcelKey, openParcel, sealParcel } from './luggage.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function carried(index: number, large = 0): Carried {
  return {
    index,
    bytesRead: 2 ** 40 + index,
    bytesWritten: 7,
    state: bytes(`state ${index}`),
    unread: new Uint8Array(large).fill(3),
    unwritten: bytes('unwritten'),
    blob: new Uint8Array(0),
  };
}

/** As sealParcel does, whatever it is. */
function seal(key: Uint8Array, plain: Uint8Array): Uint8Array {
  const sealing = { ...primitives, allocate: (length: number) => new Uint8Array(length), unixSeconds };
  return sealState(sealing, key, plain)!;
}

/** One connection as it stands in a parcel, with these lengths of its four parts, and so many bytes behind them. */
function plainOf(lengths: readonly number[], restBytes = 0): Uint8Array {
  const held = lengths.flatMap((length) => [0, 0, 0, length, ...new Array(length).fill(9)]);
  return Uint8Array.from([...new Array(20).fill(0), ...held, ...new Array(restBytes).fill(0)]);
}

test('luggage: what is packed is unpacked: counts beyond 32 bits, empty parts, large ones', () => {
  for (const connections of [[], [carried(5)], [carried(0), carried(2 ** 32 - 1, 100_000), carried(1)]]) {
    const before = structuredClone(connections);
    const key = createParcelKey();
    const opened = openParcel(key, sealParcel(key.publicKey, connections)!);
    assert.deepEqual(opened, before);
  }
});

test('luggage: a parcel opens once, by its own key, as it was sealed', () => {
  const [key, other] = [createParcelKey(), createParcelKey()];
  const sealed = sealParcel(key.publicKey, [carried(1)])!;
  assert.equal(openParcel(other, sealed), undefined);
  const changed = Uint8Array.from(sealed);
  changed[changed.length - 1]! ^= 1;
  assert.equal(openParcel(createParcelKey(), changed), undefined);
  assert.equal(openParcel(key, sealed)?.length, 1);
  assert.equal(openParcel(key, sealed), undefined, 'the key was used');
  for (const length of [0, 47, 63]) assert.equal(openParcel(createParcelKey(), new Uint8Array(length)), undefined);
});

test('luggage: nothing is left of the states here, sealed or not', () => {
  for (const [key, isKey] of [
    [createParcelKey().publicKey, true],
    [new Uint8Array(32), false],
  ] as const) {
    const one = carried(1);
    const sealed = sealParcel(key, [one]);
    assert.equal(sealed !== undefined, isKey);
    assert.deepEqual(one.state, new Uint8Array(one.state.length));
    assert.deepEqual(one.unwritten, bytes('unwritten'), 'the application may go on with it here');
    if (sealed) assert.equal(Buffer.from(sealed).includes('state 1'), false);
  }
});

test('luggage: what was given away is not what the parcel was made of', () => {
  const key = createParcelKey();
  const [one] = openParcel(key, sealParcel(key.publicKey, [carried(1, 10)])!)!;
  assert.deepEqual(
    [one!.unread, one!.state],
    [new Uint8Array(10).fill(3), bytes('state 1')],
    'the plain text is wiped',
  );
  assert.equal(one!.unread.buffer.byteLength, 10);
});

test('luggage: a parcel that ends too soon, or is longer than it says, is none', () => {
  for (const [plain, count] of [
    [plainOf([1, 2, 0, 4]), 1],
    [Uint8Array.from([...plainOf([1, 2, 0, 4]), ...plainOf([0, 0, 0, 0])]), 2],
    [plainOf([1, 2, 0, 4], 1), undefined],
    [plainOf([1, 2, 0, 4], 19), undefined],
    [plainOf([1, 2, 0, 4]).subarray(0, -1), undefined],
    [plainOf([1, 2, 0]), undefined],
    [plainOf([]), undefined],
    [plainOf([1, 2, 0, 0]).subarray(0, -2), undefined],
    [Uint8Array.from([...plainOf([1, 2, 0]), 255, 255, 255, 255]), undefined],
  ] as const) {
    const key = createParcelKey();
    assert.equal(openParcel(key, seal(key.publicKey, plain))?.length, count, `${plain}`);
  }
});
