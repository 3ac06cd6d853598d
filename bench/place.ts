// Where the two processes of a benchmark run: as root in two network namespaces joined by a veth pair of MTU 1500,
// so that packets cross a link as they would between hosts; otherwise on loopback. The output says which.

import { isRoot, needsPrograms } from '../tests/e2e/harness.ts';
import { inside, Topology } from '../tests/e2e/topology.ts';

export interface Place {
  readonly where: 'netns' | 'loopback';
  readonly serverAddress: string;
  readonly server: string | undefined;
  readonly client: string | undefined;
  remove(): void;
}

export function findPlace(forced?: string): Place {
  if (forced === 'loopback' || !isRoot || needsPrograms('ip')) return loopback;
  const topology = new Topology(undefined);
  try {
    const { a, b } = topology.pair();
    // Otherwise a benchmark of connects runs out of ports: each stays in TIME-WAIT for a minute.
    for (const { name } of [a, b])
      inside(name, 'sysctl', '-q', '-w', 'net.ipv4.tcp_tw_reuse=1', 'net.ipv4.ip_local_port_range=1024 65000');
    return {
      where: 'netns',
      serverAddress: a.address,
      server: a.name,
      client: b.name,
      remove: () => topology.remove(),
    };
  } catch (error) {
    topology.remove();
    process.stderr.write(`bench: no namespaces here (${(error as Error).message.split('\n')[0]}), so on loopback\n`);
    return loopback;
  }
}

const loopback: Place = {
  where: 'loopback',
  serverAddress: '127.0.0.1',
  server: undefined,
  client: undefined,
  remove() {},
};
