// Links beside link 0, at addresses of loopback; then with a full socket, and with an address that is taken away.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { type Locator, sameLocator } from '../core/base/index.ts';
import { type Libc, Linux, loadLibc } from './libc.ts';
import { Links, type LinksCallbacks } from './links.ts';
import { inNamespace, noNamespace } from './testing/namespace.ts';
import type { LinkOptions } from './udp-link.ts';

const libc = loadLibc();
const noOffload = typeof libc === 'string' ? libc : false;

interface Arrival {
  readonly text: string;
  readonly remote: Locator;
  readonly link: number;
}

class Station {
  readonly arrivals: Arrival[] = [];
  readonly links: Links;
  closed = 0;
  writables = 0;
  readonly used = new Set<number>();
  #check: (() => void) | undefined;

  constructor(t: TestContext, options: Omit<LinkOptions, 'callbacks'>) {
    const callbacks: LinksCallbacks = {
      received: (buffer, bytes, remote, link) => {
        this.arrivals.push({ text: Buffer.from(buffer.subarray(0, bytes)).toString(), remote, link });
        this.#check?.();
      },
      drained() {},
      unreachable() {},
      writable: () => {
        this.writables++;
        this.#check?.();
      },
      isUsed: (link) => this.used.has(link),
      closed: () => void this.closed++,
    };
    this.links = new Links(options, callbacks);
    this.links.main.ref();
    t.after(() => this.links.closeAll());
  }

  at(loopback = 1): Locator {
    return { address: Uint8Array.of(127, 0, 0, loopback), port: this.links.main.report().port };
  }

  send(link: number, text: string, remote: Locator): string | undefined {
    const bytes = Buffer.from(text);
    return this.links.at(link)?.send(bytes, bytes.length, bytes.length, 1, remote, false);
  }

  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (done()) resolve();
      };
      this.#check();
    });
  }
}

for (const kind of ['offload', 'dgram'] as const) {
  const skip = kind === 'offload' && noOffload;

  test(`links (${kind}): packets leave from the link's address, and say by which they came`, { skip }, async (t) => {
    const [a, b] = [new Station(t, { kind }), new Station(t, { kind })];
    await Promise.all([a.links.main.ready, b.links.main.ready]);
    const second = await a.links.open('127.0.0.2');
    const third = await a.links.open('127.0.0.3');
    assert.deepEqual([second, third], [1, 2]);
    assert.deepEqual(
      a.links.infos().map(({ link, local }) => [link, ...local.address]),
      [
        [1, 127, 0, 0, 2],
        [2, 127, 0, 0, 3],
      ],
    );
    for (const link of [0, second, third]) assert.equal(a.send(link, `by ${link}`, b.at()), 'ok');
    await b.until(() => b.arrivals.length === 3);
    const froms = b.arrivals.map(({ text, remote }) => `${text} from ${remote.address.join('.')}`).sort();
    assert.deepEqual(froms, ['by 0 from 127.0.0.1', 'by 1 from 127.0.0.2', 'by 2 from 127.0.0.3']);
    for (const { text, remote } of b.arrivals) b.send(0, `answer ${text}`, remote);
    await a.until(() => a.arrivals.length === 3);
    assert.deepEqual(a.arrivals.map(({ text, link }) => `${text} at ${link}`).sort(), [
      'answer by 0 at 0',
      'answer by 1 at 1',
      'answer by 2 at 2',
    ]);
    const [info] = a.links.infos();
    assert.ok(b.arrivals.some(({ remote }) => info && sameLocator(remote, info.local)));
  });

  test(`links (${kind}): an address has one link; a number is never used again`, { skip }, async (t) => {
    const { links } = new Station(t, { kind });
    await links.main.ready;
    const first = await links.open('127.0.0.2');
    assert.equal(await links.open('127.0.0.2'), first);
    links.close(first);
    assert.equal(links.at(first), undefined);
    assert.deepEqual(links.infos(), []);
    assert.notEqual(await links.open('127.0.0.2'), first);
  });

  test(`links (${kind}): an address of another machine, or none at all, is refused`, { skip }, async (t) => {
    const { links } = new Station(t, { kind });
    await links.main.ready;
    await assert.rejects(links.open('192.0.2.77'), { code: 'EADDRNOTAVAIL', syscall: 'bind' });
    await assert.rejects(links.open('eth0'), { code: 'EINVAL' });
    assert.deepEqual(links.infos(), []);
  });
}

test('links: a full one stops nobody else; all full stops polling until one has room', {
  skip: noOffload,
}, async (t) => {
  const full = new Set<number>();
  let refused = false;
  const real = libc as Libc;
  const limited: Libc = {
    ...real,
    sendmsg(fd, message, flags) {
      refused = full.has(fd);
      return refused ? -1 : real.sendmsg(fd, message, flags);
    },
    errno: () => (refused ? Linux.EAGAIN : real.errno()),
    socket(...args) {
      const fd = real.socket(...args);
      sockets.push(fd);
      return fd;
    },
  };
  const sockets: number[] = [];
  const a = new Station(t, { kind: 'offload', libc: limited });
  const b = new Station(t, { kind: 'offload' });
  const link = await a.links.open('127.0.0.2');
  const [main = -1, other = -1] = sockets;
  const send = (number: number, text: string): void => {
    if (a.send(number, text, b.at()) === 'blocked') a.links.noteFull(number);
  };
  full.add(main);
  send(0, 'kept');
  assert.equal(a.links.blocked, false);
  send(link, 'passes');
  await b.until(() => b.arrivals.length === 1);
  full.add(other);
  send(link, 'kept too');
  assert.equal(a.links.blocked, true);
  full.clear();
  await b.until(() => b.arrivals.length === 3);
  await a.until(() => a.writables === 2);
  assert.equal(a.links.blocked, false);
});

test('links: alone and full, link 0 stops polling', { skip: noOffload }, (t) => {
  const { links } = new Station(t, { kind: 'offload' });
  links.noteFull(0);
  assert.equal(links.blocked, true);
});

test('links: one that nobody uses is closed after a while, one in use is not', { skip: noOffload }, async (t) => {
  let elapsedMs = 0;
  t.mock.timers.enable({ apis: ['setInterval'] });
  t.mock.method(performance, 'now', () => elapsedMs);
  const station = new Station(t, { kind: 'offload' });
  const { links } = station;
  const tick = (ms: number): void => {
    elapsedMs += ms;
    t.mock.timers.tick(ms);
  };
  const used = await links.open('127.0.0.2');
  const idle = await links.open('127.0.0.3');
  station.used.add(used);
  tick(29_000);
  await links.open('127.0.0.3');
  tick(1_000);
  assert.ok(links.at(idle), 'asked for a second ago');
  tick(30_000);
  assert.equal(links.at(idle), undefined);
  assert.ok(links.at(used));
  assert.equal(station.closed, 1);
});

test('links: one whose address is gone is closed', { skip: noOffload || noNamespace }, async () => {
  const printed = await inNamespace(
    { '{ Links }': 'links' },
    `
    const links = new Links({ kind: 'offload' }, { received() {}, drained() {}, writable() {}, unreachable() {}, isUsed: () => true });
    wire('d0');
    ip('addr add 10.9.0.1/24 dev d0');
    ip('addr add 10.9.0.2/24 dev d0');
    await links.open('10.9.0.1');
    await links.open('10.9.0.2');
    const print = () => console.log(links.infos().map(({ link, local }) => link + ' ' + local.address.join('.')).join());
    print();
    console.log(links.report().map(({ device }) => device).join());
    ip('addr del 10.9.0.2/24 dev d0');
    links.refresh();
    print();
    ip('link set d0 down');
    links.refresh();
    print();`,
  );
  assert.deepEqual(printed.split('\n'), ['1 10.9.0.1,2 10.9.0.2', 'd0,d0', '1 10.9.0.1', '', '']);
});

test('links: one at each interface that packets pass, for each IP version that it has; those that are there stay', {
  skip: noOffload || noNamespace,
}, async () => {
  const printed = await inNamespace(
    { '{ Links }': 'links' },
    `
    const links = new Links({ kind: 'offload' }, { received() {}, drained() {}, writable() {}, unreachable() {}, isUsed: () => true });
    const print = (opened) =>
      console.log(opened, links.report().map(({ link, device, address }) => link + ' ' + device + ' ' + address).join());
    wire('d0');
    wire('d1');
    for (const [address, device] of [['10.9.0.1/24', 'd0'], ['10.9.0.2/24', 'd0'], ['10.9.1.1/24', 'd1']])
      ip('addr add ' + address + ' dev ' + device);
    await links.open('10.9.0.2');
    print(await links.openAll());
    print(await links.openAll());
    ip('addr add fd00:9::1/64 dev d1 nodad');
    print(await links.openAll());
    ip('link set d1 down');
    links.refresh();
    print(await links.openAll());
    ip('link set d1 up');
    while (!String(ip('link show dev d1')).includes('state UP'));
    print(await links.openAll());`,
  );
  assert.deepEqual(printed.split('\n'), [
    'true 1 d0 10.9.0.2,2 d1 10.9.1.1',
    'false 1 d0 10.9.0.2,2 d1 10.9.1.1',
    'true 1 d0 10.9.0.2,2 d1 10.9.1.1,3 d1 fd00:9:0:0:0:0:0:1',
    'false 1 d0 10.9.0.2',
    'true 1 d0 10.9.0.2,4 d1 10.9.1.1',
    '',
  ]);
});
