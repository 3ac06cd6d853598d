// Where the two processes of a benchmark run: as root in two network namespaces joined by a veth pair of MTU 1500,
// so that packets cross a link as they would between hosts; otherwise on loopback. The output says which. An impaired
// path has no such substitute: its namespaces are joined by impairing-link.ts, in place of the veth pair.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Child, isRoot, needsPrograms, root } from '../tests/e2e/harness.ts';
import { inside, Topology } from '../tests/e2e/topology.ts';
import type { PathOptions } from './bench.ts';

export interface Place {
  readonly where: 'netns' | 'tun' | 'loopback';
  readonly serverAddress: string;
  readonly server: string | undefined;
  readonly client: string | undefined;
  /** Before each run of a transport; what an impaired path does is drawn from the seed. */
  prepare?(path: PathOptions, seed: number): Promise<void>;
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

const tunDevice = '/dev/net/tun';
const [serverAddress, clientAddress] = ['10.78.0.1', '10.78.0.2'];
const network = '10.78.0.0/24';
/** What the devices hold for a process that comes late, in packets: losses are the link's to decide. */
const deviceQueue = '10000';
/** Each connection finds the path out by itself. */
const noMetrics = 'net.ipv4.tcp_no_metrics_save=1';

/** Or why there can be none, in words. */
export async function openImpairedPlace(): Promise<Place | string> {
  if (!isRoot || needsPrograms('ip') || !existsSync(tunDevice))
    return `an impaired path needs root, ip(8) and ${tunDevice}: run it as root, or name another benchmark`;
  const topology = new Topology(undefined);
  const [server, client] = [topology.host('a'), topology.host('b')];
  const devices = ['a', 'b'].map((end) => `tun${process.pid}${end}`);
  const program = new URL('impairing-link.js', import.meta.url).pathname;
  const link = new Child(process.execPath, [program, ...devices], { env: process.env, cwd: root });
  const remove = (): void => {
    link.endInput();
    topology.remove();
  };
  try {
    await link.line(/^ready$/m);
    for (const [at, host, address] of [
      [0, server, serverAddress],
      [1, client, clientAddress],
    ] as const)
      moveDevice(devices[at]!, host, address);
  } catch (error) {
    remove();
    throw error;
  }
  let begun = 0;
  return {
    where: 'tun',
    serverAddress,
    server,
    client,
    remove,
    async prepare(path, seed) {
      link.write(`${JSON.stringify({ ...path, seed })}\n`);
      begun++;
      await link.printed('begun', () => link.stdout.split('begun').length > begun || undefined);
    },
  };
}

function moveDevice(device: string, host: string, address: string): void {
  execFileSync('ip', ['link', 'set', 'dev', device, 'netns', host], { stdio: 'pipe' });
  inside(host, 'ip', 'address', 'add', `${address}/24`, 'dev', device);
  inside(host, 'ip', 'link', 'set', device, 'mtu', '1500', 'txqueuelen', deviceQueue, 'up');
  // The kernel's is CUBIC whatever the host prefers; a namespace may not choose what the host has not allowed to all.
  for (const route of [network, 'default'])
    inside(host, 'ip', 'route', 'replace', route, 'dev', device, 'src', address, 'congctl', 'cubic');
  inside(host, 'sysctl', '-q', '-w', noMetrics);
}
