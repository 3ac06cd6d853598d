import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { Locator } from '../core/base/index.ts';
import { type Libc, loadLibc } from './libc.ts';
import { Routes } from './routes.ts';
import { parseAddress } from './socket-address.ts';
import { inNamespace, noNamespace } from './testing/namespace.ts';
import { maxBatchBytes, safePacketBytes } from './udp-link.ts';

const libc = loadLibc();
const skip = typeof libc === 'string' ? libc : false;
const to = (text: string): Locator => ({ address: parseAddress(text)!, port: 9 });

/** The C library, counting the sockets made. */
function counted(): { libc: Libc; asked(): number } {
  assert.ok(typeof libc !== 'string');
  const real = libc;
  let sockets = 0;
  const socket: Libc['socket'] = (...args) => {
    sockets++;
    return real.socket(...args);
  };
  return { libc: { ...real, socket }, asked: () => sockets };
}

test('routes: to this machine packets leave from loopback, as large as they come', { skip }, () => {
  const routes = new Routes(libc as Libc);
  assert.deepEqual(routes.sourceOf(to('127.0.0.1')), Uint8Array.of(127, 0, 0, 1));
  assert.equal(routes.maxPacketBytes(to('127.0.0.1')), maxBatchBytes);
});

test('routes: asked once per address, anew when it or everything is forgotten', { skip }, () => {
  const { libc: counting, asked } = counted();
  const routes = new Routes(counting);
  routes.sourceOf(to('127.0.0.1'));
  routes.maxPacketBytes({ ...to('127.0.0.1'), port: 10 });
  assert.equal(asked(), 1);
  routes.forget(to('127.0.0.1'));
  routes.sourceOf(to('127.0.0.1'));
  assert.equal(asked(), 2);
  routes.forgetAll();
  routes.sourceOf(to('127.0.0.1'));
  assert.equal(asked(), 3);
});

test('routes: of a link at one address, packets leave from there, and to its own IP version only', { skip }, () => {
  const routes = new Routes(libc as Libc, { from: Uint8Array.of(127, 0, 0, 5) });
  assert.deepEqual(routes.sourceOf(to('127.0.0.1')), Uint8Array.of(127, 0, 0, 5));
  assert.equal(routes.sourceOf(to('::1')), undefined);
  assert.equal(routes.maxPacketBytes(to('::1')), safePacketBytes);
  assert.equal(new Routes(libc as Libc, { from: Uint8Array.of(192, 0, 2, 77) }).sourceOf(to('127.0.0.1')), undefined);
});

test('routes: source and packet size follow the table; no way is no source', {
  skip: skip || noNamespace,
}, async () => {
  const printed = await inNamespace(
    { '{ Routes }': 'routes', '{ loadLibc }': 'libc', '{ parseAddress, addressText }': 'socket-address' },
    `
    const routes = new Routes(loadLibc());
    const print = (text) => {
      routes.forgetAll();
      const remote = { address: parseAddress(text), port: 9 };
      const address = routes.sourceOf(remote);
      console.log(text, address ? addressText({ address }, false) : 'none', routes.maxPacketBytes(remote));
    };
    for (const [name, net, mtu] of [['d0', 8, 1500], ['d1', 9, 1400]]) {
      wire(name, mtu);
      ip('addr add 10.' + net + '.0.1/24 dev ' + name);
      ip('addr add fd00:' + net + '::1/64 dev ' + name + ' nodad');
    }
    print('10.8.0.7');
    print('10.9.0.7');
    print('fd00:9::7');
    print('10.7.0.7');
    ip('route add default via 10.8.0.7');
    ip('route add default via 10.9.0.7 metric 9');
    print('10.7.0.7');
    ip('link set d0 down');
    print('10.7.0.7');
    ip('link set d1 down');
    print('10.7.0.7');
    print('fd00:9::7');`,
  );
  assert.deepEqual(printed.trim().split('\n'), [
    '10.8.0.7 10.8.0.1 1472',
    '10.9.0.7 10.9.0.1 1372',
    'fd00:9::7 fd00:9:0:0:0:0:0:1 1352',
    '10.7.0.7 none 1200',
    '10.7.0.7 10.8.0.1 1472',
    '10.7.0.7 10.9.0.1 1372',
    '10.7.0.7 none 1200',
    'fd00:9::7 none 1200',
  ]);
});
