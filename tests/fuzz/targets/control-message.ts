// Fuzz target: the bytes as a control message. What parses fits in `maxControlBytes` when emitted, and parses to the same
// fields again, and to the same bytes to be signed; emitting that gives the same bytes: there is one way to write a message.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import { createControlMessage, emitControl, maxControlBytes, parseControl } from '../../../src/core/control/index.ts';

export const maxBytes = 1024;

export function fuzz(data: Uint8Array): void {
  if (parseControl(data, 0, data.length, message) !== Reason.OK) return;
  const bytes = emitControl(message, first, margin);
  checkBounds(first, bytes);
  assert.ok(bytes <= data.length + absentBytes, 'what was appended is skipped, not much more is written than was read');
  assert.equal(parseControl(first, margin, bytes, again), Reason.OK);
  assert.equal(again.type, message.type);
  assert.equal(again.transaction, message.transaction);
  assert.equal(again.signedPart.length, message.signedPart.length);
  assert.equal(emitControl(again, second, margin), bytes);
  for (let i = margin; i < margin + bytes; i++) if (first[i] !== second[i]) assert.fail(`byte ${i - margin} changed`);
  // One byte less is not the message.
  assert.equal(parseControl(first, margin, bytes - 1, again), Reason.TRUNCATED);
}

const margin = 4;
/** Nonce and proof, which the first senders of this version left away. */
const absentBytes = 18;
const message = createControlMessage();
const again = createControlMessage();
const first = new Uint8Array(maxControlBytes + 2 * margin);
const second = new Uint8Array(maxControlBytes + 2 * margin);

function checkBounds(room: Uint8Array, bytes: number): void {
  assert.ok(bytes <= maxControlBytes);
  for (let i = 0; i < margin; i++) assert.equal(room[i], 0, 'nothing is written in front');
  for (let i = maxControlBytes + margin; i < room.length; i++) assert.equal(room[i], 0, 'nor far behind');
}
