// The benchmarks run, print what bench/README.md promises, and keep the floors: a stream of at least half of node:net's
// throughput in the clear and of TLS's encrypted, an echo of at most three times the latency. They are far from what is
// measured on an idle machine (`npm run bench`), so that one that is busy with something else does not fail the code.

import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { tls } from '../../bench/tls.ts';
import { isRoot, needsPatience, needsPrograms, root, Stage } from './harness.ts';

interface Result {
  readonly bench: string;
  readonly where: string;
  readonly at?: number;
  readonly path?: unknown;
  readonly unit: string;
  readonly rows: readonly { transport: string; median: number; min: number; max: number }[];
  readonly ratios: Readonly<Record<string, number>>;
  readonly figures: Readonly<Record<string, unknown>>;
}

const cleanPath = isRoot && !needsPrograms('ip') ? 'netns' : 'loopback';

async function bench(t: TestContext, name: string, ...options: string[]): Promise<Result> {
  const stage = new Stage(t);
  const child = stage.start('npm', ['run', '--silent', 'bench', '--', name, '--json', ...options], { cwd: root });
  const { code } = await child.exit(150_000);
  assert.equal(code, 0, child.describe());
  assert.equal(child.stdout.split('\n').length, 2, `more than one line:\n${child.stdout}`);
  const result = JSON.parse(child.stdout) as Result;
  assert.equal(result.bench, name);
  assert.equal(result.where, name === 'lossy' ? 'tun' : cleanPath);
  assert.match(result.rows[0]?.transport ?? '', /^caracal/);
  for (const { median, min, max } of result.rows) assert.ok(min > 0 && min <= median && median <= max, child.stdout);
  return result;
}

/** A machine that is busy with something else can spoil a run, and no run can be better than the code. */
async function bestOf(
  runs: number,
  measure: () => Promise<number>,
  enough: (ratio: number) => boolean,
): Promise<number[]> {
  const ratios: number[] = [];
  while (ratios.length < runs && !ratios.some(enough)) ratios.push(await measure());
  return ratios;
}

test('[E4] a stream moves at least half of what node:net moves in the clear, and of TLS encrypted', {
  timeout: 300_000,
}, async (t) => {
  const measure = async () => {
    // In less time V8 is still compiling what runs, of which the kernel's TCP has nothing.
    const { ratios } = await bench(t, 'stream', '--seconds', '1.5', '--repeats', '1');
    return Math.min(ratios['caracal-insecure/net'] ?? 0, ratios['caracal/tls'] ?? 0);
  };
  const ratios = await bestOf(5, measure, (ratio) => ratio >= 0.5);
  assert.ok((ratios.at(-1) ?? 0) >= 0.5, `the lesser of both ${ratios.join(', ')}`);
});

test('speed: an echo of 64 bytes takes at most three times as long as over node:net in the clear, and over TLS encrypted', {
  timeout: 300_000,
}, async (t) => {
  const measure = async () => {
    const { ratios, figures, unit } = await bench(t, 'rtt', '--seconds', '0.4', '--repeats', '1');
    assert.equal(unit, 'us');
    assert.ok(Number(figures['p99Ratio']) > 0);
    return Math.max(ratios['caracal-insecure/net'] ?? Infinity, ratios['caracal/tls'] ?? Infinity);
  };
  const ratios = await bestOf(5, measure, (ratio) => ratio <= 3);
  assert.ok((ratios.at(-1) ?? Infinity) <= 3, `the greater of both ${ratios.join(', ')}`);
});

test('speed: connects and requests are measured', { timeout: 300_000 }, async (t) => {
  const short = ['--seconds', '0.2', '--repeats', '1'];
  for (const name of ['connect', 'http']) {
    const { rows, ratios } = await bench(t, name, ...short);
    assert.deepEqual(
      rows.map(({ transport }) => transport),
      ['caracal', 'tls', 'caracal-insecure', 'net'],
    );
    assert.deepEqual(Object.keys(ratios), ['caracal/tls', 'caracal/net', 'caracal-insecure/net']);
    for (const [pair, ratio] of Object.entries(ratios)) assert.ok(ratio > 0, `${name} ${pair}`);
  }
});

test('[E4] a router resolves at least half of what a minimal forwarder in C does in the same processor time', {
  timeout: 200_000,
}, async (t) => {
  const measure = async () => {
    const { figures, ratios, rows } = await bench(t, 'router', '--seconds', '0.4', '--repeats', '1');
    assert.ok(Number(figures['resolutionsPerSecond']) > 1000, JSON.stringify(figures));
    const compiled = rows.filter(({ transport }) => transport.startsWith('c-forwarder')).length;
    assert.equal(compiled, needsPrograms('cc') ? 0 : 2);
    return compiled === 0 ? 1 : (ratios['caracal/c-forwarder'] ?? 0);
  };
  const ratios = await bestOf(5, measure, (ratio) => ratio >= 0.5);
  assert.ok((ratios.at(-1) ?? 0) >= 0.5, ratios.join(', '));
});

test('speed: the fallback link is measured beside node:net', { timeout: 120_000 }, async (t) => {
  const { ratios } = await bench(t, 'dgram', '--seconds', '0.3', '--repeats', '1', '--transports', 'caracal-dgram,net');
  assert.ok((ratios['caracal-dgram/net'] ?? 0) > 0.01, JSON.stringify(ratios));
});

const needsTun = cleanPath === 'netns' && existsSync('/dev/net/tun') ? false : 'needs root and a TUN device';

test('[P7] on a path that loses 1% in 20 ms a stream keeps half of what the kernel does with CUBIC, and more with BBR', {
  skip: needsTun,
  timeout: 300_000,
}, async (t) => {
  const measure = async () => {
    const options = ['--seconds', '3', '--repeats', '1', '--transports', 'caracal,caracal-bbr,net'];
    const { ratios, path } = await bench(t, 'lossy', ...options);
    assert.deepEqual(path, { lossPercent: 1, rttMs: 20, mbits: 100 });
    return Math.min(2 * (ratios['caracal/net'] ?? 0), ratios['caracal-bbr/net'] ?? 0);
  };
  const ratios = await bestOf(5, measure, (ratio) => ratio >= 1);
  assert.ok((ratios.at(-1) ?? 0) >= 1, `the lesser of both, CUBIC's doubled: ${ratios.join(', ')}`);
});

test('speed: a service of two processes is measured, and both take part', { timeout: 120_000 }, async (t) => {
  const short = ['--seconds', '0.3', '--repeats', '1'];
  const { at, figures } = await bench(t, 'processes', ...short, '--at', '2', '--transports', 'caracal');
  assert.equal(at, 2);
  assert.ok(Number(figures['leastShare']) > 0, JSON.stringify(figures));
  assert.ok(Number(figures['cpuUsPerRequest']) > 0, JSON.stringify(figures));
});

test('speed: messages of a size and many open flows are measured, kept and drawn', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'caracal-bench-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const short = ['--seconds', '0.2', '--repeats', '1', '--transports', 'caracal-insecure,net', '--out', folder];
  const { figures } = await bench(t, 'size', ...short, '--at', '1000');
  assert.ok(Number(figures['messagesPerSecondInsecure']) > 0, JSON.stringify(figures));
  const { rows } = await bench(t, 'flows', ...short, '--at', '100');
  assert.equal(rows.length, 2);
  const { status } = spawnSync(process.execPath, [join(root, 'dist/bench/plots.js'), folder]);
  assert.equal(status, 0);
  assert.deepEqual(readdirSync(folder).sort(), ['flows.json', 'flows.svg', 'size.json', 'size.svg']);
  assert.match(readFileSync(join(folder, 'flows.svg'), 'utf8'), /class="curve c1"/);
});

test('speed: lookups and demultiplexing are measured at a point each', { timeout: 120_000 }, async (t) => {
  for (const name of ['lookup', 'demux']) {
    const { at, rows } = await bench(t, name, '--seconds', '0.1', '--repeats', '1', '--at', '100');
    assert.equal(at, 100);
    assert.equal(rows.length, 1);
  }
});

test('speed: memory of idle connections is measured', { skip: needsPatience, timeout: 300_000 }, async (t) => {
  const { figures, rows } = await bench(t, 'idle', '--at', '500', '--repeats', '1', '--transports', 'caracal,net');
  assert.equal(rows.length, 2);
  for (const name of ['residentBytes', 'cpuPercent', 'residentBytesNet', 'cpuPercentNet'])
    assert.ok(name in figures, JSON.stringify(figures));
  // A socket of the kernel's is more than its TCP record.
  if (process.platform === 'linux') assert.ok(Number(figures['kernelBytesNet']) > 2_000, JSON.stringify(figures));
});

test('speed: what stands as tls is TLS 1.3 with a certificate that is checked, and no session is resumed', async (t) => {
  const stage = new Stage(t);
  const listen = async (): Promise<string> => {
    const child = stage.start(process.execPath, [join(root, 'dist/bench/child.js'), 'connect', 'server', 'tls']);
    return (await child.line(/^ready (.*)$/m))[1] ?? '';
  };
  const [address, other] = await Promise.all([listen(), listen()]);
  for (let i = 0; i < 2; i++) {
    const socket = await openTls(address);
    assert.equal(socket.authorized, true);
    assert.equal(socket.getProtocol(), 'TLSv1.3');
    assert.equal(socket.isSessionReused(), false);
    socket.destroy();
  }
  const mixed = `${other.split('#')[0]}#${address.split('#')[1]}`;
  await assert.rejects(openTls(mixed), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});

function openTls(address: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect(address, () => resolve(socket as TLSSocket));
    socket.on('error', reject);
  });
}
