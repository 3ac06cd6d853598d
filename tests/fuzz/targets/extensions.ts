// Fuzz target: the bytes as the extensions of one packet, so that mutations reach every body without guessing a header.
// A body that parses lies within its extension, holds only safe integers, and survives emit and parse unchanged.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import * as wire from '../../../src/core/wire/index.ts';
import {
  type ExtensionName,
  type ExtensionValue,
  extensionNames,
  extensionOffset,
  readExtension,
  writeExtension,
} from '../../vectors/extension-values.ts';

export const maxBytes = wire.maxHeaderBytes - wire.baseHeaderBytes;

export function fuzz(data: Uint8Array): void {
  const bytes = wire.baseHeaderBytes + (data.length & ~3);
  room.set(data, wire.baseHeaderBytes);
  const view = new DataView(room.buffer, 0, bytes);
  wire.emitBase(view, 0, bytes, 6, bytes, 1, 2);
  const reason = wire.parsePacket(view, 0, bytes, packet);
  if (reason !== Reason.OK && reason !== Reason.UNSUPPORTED_EXTENSION) return;
  for (const name of extensionNames) {
    const at = extensionOffset(packet, name);
    assert.equal(at !== 0, (packet.present & wire.Present[name]) !== 0);
    if (at !== 0) checkExtension(view, at, name);
  }
}

const packet = wire.createPacket();
const room = new Uint8Array(wire.maxHeaderBytes + 4);
const scratch = new DataView(new ArrayBuffer(wire.maxExtensionBytes));

function checkExtension(view: DataView, at: number, name: ExtensionName): void {
  const bytes = wire.extensionBytes(view, at);
  assert.ok(at + bytes <= packet.payloadOffset, 'an extension ends within the header');
  const value = readExtension(new DataView(view.buffer, view.byteOffset + at, bytes), 0, name);
  if (typeof value !== 'object') return assert.equal(value, Reason.BAD_EXTENSION);
  for (const field of Object.values(value))
    if (typeof field === 'number') assert.ok(Number.isSafeInteger(field) && field >= 0, `${name}: ${field}`);
  assert.equal(writeExtension(scratch, 0, name, value), bytes);
  checkSame(name, value, readExtension(scratch, 0, name));
}

/** As `assert.deepEqual`, which costs more than all the rest. */
function checkSame(name: ExtensionName, value: ExtensionValue, again: ExtensionValue | Reason): void {
  if (typeof again !== 'object') assert.fail(`${name}: refused when written anew`);
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (typeof field === 'object') assert.equal(JSON.stringify(again[key]), JSON.stringify(field), name);
    else assert.equal(again[key], field, `${name}: ${key}`);
  }
}
