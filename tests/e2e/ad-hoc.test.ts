// No router and no configuration: programs find each other on one machine, and on one local network.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { contentHash } from './content.ts';
import { needsRoot, Stage, type StartOptions } from './harness.ts';
import { Peer } from './peer.ts';
import { Topology } from './topology.ts';

async function meet(t: TestContext, serverOptions: StartOptions, clientOptions: StartOptions): Promise<void> {
  const stage = new Stage(t);
  const [server, client] = await Promise.all([Peer.start(stage, serverOptions), Peer.start(stage, clientOptions)]);
  const service = `adhoc-${process.pid}`;
  const { server: listener, address } = await server.listen(service, 'echo');
  assert.equal(address.registered, false);
  assert.equal(await client.exchange(await client.connect(service), 'found you'), 'found you');
  await server.listen(`${service}-bulk`, 'source', { bytes: 5_000_000, seed: 31 });
  const look = await client.received(await client.connect(`${service}-bulk`));
  assert.equal(look.sha256, contentHash(5_000_000, 31));
  await server.close(listener);
  const from = Date.now();
  await assert.rejects(client.connect(service), (error: { code?: string }) =>
    /^(ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH)$/.test(error.code ?? ''),
  );
  assert.ok(Date.now() - from < 10_000, `given up after ${Date.now() - from} ms`);
}

test('[D1] two processes on one machine, nothing set up', { timeout: 60_000 }, (t) => meet(t, {}, {}));

test('[D1] two hosts on one LAN, nothing set up', { skip: needsRoot, timeout: 60_000 }, async (t) => {
  const { a, b } = new Topology(t).pair();
  await meet(t, { namespace: a.name }, { namespace: b.name });
});

test('[D1] a host whose only interface is loopback', { skip: needsRoot, timeout: 60_000 }, async (t) => {
  const alone = new Topology(t).host('alone');
  await meet(t, { namespace: alone }, { namespace: alone });
});

test('[D1] unbound datagrams find a service without a router too', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const service = `adhoc-oracle-${process.pid}`;
  await server.call('datagramBind', { service, echo: true });
  const { socket } = await client.call<{ socket: number }>('datagramBind');
  for (let i = 0; i < 40; i++) {
    await client.call('datagramSend', { socket, text: 'anyone', to: service });
    const { received } = await client.call<{ received: { text: string }[] }>('datagramReceived', { socket });
    if (received[0]) return assert.equal(received[0].text, `${server.pid} anyone`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail('no answer to 40 datagrams');
});
