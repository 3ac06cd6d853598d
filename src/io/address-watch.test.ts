// A watch with a netlink socket under control, and one in a namespace whose addresses really change.

import { strict as assert } from 'node:assert';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { type TestContext, test } from 'node:test';
import { AddressWatch, addressWatchReport } from './address-watch.ts';
import { type Libc, Linux, loadLibc } from './libc.ts';
import { inNamespace, noNamespace } from './testing/namespace.ts';

const libc = loadLibc();
const noNetlink = typeof libc === 'string' ? libc : false;

/** A C library whose netlink socket has a message when `wake` is called. */
function fakeNetlink(errno = 0): { libc: Libc; wake(): Promise<void>; isOpen(): boolean } {
  let messages = 0;
  let onReady: () => void = () => {};
  let open = false;
  const fake = {
    socket: () => {
      open = true;
      return 7;
    },
    bind: () => 0,
    recvmsg: () => (messages-- > 0 ? (errno === 0 ? 20 : -1) : -1),
    errno: () => (messages >= 0 ? errno : Linux.EAGAIN),
    addressOf: () => 0n,
    close: () => {
      open = false;
      return 0;
    },
    poll: (_fd: number, callback: () => void) => {
      onReady = callback;
      return { start() {}, ref() {}, unref() {}, close() {} };
    },
  };
  return {
    libc: fake as unknown as Libc,
    isOpen: () => open,
    wake() {
      messages = 2;
      onReady();
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** `lookMs`: how long each look takes whoever is told. */
function watch(
  t: TestContext,
  options: { libc: Libc | string },
  lookMs = 0,
): { watch: AddressWatch; told: () => number } {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  let elapsedMs = 0;
  t.mock.method(performance, 'now', () => elapsedMs);
  let told = 0;
  const watched = new AddressWatch(() => {
    told++;
    elapsedMs += lookMs;
  }, options);
  t.after(() => watched.close());
  return { watch: watched, told: () => told };
}

for (const [what, errno] of [
  ['a notice', 0],
  ['an overflow of notices', Linux.ENOBUFS],
] as const)
  test(`address watch: ${what} is told at once, further ones every 5 ms, and once more at the end`, async (t) => {
    const netlink = fakeNetlink(errno);
    const { watch: watched, told } = watch(t, { libc: netlink.libc });
    assert.equal(watched.report.kind, 'netlink');
    await netlink.wake();
    assert.equal(told(), 1);
    await netlink.wake();
    await netlink.wake();
    assert.equal(told(), 1);
    t.mock.timers.tick(5);
    assert.equal(told(), 2);
    t.mock.timers.tick(14);
    assert.equal(told(), 2);
    t.mock.timers.tick(1);
    assert.equal(told(), 3);
    t.mock.timers.tick(1_000);
    assert.equal(told(), 3);
    await netlink.wake();
    assert.equal(told(), 4);
  });

test('address watch: who takes long to look is not told more often than it can bear', async (t) => {
  const netlink = fakeNetlink();
  const { told } = watch(t, { libc: netlink.libc }, 100);
  await netlink.wake();
  await netlink.wake();
  t.mock.timers.tick(19);
  await netlink.wake();
  t.mock.timers.tick(19);
  await netlink.wake();
  assert.equal(told(), 1);
  for (let ms = 38; ms < 300; ms += 2) {
    t.mock.timers.tick(2);
    await netlink.wake();
  }
  assert.equal(told(), 2);
});

test('address watch: after close nothing is told, and the socket is closed', async (t) => {
  const netlink = fakeNetlink();
  const { watch: watched, told } = watch(t, { libc: netlink.libc });
  await netlink.wake();
  await netlink.wake();
  watched.close();
  assert.equal(netlink.isOpen(), false);
  await netlink.wake();
  t.mock.timers.tick(10_000);
  assert.equal(told(), 1);
});

test('address watch: without netlink it asks, says why, and tells nothing while nothing changes', (t) => {
  const { watch: watched, told } = watch(t, { libc: 'no C library' });
  assert.deepEqual(watched.report, { kind: 'asking', why: 'no C library' });
  t.mock.timers.tick(60_000);
  assert.equal(told(), 0);
});

for (const [how, everyMs] of [
  ['netlink', 60_000],
  ['asking', 3_000],
] as const)
  test(`address watch: by ${how} it looks itself every ${everyMs} ms`, (t) => {
    const looked = t.mock.method(os, 'networkInterfaces', () => ({}));
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    watch(t, { libc: how === 'netlink' ? fakeNetlink().libc : 'no C library' });
    const before = looked.mock.callCount();
    t.mock.timers.tick(everyMs - 1);
    assert.equal(looked.mock.callCount(), before);
    t.mock.timers.tick(1);
    assert.equal(looked.mock.callCount(), before + 1);
  });

test('address watch: netlink is there where FFI is', { skip: noNetlink }, () => {
  assert.equal(addressWatchReport().kind, 'netlink');
});

for (const [how, options] of [
  ['at once by netlink', '{ askEveryMs: 60_000 }'],
  ['by asking', "{ askEveryMs: 50, libc: 'none' }"],
] as const)
  test(`address watch: a change is told ${how}; the process ends all the same`, {
    skip: noNamespace || noNetlink,
  }, async () => {
    const printed = await inNamespace(
      { '{ AddressWatch }': 'address-watch' },
      `
      const stay = setTimeout(() => {}, 10_000);
      const told = (change) => new Promise((resolve) => {
        const watch = new AddressWatch(() => { watch.close(); resolve(); }, ${options});
        ip(change);
      });
      await told('addr add 10.9.0.1/32 dev lo');
      console.log('added');
      await told('addr del 10.9.0.1/32 dev lo');
      console.log('removed');
      clearTimeout(stay);
      new AddressWatch(() => {}, ${options});`,
    );
    assert.equal(printed, 'added\nremoved\n');
  });

test('address watch: a route that changes is told', { skip: noNamespace || noNetlink }, async () => {
  const printed = await inNamespace(
    { '{ AddressWatch }': 'address-watch' },
    `
    wire('d0');
    ip('addr add 10.9.0.1/24 dev d0');
    const stay = setTimeout(() => {}, 10_000);
    const watch = new AddressWatch(() => {
      console.log('told');
      watch.close();
      clearTimeout(stay);
    }, { askEveryMs: 60_000 });
    ip('route add 10.8.0.0/24 via 10.9.0.7');`,
  );
  assert.equal(printed, 'told\n');
});
