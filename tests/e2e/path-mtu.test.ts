// Path MTU (P6), on three namespaces in a row: client, a plain IP router of the kernel's, server. The far link's MTU is
// lowered under a running flow; with ICMP and without it, the flow must notice and go on.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { contentHash } from './content.ts';
import { needsPrograms, needsRoot, Stage, until } from './harness.ts';
import { Peer } from './peer.ts';
import { inside, Topology } from './topology.ts';

const mib = 1 << 20;

interface Path {
  readonly client: string;
  readonly middle: string;
  readonly server: string;
  readonly serverAddress: string;
  setFarMtu(mtu: number): void;
}

/** client 10.1.0.1 - 10.1.0.2 middle 10.2.0.1 - 10.2.0.2 server */
function buildPath(topology: Topology): Path {
  const client = topology.host('client');
  const middle = topology.host('middle');
  const server = topology.host('server');
  topology.link(client, '10.1.0.1/24', middle, '10.1.0.2/24');
  const far = topology.link(middle, '10.2.0.1/24', server, '10.2.0.2/24');
  inside(middle, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
  inside(client, 'ip', 'route', 'add', 'default', 'via', '10.1.0.2');
  inside(server, 'ip', 'route', 'add', 'default', 'via', '10.2.0.1');
  return {
    client,
    middle,
    server,
    serverAddress: '10.2.0.2',
    setFarMtu(mtu) {
      inside(middle, 'ip', 'link', 'set', far.a, 'mtu', `${mtu}`);
      inside(server, 'ip', 'link', 'set', far.b, 'mtu', `${mtu}`);
    },
  };
}

interface Flow {
  readonly service: string;
  readonly packetBytes: number;
}

for (const icmp of [true, false]) {
  const skip = needsRoot || (icmp ? false : needsPrograms('nft'));
  const how = icmp ? 'the path says so by ICMP' : 'the path is silent about it';
  test(`[P6] the MTU is lowered mid-flow and ${how}`, { skip, timeout: 120_000 }, async (t) => {
    const topology = new Topology(t);
    const path = buildPath(topology);
    const stage = new Stage(t);
    await stage.router([], { namespace: path.server, host: path.serverAddress });
    const server = await Peer.start(stage, { namespace: path.server });
    const client = await Peer.start(stage, { namespace: path.client });
    const { server: listener, address } = await server.listen('wide', 'hash');
    const packetBytes = async (): Promise<number> => {
      const { flows } = await stage.caracalJson<{ flows: Flow[] }>(['flows'], { namespace: path.client });
      return Math.max(0, ...flows.filter(({ service }) => service === address.id).map((flow) => flow.packetBytes));
    };
    if (!icmp) {
      inside(path.middle, 'nft', 'add', 'table', 'ip', 'quiet');
      inside(path.middle, 'nft', 'add', 'chain', 'ip', 'quiet', 'out', '{ type filter hook output priority 0; }');
      inside(path.middle, 'nft', 'add', 'rule', 'ip', 'quiet', 'out', 'ip', 'protocol', 'icmp', 'drop');
    }
    const bytes = 48 * mib;
    const connection = await client.connect('wide');
    await client.send(connection, bytes / 2, 21, false);
    const before = await until(
      'the search has found the full MTU',
      async () => {
        const now = await packetBytes();
        return now > 1400 && now;
      },
      30_000,
    );
    assert.ok(before <= 1472, `${before} bytes do not fit an MTU of 1500`);

    path.setFarMtu(1300);
    const from = Date.now();
    await client.send(connection, bytes / 2, 22, true, 90_000);
    const answer = await client.received(connection, 90_000);
    assert.equal(answer.error, undefined);
    const [accepted] = await server.accepted(listener);
    assert.equal(accepted?.bytes, bytes);
    assert.ok(Date.now() - from < 60_000, `the second half took ${Date.now() - from} ms`);
  });
}

test('[P6] a flow over a link with a small MTU from the start arrives intact', {
  skip: needsRoot,
  timeout: 60_000,
}, async (t) => {
  const topology = new Topology(t);
  const path = buildPath(topology);
  path.setFarMtu(1260);
  const stage = new Stage(t);
  await stage.router([], { namespace: path.server, host: path.serverAddress });
  const server = await Peer.start(stage, { namespace: path.server });
  const client = await Peer.start(stage, { namespace: path.client });
  await server.listen('narrow', 'source', { bytes: 8 * mib, seed: 23 });
  const look = await client.received(await client.connect('narrow'));
  assert.equal(look.sha256, contentHash(8 * mib, 23));
});
