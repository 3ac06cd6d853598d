// Fuzz target: lists of revocations that are made, repeated, damaged and taken into a store, and raw bytes. Numbers of an
// issuer only grow; what a list does not say is not revoked and what it says is; what is refused changes nothing.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import {
  applyRevocationList,
  createRevocations,
  encodeRevocationList,
  isRevoked,
  type RevocationFields,
  type Revocations,
  readRevocationList,
} from '../../../src/core/security/index.ts';
import { primitives, root } from '../identities.ts';
import { below, createOperations, more, open, take, u8, u16 } from '../operations.ts';

export const maxBytes = 512;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const store = createRevocations();
  const known = new Map<number, RevocationFields>();
  while (more(operations)) {
    if (u8(operations) < 192) takeList(store, known);
    else takeRaw(store, take(operations, u8(operations)));
    check(store, known);
  }
}

const operations = createOperations();
const issuers = [root(1), root(2), root(3)];
const serialNumbers = 40;
const checkedSerials = 6;

function takeList(store: Revocations, known: Map<number, RevocationFields>): void {
  const issuer = below(operations, issuers.length);
  const serials = Array.from({ length: below(operations, 9) }, () => ({ hi: 0, lo: below(operations, serialNumbers) }));
  const list = { number: below(operations, 6), issuedAtSeconds: 1, allBeforeSeconds: u8(operations) >> 4, serials };
  const bytes = encodeRevocationList(primitives, list, issuers[issuer]!.seed);
  const damaged = u8(operations) < 32;
  if (damaged) bytes[u16(operations) % bytes.length]! ^= u8(operations) || 1;
  const { generation } = store;
  const reason = applyRevocationList(primitives, store, bytes);
  const last = known.get(issuer);
  if (damaged) assert.ok(reason === Reason.BAD_MESSAGE || reason === Reason.BAD_SIGNATURE);
  else assert.equal(reason, last !== undefined && list.number <= last.number ? Reason.OUT_OF_DATE : Reason.OK);
  assert.equal(store.generation, generation + (reason === Reason.OK ? 1 : 0));
  if (reason === Reason.OK) known.set(issuer, list);
}

/** Nobody can sign by changing bytes: what is taken here was made by somebody. */
function takeRaw(store: Revocations, bytes: Uint8Array): void {
  const { reason, list } = readRevocationList(primitives, bytes);
  assert.equal(reason === Reason.OK, list !== undefined);
  assert.notEqual(applyRevocationList(primitives, store, bytes), Reason.LIMIT);
  if (list !== undefined) assert.ok(list.serials.every(({ hi, lo }) => hi >= 0 && lo >= 0));
}

function check(store: Revocations, known: ReadonlyMap<number, RevocationFields>): void {
  const issuer = below(operations, issuers.length);
  const { key } = issuers[issuer]!;
  const list = known.get(issuer);
  const notBefore = u8(operations) >> 4;
  const from = below(operations, serialNumbers);
  for (let lo = from; lo < from + checkedSerials; lo++) {
    const listed = list?.serials.some((serial) => serial.lo === lo) ?? false;
    const early = list !== undefined && notBefore < list.allBeforeSeconds;
    assert.equal(isRevoked(store, key, { hi: 0, lo }, notBefore), listed || early);
  }
}
