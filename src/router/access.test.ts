import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatServiceId } from '../core/base/index.ts';
import { selfCertifyingId } from '../core/security/index.ts';
import { createCrypto } from '../crypto/index.ts';
import { type AdminPeer, keyOf, mayChange, mayRead } from './access.ts';

const primitives = createCrypto();
const rootKey = primitives.ed25519Public(new Uint8Array(32).fill(1));
const operators = new Set([formatServiceId(selfCertifyingId(primitives, rootKey))]);

function peer(near: AdminPeer['near'], rest: Partial<AdminPeer> = {}): AdminPeer {
  return { near, rootKey: undefined, authenticated: false, encrypted: true, ...rest };
}

describe('router access', () => {
  it('without a key: this machine changes, private networks read, others neither', () => {
    const rights = (['host', 'network', 'elsewhere'] as const).map((near) => [
      mayRead(peer(near), operators),
      mayChange(peer(near), operators),
    ]);
    assert.deepEqual(rights, [
      [true, true],
      [true, false],
      [false, false],
    ]);
  });

  it('an operator does both from anywhere, if the connection proves the key and nobody can speak in its place', () => {
    const operator = peer('elsewhere', { rootKey, authenticated: true });
    assert.ok(mayRead(operator, operators) && mayChange(operator, operators));
    const wrong: AdminPeer[] = [
      { ...operator, authenticated: false },
      { ...operator, encrypted: false },
      { ...operator, rootKey: primitives.ed25519Public(new Uint8Array(32).fill(2)) },
    ];
    for (const other of wrong) assert.ok(!mayRead(other, operators) && !mayChange(other, operators));
    assert.ok(!mayChange(operator, new Set()));
  });

  it('says which key a client has, for the error that tells how to admit it', () => {
    assert.equal(keyOf(peer('network', { rootKey, authenticated: true })), [...operators][0]);
    assert.equal(keyOf(peer('network', { rootKey })), undefined);
    assert.equal(keyOf(undefined), undefined);
  });
});
