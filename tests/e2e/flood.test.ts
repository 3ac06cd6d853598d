// A flood of first packets from forged addresses (X3), on three hosts: the attacker, to whom the answers to those
// addresses come and who counts them; router and instance; and an honest client.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { type Child, needsPrograms, needsRoot, residentBytes, Stage } from './harness.ts';
import { Peer } from './peer.ts';
import { inside, Topology } from './topology.ts';

const mib = 1 << 20;
const long = process.env['CARACAL_LONG'] !== undefined;
/** The promise is for 50,000 a second; machines that share their cores are asked for less. */
const perSecond = long ? 50_000 : 5_000;
const floodMs = long ? 30_000 : 5000;
/**
 * Of the router, resident: a heap moves by 25 MiB under such a load. Of the instance, what is left after a collection: half-open
 * connections, as many as it may have, and those of the honest client that were reset in the last five seconds. 100,000 spoofed SYNs at half a KiB each would be seen in either.
 */
const mostGrowthBytes = [48 * mib, 24 * mib];

interface Field {
  readonly stage: Stage;
  readonly attacker: string;
  readonly router: Child;
  readonly server: Peer;
  readonly client: Peer;
  readonly id: string;
  readonly ports: { readonly router: number; readonly instance: number };
  readonly flood: Child;
}

/** attacker 10.1.0.1 - 10.1.0.2 target 10.2.0.2 - 10.2.0.1 honest; 10.99.0.0/16 is nobody, behind the attacker */
async function buildField(t: TestContext): Promise<Field> {
  const topology = new Topology(t);
  const [attacker, target, honest] = ['attacker', 'target', 'honest'].map((label) => topology.host(label)) as [
    string,
    string,
    string,
  ];
  topology.link(attacker, '10.1.0.1/24', target, '10.1.0.2/24');
  topology.link(target, '10.2.0.2/24', honest, '10.2.0.1/24');
  inside(target, 'ip', 'route', 'add', '10.99.0.0/16', 'via', '10.1.0.1');
  inside(attacker, 'ip', 'route', 'add', 'default', 'via', '10.1.0.2');
  const stage = new Stage(t);
  const router = await stage.router([], { namespace: target, host: '10.2.0.2' });
  const server = await Peer.start(stage, { namespace: target, env: { PEER_DRIVER: '{"address":"10.2.0.2"}' } });
  const { address } = await server.listen('target', 'name');
  const client = await Peer.start(stage, { namespace: honest });
  const [locator = ''] = (await server.inspect()).locals;
  const ports = { router: portOf(stage.routerAddress ?? ''), instance: portOf(locator) };
  count(attacker, ports);
  const targets = Object.values(ports).map((port) => ({ address: '10.2.0.2', port }));
  const options = JSON.stringify({ service: address.id, targets, sources: [10, 99] });
  const flood = stage.program('flood', [options], { namespace: attacker });
  await flood.line(/^ready$/m);
  return { stage, attacker, router, server, client, id: address.id, ports, flood };
}

function portOf(locator: string): number {
  return Number(locator.split(':').at(-1));
}

/** Counts, at the attacker, the bytes that came back to the forged addresses. */
function count(attacker: string, ports: Field['ports']): void {
  const nft = (...words: string[]): string => inside(attacker, 'nft', ...words);
  nft('add', 'table', 'ip', 'ledger');
  nft('add', 'chain', 'ip', 'ledger', 'in', '{ type filter hook prerouting priority 0; }');
  for (const [name, port] of Object.entries(ports)) {
    nft('add', 'counter', 'ip', 'ledger', name);
    const match = ['ip', 'daddr', '10.99.0.0/16', 'udp', 'sport', `${port}`];
    nft('add', 'rule', 'ip', 'ledger', 'in', ...match, 'counter', 'name', name, 'drop');
  }
}

function counted(attacker: string): Record<string, { packets: number; bytes: number }> {
  const { nftables } = JSON.parse(inside(attacker, 'nft', '-j', 'list', 'counters')) as {
    nftables: { counter?: { name: string; packets: number; bytes: number } }[];
  };
  return Object.fromEntries(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter]] : [])));
}

async function pour({ flood }: Field, ms: number, rate?: number): Promise<{ sent: number; perSecond: number }> {
  const from = flood.stdout.length;
  flood.write(`${ms}${rate === undefined ? '' : ` ${rate}`}\n`);
  const [, sent = '', took = ''] = await flood.line(new RegExp(`^[\\s\\S]{${from}}sent (\\d+) (\\d+)\\n`), ms + 20_000);
  return { sent: Number(sent), perSecond: Math.round((Number(sent) * 1000) / Number(took)) };
}

const skip = needsRoot || needsPrograms('nft');

test('[X3] a flood of spoofed SYNs: flat memory, few bytes to the forged addresses, honest clients get through', {
  skip,
  timeout: long ? 240_000 : 90_000,
}, async (t) => {
  const field = await buildField(t);
  const { router, server, client, attacker } = field;
  await client.connectMany('target', 8, 4);
  // Warm: compiled, and with a heap as large as such a rate makes it.
  await pour(field, 2000);
  const held = async (): Promise<number[]> => {
    // The program keeps what it has accepted; that is not what is measured.
    await server.call('forget', { server: 0 });
    return [residentBytes(router.pid), (await server.memory()).live];
  };
  const before = await held();
  const flat = async (when: string): Promise<void> => {
    const after = await held();
    for (const [i, who] of ['router', 'instance'].entries()) {
      const grown = (after[i] ?? 0) - (before[i] ?? 0);
      t.diagnostic(`${when}: ${who} ${(grown / mib).toFixed(1)} MiB more`);
      assert.ok(grown < (mostGrowthBytes[i] ?? 0), `${when}: ${who} grew by ${grown / mib} MiB`);
    }
  };
  const start = counted(attacker);

  const pouring = pour(field, floodMs, perSecond);
  let over = false;
  pouring.finally(() => {
    over = true;
  });
  const took: number[] = [];
  while (!over) took.push(...(await client.call<number[]>('connectTimed', { service: 'target', count: 8 })));
  const limited = await pouring;
  await flat('at a limited rate');
  const late = took.filter((ms) => ms > 5000).length;
  t.diagnostic(`${limited.perSecond} SYNs/s; ${took.length} connects, the slowest ${Math.max(...took)} ms`);
  assert.ok(took.length >= 16 && late <= took.length / 100, `${late} of ${took.length} connects took over 5 s`);

  const unlimited = await pour(field, long ? 10_000 : 3000);
  const [recovered = 0] = await client.call<number[]>('connectTimed', { service: 'target', count: 1 });
  await flat('at any rate');
  t.diagnostic(`${unlimited.perSecond} SYNs/s; then a connect took ${recovered} ms`);
  assert.ok(recovered < 1000, `${recovered} ms`);

  const end = counted(attacker);
  const half = ((limited.sent + unlimited.sent) / 2) * 1128;
  for (const [name, most] of [
    ['router', 1],
    ['instance', 3],
  ] as const) {
    const bytes = (end[name]?.bytes ?? 0) - (start[name]?.bytes ?? 0);
    t.diagnostic(`${name}: ${(bytes / half).toFixed(3)} bytes back for each byte`);
    assert.ok(bytes > 0 && bytes <= most * half, `${name} sent ${bytes} for ${half}`);
  }
});
