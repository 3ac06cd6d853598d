// Control messages byte for byte, both ways, and the reason for each malformed one (docs/protocol-control.md, "Messages").
// The bytes were written from the field tables, not by the codec that they test.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Reason } from '../../src/core/base/index.ts';
import {
  type ControlMessage,
  createControlMessage,
  emitControl,
  MessageType,
  maxControlBytes,
  parseControl,
} from '../../src/core/control/index.ts';
import { high, low } from './extension-values.ts';
import { fromHex, loadVectors, toHex } from './load.ts';

interface Value {
  readonly type: MessageType;
  readonly transaction: number;
  readonly instance?: string;
  readonly boot?: string;
  readonly intervalMs?: number;
  readonly nonce?: string;
  readonly reason?: keyof typeof Reason;
  readonly held?: number;
  readonly observed?: { readonly address: string; readonly port: number };
  readonly peerState?: number;
}

const vectors = loadVectors<{
  valid: { name: string; value: Value; hex: string }[];
  invalid: { name: string; hex: string; reason: keyof typeof Reason }[];
}>('control.json');

function messageOf({ instance, boot, nonce, reason, observed, ...others }: Value): Partial<ControlMessage> {
  const id = (text: string) => ({ hi: high(text), lo: low(text) });
  return {
    ...others,
    ...(instance === undefined ? {} : { instance: id(instance) }),
    ...(boot === undefined ? {} : { boot: id(boot) }),
    ...(nonce === undefined ? {} : { nonce: fromHex(nonce) }),
    ...(reason === undefined ? {} : { reason: Reason[reason] }),
    ...(observed === undefined ? {} : { observed: { address: fromHex(observed.address), port: observed.port } }),
  };
}

for (const { name, value, hex } of vectors.valid) {
  test(`control: ${name}`, () => {
    const wanted = messageOf(value);
    const bytes = new Uint8Array(maxControlBytes);
    const length = emitControl({ ...createControlMessage(), ...wanted }, bytes, 0);
    assert.equal(toHex(bytes.subarray(0, length)), hex);
    const message = createControlMessage();
    assert.equal(parseControl(fromHex(hex), 0, hex.length / 2, message), Reason.OK);
    for (const [key, field] of Object.entries(wanted))
      assert.deepEqual(message[key as keyof ControlMessage], field, key);
  });
}

for (const { name, hex, reason } of vectors.invalid) {
  test(`control: ${name} is ${reason}`, () => {
    assert.equal(parseControl(fromHex(hex), 0, hex.length / 2, createControlMessage()), Reason[reason]);
  });
}

test('control: an answer is never longer than its question', () => {
  const bytesOf = (type: MessageType) => vectors.valid.find(({ value }) => value.type === type)!.hex.length / 2;
  assert.ok(bytesOf(MessageType.HEARTBEAT_ANSWER) <= bytesOf(MessageType.HEARTBEAT));
  assert.ok(bytesOf(MessageType.LIVENESS_ANSWER) <= bytesOf(MessageType.LIVENESS_QUERY));
});
