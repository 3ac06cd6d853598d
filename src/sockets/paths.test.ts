import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { PathInfo } from '../core/stack/index.ts';
import { Agent } from './http.ts';
import type { ConnectOptions } from './options.ts';
import { readPaths } from './paths.ts';
import { createServer } from './server.ts';
import { connect } from './socket.ts';
import { createMemoryDriver } from './testing/memory-driver.ts';

type Paths = ConnectOptions['paths'];

test('paths: what an application asks for, as a stack takes it', () => {
  for (const [paths, policy] of [
    [undefined, undefined],
    ['aggregate', { mode: 'aggregate' }],
    ['backup', { mode: 'backup' }],
    [{}, { mode: 'aggregate' }],
    [{ mode: 'backup' }, { mode: 'backup' }],
    [{ prefer: 'eth0' }, { mode: 'backup', prefer: ['eth0'] }],
    [{ prefer: ['eth0', 'wlan0'] }, { mode: 'backup', prefer: ['eth0', 'wlan0'] }],
    [{ limits: { wwan0: 1e9, eth1: 0 } }, { mode: 'aggregate', maxBytes: { wwan0: 1e9, eth1: 0 } }],
  ] as const)
    assert.deepEqual(readPaths(paths), policy, JSON.stringify(paths));
});

test('paths: a mistake is told at once, and says what is wrong', () => {
  for (const [paths, code, message] of [
    ['all', 'ERR_INVALID_ARG_VALUE', /"aggregate" or "backup", not "all"/],
    [7, 'ERR_INVALID_ARG_TYPE', /not 7/],
    [null, 'ERR_INVALID_ARG_TYPE', /not null/],
    [['eth0'], 'ERR_INVALID_ARG_TYPE', /not \["eth0"\]/],
    [{ mode: 'prefer' }, 'ERR_INVALID_ARG_VALUE', /not "prefer"/],
    [{ mode: 'aggregate', prefer: 'eth0' }, 'ERR_INVALID_ARG_VALUE', /not both/],
    [{ prefer: [] }, 'ERR_INVALID_ARG_VALUE', /paths.prefer names interfaces/],
    [{ prefer: ['eth0', 3] }, 'ERR_INVALID_ARG_VALUE', /paths.prefer names interfaces/],
    [{ prefer: '' }, 'ERR_INVALID_ARG_VALUE', /paths.prefer names interfaces/],
    [{ limits: 5 }, 'ERR_INVALID_ARG_TYPE', /paths.limits is bytes by interface/],
    [{ limits: { wwan0: -1 } }, 'ERR_INVALID_ARG_VALUE', /wwan0 may carry .* not -1/],
    [{ limits: { wwan0: Number.NaN } }, 'ERR_INVALID_ARG_VALUE', /wwan0 may carry/],
    [{ limits: { wwan0: '1GB' } }, 'ERR_INVALID_ARG_VALUE', /not "1GB"/],
  ] as const) {
    const wrong = { name: 'TypeError', code, message };
    assert.throws(() => connect({ service: 'echo', paths: paths as Paths }), wrong, JSON.stringify(paths));
    assert.throws(() => new Agent({ paths: paths as Paths }), wrong, JSON.stringify(paths));
  }
});

test('paths: the stack is told, interfaces are opened, and what it says of them is shown', async (t) => {
  const info: PathInfo = { path: 1, interface: 'eth1', role: 'backup', state: 'up', rttUs: 1_500, bytes: 42 };
  let used = 0;
  const driver = Object.assign(createMemoryDriver(), { useInterfaces: () => void used++, pathsOf: () => [info] });
  const server = createServer({ driver }).listen('echo');
  await once(server, 'listening');
  const plain = connect({ service: 'echo', driver });
  await once(plain, 'connect');
  assert.equal(used, 0);
  const socket = connect({ service: 'echo', driver, paths: { prefer: 'eth0' } });
  assert.deepEqual(socket.paths(), []);
  await once(socket, 'connect');
  t.after(() => {
    for (const each of [plain, socket]) each.destroy();
    server.close();
    server.closeAllConnections();
  });
  const asked = driver.inputs.flatMap((input) => (input.kind === 'connect' ? [input.paths] : []));
  assert.deepEqual([used, asked], [1, [undefined, { mode: 'backup', prefer: ['eth0'] }]]);
  const { rttUs, ...shown } = info;
  assert.deepEqual(socket.paths(), [{ ...shown, rttMs: 1.5 }]);
});
