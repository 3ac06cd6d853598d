// Both links on loopback, each between two sockets of this process, for both IP versions; then what only a failing
// kernel shows, with a C library that fails on demand.

import { strict as assert } from 'node:assert';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { formatLocator, type Locator, sameLocator } from '../core/base/index.ts';
import { createLink, linkReport } from './choose-link.ts';
import { type Libc, Linux, loadLibc } from './libc.ts';
import { parseAddress } from './socket-address.ts';
import { type LinkOptions, maxBatchBytes, type SendResult, safePacketBytes, type UdpLink } from './udp-link.ts';

const libc = loadLibc();
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
const noOffload = typeof libc === 'string' ? libc : false;
const families = [
  { name: 'IPv4', loopback: '127.0.0.1', skip: false as const },
  { name: 'IPv6', loopback: '::1', skip: hasIpv6 ? (false as const) : 'no ::1 on this machine' },
];

interface Arrival {
  readonly bytes: Buffer;
  readonly remote: Locator;
}

/** A link with what it received, and a way to wait for it. */
class Station {
  readonly arrivals: Arrival[] = [];
  readonly refusals: string[] = [];
  readonly link: UdpLink;
  drains = 0;
  writables = 0;
  #check: (() => void) | undefined;

  constructor(options: Omit<LinkOptions, 'callbacks'>) {
    this.link = createLink({
      ...options,
      callbacks: {
        received: (buffer, bytes, remote) => {
          this.arrivals.push({ bytes: Buffer.from(buffer.subarray(0, bytes)), remote });
          this.#check?.();
        },
        drained: () => void this.drains++,
        unreachable: (remote) => {
          this.refusals.push(formatLocator(remote));
          this.#check?.();
        },
        writable: () => {
          this.writables++;
          this.#check?.();
        },
      },
    });
    this.link.ref();
  }

  get receivedBytes(): number {
    return this.arrivals.reduce((sum, { bytes }) => sum + bytes.length, 0);
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

async function pair(
  options: Omit<LinkOptions, 'callbacks'>,
  loopback: string,
  body: (a: Station, b: Station, toB: Locator, toA: Locator) => Promise<void>,
): Promise<void> {
  const a = new Station(options);
  const b = new Station(options);
  try {
    await Promise.all([a.link.ready, b.link.ready]);
    await body(a, b, at(b, loopback), at(a, loopback));
  } finally {
    await Promise.all([a.link.close(), b.link.close()]);
  }
}

function at(station: Station, loopback: string): Locator {
  const address = parseAddress(loopback);
  assert.ok(address);
  return { address, port: station.link.report().port };
}

/** Fills the link's own buffer with numbered packets. */
function fill(link: UdpLink, bytes: number, packetBytes: number): Buffer {
  for (let i = 0; i < bytes; i++) link.sendBuffer[i] = (i % packetBytes) + 7 * Math.floor(i / packetBytes);
  return Buffer.from(link.sendBuffer.subarray(0, bytes));
}

function sendOwn(link: UdpLink, bytes: number, packetBytes: number, remote: Locator): SendResult {
  return link.send(link.sendBuffer, bytes, packetBytes, Math.ceil(bytes / packetBytes), remote, false);
}

for (const kind of ['offload', 'dgram'] as const) {
  for (const { name, loopback, skip } of families) {
    const skipped = skip || (kind === 'offload' && noOffload);
    test(`${kind} link: a batch over ${name} arrives whole and in order, and is answered`, { skip: skipped }, () =>
      pair({ kind }, loopback, async (a, b, toB, toA) => {
        const packetBytes = kind === 'offload' ? 1_472 : 1_200;
        const sent = fill(a.link, packetBytes * 43 + 100, packetBytes);
        assert.equal(sendOwn(a.link, sent.length, packetBytes, toB), 'ok');
        await b.until(() => b.receivedBytes >= sent.length);
        assert.deepEqual(Buffer.concat(b.arrivals.map(({ bytes }) => bytes)), sent);
        assert.ok(b.arrivals.every(({ remote }) => sameLocator(remote, toA)));
        assert.ok(
          b.arrivals.every(({ remote }) => remote === b.arrivals[0]?.remote),
          'one object per sender',
        );
        if (kind === 'offload') assert.ok(b.arrivals.length < 44, 'packets were coalesced');
        else assert.equal(b.arrivals.length, 44);
        assert.equal(a.link.counters.packetsSent, 44);
        const { remote } = b.arrivals[0] as Arrival;
        assert.equal(sendOwn(b.link, 64, 64, remote), 'ok');
        await a.until(() => a.receivedBytes >= 64);
        assert.ok(sameLocator((a.arrivals[0] as Arrival).remote, toB));
      }),
    );
  }

  const skip = kind === 'offload' && noOffload;

  test(`${kind} link: a foreign buffer and a batch of one packet`, { skip }, () =>
    pair({ kind }, '127.0.0.1', async (a, b, toB) => {
      const packet = Buffer.from('one packet, not in the link’s own buffer');
      assert.equal(a.link.send(packet, packet.length, packet.length, 1, toB, false), 'ok');
      await b.until(() => b.arrivals.length === 1);
      assert.deepEqual(b.arrivals[0]?.bytes, packet);
    }),
  );

  test(`${kind} link: more packets than one system call takes`, { skip }, () =>
    pair({ kind }, '127.0.0.1', async (a, b, toB) => {
      const sent = fill(a.link, 150 * 400, 400);
      assert.equal(sendOwn(a.link, sent.length, 400, toB), 'ok');
      await b.until(() => b.receivedBytes >= sent.length);
      assert.deepEqual(Buffer.concat(b.arrivals.map(({ bytes }) => bytes)), sent);
    }),
  );

  test(`${kind} link: a taken port is reported by ready`, { skip }, async () => {
    const first = new Station({ kind });
    await first.link.ready;
    const { port } = first.link.report();
    const second = new Station({ kind, port });
    await assert.rejects(second.link.ready, { code: 'EADDRINUSE' });
    assert.deepEqual(second.link.locals(), []);
    await Promise.all([first.link.close(), second.link.close()]);
  });

  test(`${kind} link: bound to one address, that is its only locator`, { skip }, async () => {
    const station = new Station({ kind, address: '127.0.0.1' });
    await station.link.ready;
    const locals = station.link.locals();
    assert.deepEqual(
      locals.map(({ address }) => [...address]),
      [[127, 0, 0, 1]],
    );
    assert.ok((locals[0]?.port ?? 0) > 0);
    await station.link.close();
  });

  test(`${kind} link: bound to every address, loopback comes last`, { skip }, async () => {
    const station = new Station({ kind });
    await station.link.ready;
    const texts = station.link.locals().map(({ address }) => address.join('.'));
    assert.ok(texts.includes('127.0.0.1'));
    const far = Object.values(networkInterfaces()).some((list) =>
      list?.some((e) => !e.internal && e.family === 'IPv4'),
    );
    if (far) assert.notEqual(texts[0], '127.0.0.1');
    await station.link.close();
  });

  test(`${kind} link: after close sending fails, closing again does nothing`, { skip }, () =>
    pair({ kind }, '127.0.0.1', async (a, _b, toB) => {
      await a.link.close();
      assert.equal(sendOwn(a.link, 64, 64, toB), 'failed');
      await a.link.close();
    }),
  );
}

test('offload link: a packet larger than IP allows is too big, and the next one goes', { skip: noOffload }, () =>
  pair({ kind: 'offload' }, '127.0.0.1', async (a, b, toB) => {
    const large = Buffer.alloc(65_520);
    assert.equal(a.link.send(large, large.length, large.length, 1, toB, true), 'too-big');
    assert.equal(a.link.counters.tooBig, 1);
    assert.equal(sendOwn(a.link, 64, 64, toB), 'ok');
    await b.until(() => b.arrivals.length === 1);
  }),
);

test('offload link: the bound of a packet follows the route, and is safe without one', { skip: noOffload }, () =>
  pair({ kind: 'offload' }, '127.0.0.1', async (a, _b, toB) => {
    assert.equal(a.link.maxPacketBytes(toB), maxBatchBytes);
    assert.equal(a.link.maxPacketBytes({ address: new Uint8Array(4), port: 0 }), maxBatchBytes);
    const unroutable: Locator = { address: Uint8Array.of(0xff, 0xee, ...new Array<number>(14).fill(0)), port: 9 };
    assert.ok(a.link.maxPacketBytes(unroutable) >= safePacketBytes);
  }),
);

test('offload link: a wake-up takes no more than its budget, and the rest follows', { skip: noOffload }, () =>
  pair({ kind: 'offload', drainBudget: 2 }, '127.0.0.1', async (a, b, toB) => {
    for (let i = 0; i < 7; i++) assert.equal(sendOwn(a.link, 100 + i, 100 + i, toB), 'ok');
    await b.until(() => b.arrivals.length === 7);
    assert.ok(b.drains >= 3);
  }),
);

test('offload link: in a dialogue a datagram costs one call, and a burst ends that', { skip: noOffload }, () => {
  assert.ok(typeof libc !== 'string');
  let calls = 0;
  const counting: Libc = {
    ...libc,
    recvmsg(fd, message, flags) {
      calls++;
      return libc.recvmsg(fd, message, flags);
    },
  };
  return pair({ kind: 'offload', libc: counting }, '127.0.0.1', async (a, b, toB) => {
    const say = async (count: number): Promise<void> => {
      const before = b.arrivals.length;
      for (let i = 0; i < count; i++) assert.equal(sendOwn(a.link, 100 + i, 100 + i, toB), 'ok');
      await b.until(() => b.arrivals.length === before + count);
    };
    for (let i = 0; i < 4; i++) await say(1);
    calls = 0;
    for (let i = 0; i < 64; i++) await say(1);
    assert.ok(calls <= 64 + 8, `${calls} calls for 64 datagrams`);
    await say(40);
    const { drains } = b;
    await say(40);
    assert.ok(b.drains - drains <= 4, `${b.drains - drains} wake-ups for 40 datagrams`);
  });
});

interface Failure {
  errno: number;
  times: number;
  /** Calls to let pass first. */
  after?: number;
}

/** The C library, whose sendmsg fails as told. */
function failing(failure: Failure): Libc {
  assert.ok(typeof libc !== 'string');
  let failed = false;
  return {
    ...libc,
    sendmsg(fd, message, flags) {
      if (failure.after) {
        failure.after--;
        failed = false;
        return libc.sendmsg(fd, message, flags);
      }
      failed = failure.times > 0;
      if (!failed) return libc.sendmsg(fd, message, flags);
      failure.times--;
      return -1;
    },
    errno: () => (failed ? failure.errno : libc.errno()),
  };
}

function withFailure(
  failure: Failure,
  body: (a: Station, b: Station, toB: Locator) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const a = new Station({ kind: 'offload', libc: failing(failure) });
    const b = new Station({ kind: 'offload' });
    await body(a, b, at(b, '127.0.0.1'));
    await Promise.all([a.link.close(), b.link.close()]);
  };
}

test(
  'offload link: a full socket keeps the batch, later ones queue behind it, all arrive in order',
  { skip: noOffload },
  withFailure({ errno: Linux.EAGAIN, times: 3 }, async (a, b, toB) => {
    const sent: Buffer[] = [];
    for (const size of [3_000, 500, 64]) {
      sent.push(fill(a.link, size, 1_000));
      assert.equal(sendOwn(a.link, size, 1_000, toB), 'blocked');
    }
    a.link.sendBuffer.fill(0);
    await a.until(() => a.writables === 1);
    const all = Buffer.concat(sent);
    await b.until(() => b.receivedBytes >= all.length);
    assert.deepEqual(Buffer.concat(b.arrivals.map(({ bytes }) => bytes)), all);
    assert.equal(a.link.counters.blocked, 3);
    assert.equal(a.link.counters.packetsSent, 5);
    assert.equal(sendOwn(a.link, 64, 64, toB), 'ok');
  }),
);

test(
  'offload link: a socket that fills in the middle of a batch goes on where it stopped',
  { skip: noOffload },
  withFailure({ errno: Linux.EAGAIN, times: 1, after: 1 }, async (a, b, toB) => {
    const sent = fill(a.link, 100 * 300, 300);
    assert.equal(sendOwn(a.link, sent.length, 300, toB), 'blocked');
    await b.until(() => b.receivedBytes >= sent.length);
    assert.deepEqual(Buffer.concat(b.arrivals.map(({ bytes }) => bytes)), sent);
  }),
);

test(
  'offload link: what is kept is bounded',
  { skip: noOffload },
  withFailure({ errno: Linux.EAGAIN, times: Infinity }, async (a, _b, toB) => {
    const results = Array.from({ length: 70 }, () => sendOwn(a.link, 64, 64, toB));
    assert.equal(results.filter((result) => result === 'blocked').length, 64);
    assert.equal(a.link.counters.overflowed, 6);
  }),
);

test(
  'offload link: a device without checksums gets one packet per call',
  { skip: noOffload },
  withFailure({ errno: Linux.EIO, times: 1 }, async (a, b, toB) => {
    const sent = fill(a.link, 5_000, 1_000);
    assert.equal(sendOwn(a.link, sent.length, 1_000, toB), 'ok');
    await b.until(() => b.receivedBytes >= sent.length);
    assert.deepEqual(Buffer.concat(b.arrivals.map(({ bytes }) => bytes)), sent);
    assert.equal(a.link.report().segmentation, false);
  }),
);

test(
  'offload link: EMSGSIZE is too big, another error is a counted failure',
  { skip: noOffload },
  withFailure({ errno: Linux.EMSGSIZE, times: 2 }, async (a, _b, toB) => {
    assert.equal(sendOwn(a.link, 1_400, 1_400, toB), 'too-big');
    const noWhere: Locator = { address: new Uint8Array(16).fill(0xff), port: 0 };
    assert.equal(sendOwn(a.link, 64, 64, noWhere), 'failed');
    assert.equal(a.link.counters.failed, 1);
    assert.match(a.link.counters.lastError, /^E/);
  }),
);

test(
  'offload link: an error of an earlier packet is not the present one’s',
  { skip: noOffload },
  withFailure({ errno: Linux.EMSGSIZE, times: 1 }, async (a, b, toB) => {
    assert.equal(sendOwn(a.link, 1_400, 1_400, toB), 'ok');
    await b.until(() => b.receivedBytes >= 1_400);
  }),
);

for (const address of ['127.0.0.1', '::1', undefined])
  test(`offload link: a host says that nobody has the port, to a socket at ${address ?? 'every address'}, again and again`, {
    skip: noOffload,
  }, async () => {
    const a = new Station(address === undefined ? {} : { address });
    const b = new Station({ address: address ?? '127.0.0.1' });
    const [gone] = b.link.locals();
    await b.link.close();
    for (let time = 1; time <= 3; time++) {
      assert.equal(sendOwn(a.link, 5_000, 1_000, gone!), 'ok');
      await a.until(() => a.refusals.length >= time);
    }
    assert.deepEqual(new Set(a.refusals), new Set([formatLocator(gone!)]));
    assert.equal(a.link.counters.failed, 0);
    await a.link.close();
  });

test('link choice: the report says which, why and with what', { skip: noOffload }, async () => {
  const offload = await linkReport();
  assert.equal(offload.kind, process.env['CARACAL_LINK'] === 'dgram' ? 'dgram' : 'offload');
  const dgram = await linkReport('dgram');
  assert.equal(dgram.kind, 'dgram');
  assert.equal(dgram.forced, true);
  assert.equal(dgram.dontFragment, false);
  assert.ok(dgram.receiveBufferBytes > 0);
});

test('link choice: CARACAL_LINK is checked', () => {
  const before = process.env['CARACAL_LINK'];
  process.env['CARACAL_LINK'] = 'carrier-pigeon';
  try {
    assert.throws(() => new Station({}), { code: 'ERR_INVALID_ARG_VALUE' });
  } finally {
    if (before === undefined) delete process.env['CARACAL_LINK'];
    else process.env['CARACAL_LINK'] = before;
  }
});
