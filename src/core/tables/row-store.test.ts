// Rows keep what was written to them, wherever others come and go; memory goes back.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '../base/index.ts';
import { addRow, createRowStore, freeRow, mostRowBytes, type RowStore, rowOffset, rowPage } from './row-store.ts';

function add(store: RowStore, length: number, value: number): number {
  return addRow(store, new Uint8Array(length).fill(value), length);
}

function check(store: RowStore, row: number, length: number, value: number): void {
  const offset = rowOffset(row);
  const bytes = rowPage(store, row).subarray(offset, offset + length);
  assert.ok(
    bytes.every((byte) => byte === value),
    `row ${row} was overwritten`,
  );
}

test('row store: rows of all lengths that come and go keep their bytes, and all memory goes back', () => {
  const store = createRowStore();
  const random = seededRandom(7);
  const rows: { row: number; length: number; value: number }[] = [];
  for (let step = 0; step < 20_000; step++) {
    const growing = step % 8_000 < 5_000;
    if (rows.length === 0 || randomBelow(random, 10) < (growing ? 7 : 3)) {
      const length = 1 + randomBelow(random, step % 3 === 0 ? mostRowBytes : 300);
      const value = 1 + randomBelow(random, 255);
      rows.push({ row: add(store, length, value), length, value });
    } else {
      const at = randomBelow(random, rows.length);
      const [gone] = rows.splice(at, 1, rows.at(-1) as (typeof rows)[0]);
      if (at < rows.length) rows.pop();
      assert.ok(gone);
      check(store, gone.row, gone.length, gone.value);
      freeRow(store, gone.row);
    }
    assert.equal(store.rows, rows.length);
  }
  assert.equal(new Set(rows.map(({ row }) => row)).size, rows.length);
  for (const { row, length, value } of rows) {
    check(store, row, length, value);
    freeRow(store, row);
  }
  assert.deepEqual([store.rows, store.pages.filter((page) => page !== undefined).length], [0, 0]);
});

test('row store: rows of like size fill a page before there is another', () => {
  const store = createRowStore();
  const rows = Array.from({ length: 1_000 }, () => add(store, 200, 1));
  const pages = store.pages.length;
  assert.ok(pages <= 4, `${pages} pages of 64 KiB for 1,000 rows of 224 bytes`);
  for (const row of rows.filter((_, i) => i % 2 === 0)) freeRow(store, row);
  for (let i = 0; i < 500; i++) add(store, 210, 2);
  assert.equal(store.pages.length, pages);
});

test('row store: what was freed is overwritten, but for a link', () => {
  const store = createRowStore();
  const [kept, gone] = [add(store, 64, 9), add(store, 64, 9)];
  freeRow(store, gone);
  const offset = rowOffset(gone);
  assert.ok(
    rowPage(store, kept)
      .subarray(offset + 2, offset + 64)
      .every((byte) => byte === 0),
  );
});
