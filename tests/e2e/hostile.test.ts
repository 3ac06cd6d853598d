// Bad packets of every kind at every port, the router's and an instance's: counted, never a crash, never growth, and
// honest clients are served meanwhile and after.

import { strict as assert } from 'node:assert';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { parseServiceId, seededRandom } from '../../src/core/base/index.ts';
import { lastLine, residentBytes, Stage, until } from './harness.ts';
import { hostilePackets } from './hostile-packets.ts';
import { Peer } from './peer.ts';

const mib = 1 << 20;

/** Sends `rounds` of bad packets to each port; answers how many went out. */
async function flood(ports: readonly number[], id: string, rounds: number, seed: number): Promise<number> {
  const socket = createSocket('udp4');
  const random = seededRandom(seed);
  let sent = 0;
  const send = (bytes: Uint8Array, port: number): Promise<void> =>
    new Promise((resolve) => socket.send(bytes, port, '127.0.0.1', () => resolve()));
  for (let round = 0; round < rounds; round++) {
    let waiting: Promise<void>[] = [];
    for (const packet of hostilePackets(parseServiceId(id), random)) {
      for (const port of ports) waiting.push(send(packet, port));
      sent++;
      if (waiting.length < 64) continue;
      await Promise.all(waiting);
      waiting = [];
    }
    await Promise.all(waiting);
  }
  await new Promise<void>((resolve) => socket.close(resolve));
  return sent;
}

test('[P1] malformed packets at router and instance: counted, no crash, no growth', { timeout: 180_000 }, async (t) => {
  const stage = new Stage(t);
  const router = await stage.router(['--json']);
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { address } = await server.listen('target', 'echo');
  const { service } = await stage.caracalJson<{ service: { instances: { locator: string }[] } }>([
    'describe',
    'target',
  ]);
  const ports = [stage.routerAddress, service.instances[0]?.locator].map((locator) =>
    Number(locator?.split(':').at(-1)),
  );
  assert.ok(ports.every((port) => port > 0));
  const connection = await client.connect('target');

  await flood(ports, address.id, 10, 1);
  const before = [router.pid, server.pid].map(residentBytes);
  const sent = await flood(ports, address.id, 40, 2);
  assert.equal(await client.exchange(connection, 'still served'), 'still served');
  const after = [router.pid, server.pid].map(residentBytes);
  // Some of the flood were whole SYNs of clients that do not exist: they hold places until they are given up.
  const late = await until('a new client is let in', () => client.connect('target').catch(() => undefined), 60_000);
  assert.equal(await client.exchange(late, 'and new ones'), 'and new ones');
  for (const [i, name] of ['router', 'instance'].entries()) {
    const grown = ((after[i] ?? 0) - (before[i] ?? 0)) / mib;
    assert.ok(grown < 24, `the ${name} grew by ${grown.toFixed(1)} MiB after ${sent} bad packets`);
  }

  assert.equal((await router.stop()).code, 0, router.describe());
  const { dropped } = JSON.parse(lastLine(router.stdout)) as { dropped: Record<string, number> };
  for (const reason of [
    'truncated',
    'bad-version',
    'bad-header-length',
    'bad-extension',
    'duplicate-extension',
    'unsupported-extension',
    'bad-message',
    'unknown-flow',
  ])
    assert.ok((dropped[reason] ?? 0) > 0, `nothing counted as ${reason}: ${JSON.stringify(dropped)}`);
  const total = Object.values(dropped).reduce((a, b) => a + b, 0);
  assert.ok(total > sent / 2, `${total} counted of ${sent}`);
});
