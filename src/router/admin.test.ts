// The API's doors, over plain HTTP: what a connection says of its client decides, before anything is read or changed.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { formatServiceId, Reason } from '../core/base/index.ts';
import { createRevocations, createTrust, selfCertifyingId } from '../core/security/index.ts';
import { createCrypto } from '../crypto/index.ts';
import type { AdminPeer } from './access.ts';
import { type AdminView, createAdminHandler } from './admin.ts';
import { prefixOf } from './names.ts';

const primitives = createCrypto();
const rootKey = primitives.ed25519Public(new Uint8Array(32).fill(1));
const operator = formatServiceId(selfCertifyingId(primitives, rootKey));

const view: AdminView = {
  operators: new Set([operator]),
  rules: () => [],
  registrations: () => [],
  counters: () => ({ packetsIn: 1 }),
  names: () => new Map(),
  apply: () => 1,
  prefixOf: (text) => prefixOf(new Map(), text),
  trust: createTrust(),
  revocations: createRevocations,
  revoke: () => Reason.OK,
  isIssuer: () => false,
};

async function ask(peer: Partial<AdminPeer>, method: string, path: string, body?: string): Promise<[number, string]> {
  const whole = { near: 'elsewhere', rootKey: undefined, authenticated: false, encrypted: true, ...peer };
  const server = createServer(createAdminHandler(view)).on('connection', (socket) =>
    Object.assign(socket, { peer: whole }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...(body === undefined ? {} : { body }) });
  const answer = (await response.json()) as { error?: { message: string } };
  server.close();
  server.closeAllConnections();
  return [response.status, answer.error?.message ?? ''];
}

describe('admin API', () => {
  it('is read by this machine, private networks and operators', async () => {
    assert.deepEqual(await ask({ near: 'host' }, 'GET', '/v1/counters'), [200, '']);
    assert.deepEqual(await ask({ near: 'network' }, 'GET', '/v1/counters'), [200, '']);
    assert.deepEqual(await ask({ rootKey, authenticated: true }, 'GET', '/v1/counters'), [200, '']);
    for (const path of ['/v1/counters', '/v1/rules', '/v1/services', '/v1/names', '/v1/revocations'])
      assert.equal((await ask({}, 'GET', path))[0], 403, path);
  });

  it('is changed by this machine and operators; the error names the key that would have to be admitted', async () => {
    const rule = JSON.stringify({ prefix: 'web', action: 'drop' });
    for (const [method, path, body] of [
      ['POST', '/v1/rules', rule],
      ['PATCH', '/v1/rules', '{}'],
      ['DELETE', '/v1/rules?prefix=web', undefined],
    ] as const) {
      const [status, message] = await ask({ near: 'network' }, method, path, body);
      assert.equal(status, 403, method);
      assert.match(message, /only from this machine.*--operator SVC-ID/);
      for (const peer of [{ near: 'host' }, { rootKey, authenticated: true }] as const)
        assert.notEqual((await ask(peer, method, path, body))[0], 403, method);
    }
    const other = primitives.ed25519Public(new Uint8Array(32).fill(2));
    const id = formatServiceId(selfCertifyingId(primitives, other));
    const [, message] = await ask({ rootKey: other, authenticated: true, near: 'network' }, 'POST', '/v1/rules', rule);
    assert.ok(message.includes(`--operator ${id}`), message);
  });

  it('a revocation list is judged by itself, wherever it comes from', async () => {
    const [status, message] = await ask({}, 'POST', '/v1/revocations', JSON.stringify({ list: 'AAAA' }));
    assert.deepEqual([status, message], [400, 'this is no revocation list that its issuer signed']);
  });
});
