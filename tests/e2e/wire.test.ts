// What somebody on the way can see and do (X2): tcpdump finds nothing to read and no name after the SYN, and of what is
// changed, lost or sent twice on the way nothing changes what arrives. That there would be something to find is shown by
// the same search over a flow in the clear.

import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseServiceId } from '../../src/core/base/index.ts';
import type { FlowInfo } from '../../src/core/stack/index.ts';
import { ControlFlag, createControl, createPacket, parseControl, parsePacket } from '../../src/core/wire/index.ts';
import { contentHash, makeContent } from './content.ts';
import { needsPrograms, needsRoot, Stage, until } from './harness.ts';
import { Keyring } from './keyring.ts';
import { readUdp } from './pcap.ts';
import { Peer } from './peer.ts';
import { Shim, type ShimOptions } from './shim.ts';
import { type Host, Topology } from './topology.ts';

const mib = 1 << 20;
const markerBytes = 24;

/** Pieces of what `makeContent` makes of this seed, so close that every packet of a thousand bytes holds one. */
function markers(seed: number): Buffer[] {
  const [block] = [...makeContent(65_536, seed)] as [Buffer];
  return Array.from({ length: 128 }, (_, i) => block.subarray(i * 512 + 100, i * 512 + 100 + markerBytes));
}

interface Seen {
  readonly packets: number;
  readonly plaintext: number;
  /** The name, in first packets and in all others. */
  readonly named: { first: number; later: number };
}

function search(datagrams: readonly Uint8Array[], name: string, seeds: readonly number[]): Seen {
  const id = parseServiceId(name);
  const wanted = seeds.flatMap(markers);
  const seen = { packets: 0, plaintext: 0, named: { first: 0, later: 0 } };
  for (const datagram of datagrams) {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
    seen.packets++;
    if (wanted.some((marker) => bytes.includes(marker))) seen.plaintext++;
    // Without the member: the rest says as well whose flow it is.
    if (bytes.includes(Buffer.from(id.subarray(8, 28)))) seen.named[isSyn(datagram) ? 'first' : 'later']++;
  }
  return seen;
}

function isSyn(datagram: Uint8Array): boolean {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const packet = createPacket();
  const control = createControl();
  parsePacket(view, 0, datagram.length, packet);
  if (packet.controlOffset === 0) return false;
  parseControl(view, packet.controlOffset, control);
  return packet.flowHi === 0 && packet.flowLo === 0 && control.flags === ControlFlag.SYN;
}

interface Ends {
  readonly a: Host;
  readonly name: string;
  readonly client: Peer;
  readonly wiretap: Wiretap;
}

interface Wiretap {
  /** All that has passed so far. */
  datagrams(): Promise<Uint8Array[]>;
}

/** A client on one host, router and server with a key on another, and tcpdump on the wire between them. */
async function twoHosts(t: TestContext, insecure: boolean): Promise<Ends> {
  const { a, b } = new Topology(t).pair();
  const stage = new Stage(t);
  const keys = new Keyring(stage);
  const name = keys.make('shop');
  await stage.router([], { namespace: b.name, host: b.address });
  const server = await Peer.start(stage, { namespace: b.name });
  await server.listen(name, 'echo', { identity: keys.instance('shop'), insecure });
  const client = await Peer.start(stage, { namespace: a.name });
  const file = join(stage.folder, 'wire.pcap');
  const filter = `udp and host ${a.address} and host ${b.address}`;
  const tcpdump = stage.start(
    'tcpdump',
    ['-i', 'any', '-Z', 'root', '-U', '-B', '65536', '-s', '0', '-w', file, filter],
    {
      namespace: a.name,
    },
  );
  await tcpdump.line(/listening on/, 20_000, 'stderr');
  const datagrams = async (): Promise<Uint8Array[]> => {
    await tcpdump.stop();
    assert.match(tcpdump.stderr, /^0 packets dropped by kernel$/m);
    return readUdp(readFileSync(file));
  };
  return { a, name, client, wiretap: { datagrams } };
}

/** Sends and has it all back; answers what the client's stack says of the flow meanwhile. */
async function echo({ client, name }: Ends, bytes: number, seed: number, insecure: boolean): Promise<FlowInfo> {
  const connection = await client.connect(name, { insecure });
  const { flows } = await client.inspect();
  const flow = flows.find(({ service }) => service === name);
  await client.send(connection, bytes, seed);
  assert.equal((await client.received(connection)).sha256, contentHash(bytes, seed));
  return flow as FlowInfo;
}

const skip = needsRoot || needsPrograms('tcpdump');

for (const [ours, theirs] of [
  [false, false],
  [true, false],
  [true, true],
] as const) {
  const clear = ours && theirs;
  const who = clear ? 'with "insecure" at both ends' : ours ? 'with "insecure" at one end' : 'by default';
  const what = clear ? 'the content, and still no name' : 'no content and no name';
  test(`[X2] tcpdump of a transfer ${who} shows ${what} after the SYN`, { skip, timeout: 60_000 }, async (t) => {
    const ends = await twoHosts(t, theirs);
    const { authenticated, encrypted } = await echo(ends, 2 * mib, 41, ours);
    assert.deepEqual({ authenticated, encrypted }, { authenticated: true, encrypted: !clear });
    const seen = search(await ends.wiretap.datagrams(), ends.name, [41]);
    // 2 MiB there and back; the kernel may have joined packets to 64 KiB.
    assert.ok(seen.packets >= 64 && seen.named.first > 0, JSON.stringify(seen));
    assert.equal(seen.named.later, 0, JSON.stringify(seen));
    if (clear) assert.ok(seen.plaintext > seen.packets / 4, JSON.stringify(seen));
    else assert.equal(seen.plaintext, 0, JSON.stringify(seen));
  });
}

// A datagram of the offload link holds many packets of one size; one of the dgram link is one packet.
for (const [link, bytes, options] of [
  ['dgram', 10 * mib, { tamper: 0.02, replay: 0.02, loss: 0.005, seed: 3 }],
  ['offload', 10 * mib, { tamper: 0.04, replay: 0.05, loss: 0.005, seed: 4 }],
] as const) {
  test(`[X2] bits changed, packets lost and repeated on the way: 10 MB each way arrive intact (${link})`, {
    timeout: 120_000,
  }, async (t) => {
    const { counters, stats } = await transferBothWays(t, link, bytes, options);
    assert.ok(stats.tampered > 5 && stats.replayed > 5, JSON.stringify(stats));
    for (const dropped of counters) {
      const found = (dropped['not-authentic'] ?? 0) + (dropped['bad-record'] ?? 0);
      assert.ok(found > 0, JSON.stringify(dropped));
    }
  });
}

async function transferBothWays(t: TestContext, link: string, bytes: number, options: ShimOptions) {
  const stage = new Stage(t);
  await stage.router();
  const env = { CARACAL_LINK: link };
  const server = await Peer.start(stage, { env });
  const { server: up } = await server.listen('up', 'hash');
  await server.listen('down', 'source', { bytes, seed: 52 });
  const shim = await Shim.start(stage, { seed: options.seed ?? 1 });
  const client = await Peer.start(stage, { env: { ...env, CARACAL_ROUTER: shim.address } });
  const [out, back] = [await client.connect('up', { allowHalfOpen: true }), await client.connect('down')];
  await shim.set(options);
  await client.send(out, bytes, 51);
  const [sent, received] = await Promise.all([client.received(out), client.received(back)]);
  assert.deepEqual([sent.error, received.error], [undefined, undefined]);
  const accepted = await until('all has arrived', async () => (await server.accepted(up))[0]);
  assert.equal(accepted.sha256, contentHash(bytes, 51));
  assert.equal(received.sha256, contentHash(bytes, 52));
  const counters = [await client.inspect(), await server.inspect()].map(({ counters: { dropped } }) => dropped);
  return { counters, stats: await shim.stats() };
}
