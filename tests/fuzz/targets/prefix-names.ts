// Fuzz target: what a person types for a name. The first byte says as what the rest is taken: as a text for a serviceID, a
// prefix, a label or a name to share, or as the bytes of a serviceID and a length. A text is taken or refused with a TypeError that has a
// code, nothing else; what is taken is formatted back to itself in its normal form.

import { strict as assert } from 'node:assert';
import {
  formatPrefix,
  formatServiceId,
  isServiceIdText,
  makePrefix,
  parsePrefix,
  parseServiceId,
  prefixContains,
} from '../../../src/core/base/index.ts';
import { checkLabel, formatShared, isLabel, labelServiceId, parseShared } from '../../../src/core/security/index.ts';

export const maxBytes = 300;

export function fuzz(data: Uint8Array): void {
  const kind = data.length === 0 ? 0 : data[0]! % 5;
  if (kind === 3) return checkBinary(data);
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8', 1);
  if (kind === 0) checkServiceId(text);
  else if (kind === 1) checkPrefix(text);
  else if (kind === 4) checkShared(text);
  else checkName(text);
}

const digest = { sha256: (bytes: Uint8Array) => new Uint8Array(32).fill(bytes.length) };

function checkServiceId(text: string): void {
  const id = taken(() => parseServiceId(text), 'ERR_INVALID_SERVICE_ID');
  assert.equal(id !== undefined, isServiceIdText(text), 'both tell alike whether a text is a serviceID');
  if (id !== undefined) assert.equal(formatServiceId(id), text.toLowerCase());
}

function checkName(text: string): void {
  const label = taken(() => checkLabel(text) ?? text, 'ERR_INVALID_SERVICE_NAME');
  assert.equal(label !== undefined, isLabel(text));
  if (label === undefined) return;
  assert.equal(text, text.toLowerCase());
  assert.equal(labelServiceId(digest, text).length, 32);
}

/** Letters of other alphabets must not pass for ours, however they look. */
function checkShared(text: string): void {
  const shared = parseShared(text);
  if (shared === undefined) return;
  assert.match(text, /^[!-~]+$/);
  const again = formatShared(shared);
  assert.equal(again.slice(4), text.replace(/^svc:/i, '').toLowerCase());
  assert.deepEqual(parseShared(again), shared);
}

function checkPrefix(text: string): void {
  const prefix = taken(() => parsePrefix(text), 'ERR_INVALID_SERVICE_ID');
  if (prefix === undefined) return;
  const [id = '', bits = '256'] = text.toLowerCase().split('/');
  assert.equal(prefix.bits, Number(bits));
  assert.equal(formatServiceId(prefix.id), id);
  assert.ok(prefixContains(prefix, prefix.id));
  assert.equal(formatPrefix(parsePrefix(formatPrefix(prefix))), formatPrefix(prefix));
}

function checkBinary(data: Uint8Array): void {
  if (data.length < 35) return;
  const id = data.subarray(3, 35);
  const bits = (data[1]! << 8) | data[2]!;
  const prefix = taken(() => makePrefix(id, bits), 'ERR_OUT_OF_RANGE');
  assert.equal(prefix !== undefined, bits <= 256);
  if (prefix === undefined) return;
  assert.ok(prefixContains(prefix, id));
  const again = parsePrefix(formatPrefix(prefix));
  assert.equal(again.bits, bits);
  for (let i = 0; i < 32; i++) assert.equal(again.id[i], prefix.id[i]);
}

/** What was parsed; undefined when it was refused as a misuse is. */
function taken<T>(parse: () => T, code: string): T | undefined {
  const { stackTraceLimit } = Error;
  // Most texts are refused, and nobody reads where.
  Error.stackTraceLimit = 0;
  try {
    return parse();
  } catch (error) {
    Error.stackTraceLimit = stackTraceLimit;
    assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
    assert.equal((error as { code?: string }).code, code);
    return undefined;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
