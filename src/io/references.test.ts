// What keeps a process alive is told at the first socket and at the last, whatever was let off meanwhile.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { References } from './references.ts';

test('references: the process is held from the first socket that counts to the last', () => {
  const told: boolean[] = [];
  const references = new References((held) => told.push(held));
  references.add();
  references.add();
  assert.deepEqual(told, [true]);
  references.unref(1);
  references.unref(1);
  assert.ok(references.held);
  references.unref(2);
  assert.deepEqual(told, [true, false]);
  references.ref(1);
  references.ref(1);
  assert.deepEqual(told, [true, false, true]);
  references.remove(2);
  assert.ok(references.held);
  references.remove(1);
  assert.deepEqual([references.held, ...told], [false, true, false, true, false]);
});
