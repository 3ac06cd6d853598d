// What moves are shown on: a client with two interfaces and a server, in namespaces, with a router of the kernel's between
// them that may be a long way (the lab's delay), lose packets and be slow. The Caracal router stands in the middle, at
// an address that nothing moves.
//
//   client  eth 10.1.0.1 ─┐
//                         ├─ middle (10.9.0.1) ── 10.2.0.1 server
//   client wifi 10.3.0.1 ─┘
//
// Or the same with fd00:NET::HOST.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { type Child, root, type Stage, until } from './harness.ts';
import { Peer } from './peer.ts';
import { inside, type Topology } from './topology.ts';

export interface Way {
  /** Milliseconds there and back; 0: as fast as it comes. */
  readonly rttMs?: number;
  /** Of 100 packets, each way. */
  readonly lossPercent?: number;
  /** Each of the three links, towards the client and towards the server. */
  readonly mbits?: number;
  /** Of IP; 4 if absent. */
  readonly version?: 4 | 6;
}

/** One interface of a host, with its network's number. */
export interface Interface {
  readonly version: 4 | 6;
  readonly host: string;
  readonly name: string;
  readonly net: number;
  /** Lower is preferred. */
  readonly metric: number;
  /** The middle's end of it. */
  readonly far: string;
}

export interface Roaming {
  readonly topology: Topology;
  readonly client: string;
  readonly middle: string;
  readonly server: string;
  readonly eth: Interface;
  readonly wifi: Interface;
  readonly serverInterface: Interface;
  readonly router: Child;
}

/** The middle's host number in every network. */
const middleHost = 254;

export async function buildRoaming(topology: Topology, stage: Stage, way: Way = {}): Promise<Roaming> {
  const { version = 4, mbits } = way;
  const [client, middle, server] = [topology.host('client'), topology.host('middle'), topology.host('server')];
  const routerAddress = textOf(version, 9, 1);
  inside(middle, 'ip', 'address', 'add', routerAddress, 'dev', 'lo');
  inside(middle, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  const attach = (host: string, net: number, metric: number): Interface => {
    const own = joinMiddle(topology, middle, host, net, metric, version);
    if (mbits) limit(host, own.name, mbits);
    if (mbits) limit(middle, own.far, mbits);
    return own;
  };
  const eth = attach(client, 1, 10);
  const wifi = attach(client, 3, 20);
  const serverInterface = attach(server, 2, 10);
  await lengthen(stage, middle, [eth.far, wifi.far, serverInterface.far], way);
  const router = await stage.router([], { namespace: middle, host: routerAddress });
  return { topology, client, middle, server, eth, wifi, serverInterface, router };
}

/** One more interface of a host, in a network of its own behind the middle. */
export function joinMiddle(
  topology: Topology,
  middle: string,
  host: string,
  net: number,
  metric: number,
  version: 4 | 6 = 4,
): Interface {
  const ends = topology.link(host, '', middle, '');
  const own = { version, host, name: ends.a, net, metric, far: ends.b };
  addAddress(host, ends.a, textOf(version, net, 1), version);
  addAddress(middle, ends.b, textOf(version, net, middleHost), version);
  addRoute(own);
  return own;
}

function textOf(version: 4 | 6, net: number, host: number): string {
  return version === 4 ? `10.${net}.0.${host}` : `fd00:${net}::${host.toString(16)}`;
}

/** At the start nobody else can have it. */
function addAddress(host: string, end: string, address: string, version: 4 | 6): void {
  const [bits, ...flags] = version === 4 ? ['24'] : ['64', 'nodad'];
  inside(host, 'ip', 'address', 'add', `${address}/${bits}`, 'dev', end, ...flags);
}

/** Every packet that passes the middle goes through the device of the lab's delay first, which also undoes what GSO joined. */
async function lengthen(stage: Stage, middle: string, ends: readonly string[], way: Way): Promise<void> {
  const { rttMs = 0, lossPercent = 0, version = 4 } = way;
  if (rttMs === 0 && lossPercent === 0) return;
  const delay = join(root, 'dist', 'src', 'cli', 'lab', 'workers', 'delay.js');
  const child = stage.start(process.execPath, [delay, 'long', `${rttMs / 2}`], { namespace: middle });
  await child.line(/^ready/m);
  inside(middle, 'ip', 'link', 'set', 'long', 'up', 'txqueuelen', '10000');
  inside(middle, 'ip', `-${version}`, 'route', 'add', 'default', 'dev', 'long', 'table', '77');
  for (const end of ends) inside(middle, 'ip', `-${version}`, 'rule', 'add', 'iif', end, 'table', '77');
  if (lossPercent === 0) return;
  const nft = (text: string): string => inside(middle, 'nft', ...text.split(' '));
  nft('add table inet lossy');
  nft('add chain inet lossy out { type filter hook forward priority 0 ; }');
  nft(`add rule inet lossy out iifname long numgen random mod 1000 < ${lossPercent * 10} drop`);
}

/** The kernel's queue in front of a link of so many Mbit/s. */
export function limit(host: string, end: string, mbits: number): void {
  const rate = ['rate', `${mbits}mbit`, 'burst', '64kb', 'latency', '20ms'];
  inside(host, 'tc', 'qdisc', 'replace', 'dev', end, 'root', 'tbf', ...rate);
}

/** What was to be seen on a slow way has been seen: what is left of a download may come at once. */
export function widen({ middle, eth, wifi, serverInterface }: Roaming): void {
  for (const { host, name, far } of [eth, wifi, serverInterface]) {
    limit(host, name, 500);
    limit(middle, far, 500);
  }
}

export function addressOf({ version, net }: Interface, host = 1): string {
  return textOf(version, net, host);
}

/**
 * Both hosts lose their link at one moment, and have it again at one moment, at other addresses: in between nothing is heard of
 * either.
 */
export async function moveAtOnce(middle: string, both: readonly Interface[], from: number, to: number): Promise<void> {
  await setCarrier(middle, both, 'down');
  await Promise.all(both.map((own) => replaceAddress(own, from, to)));
  await setCarrier(middle, both, 'up');
}

/** Of what leads to these interfaces, at the middle. */
export function setCarrier(middle: string, those: readonly Interface[], state: 'up' | 'down'): Promise<void> {
  return batch(
    middle,
    4,
    those.map(({ far }) => `link set ${far} ${state}`),
  );
}

/** What a DHCP client does when the lease is gone and there is another. One process, so that little time passes between. */
export function replaceAddress(own: Interface, from: number, to: number): Promise<void> {
  const { host, name, version } = own;
  const bits = version === 4 ? 24 : 64;
  const commands = [
    `address del ${addressOf(own, from)}/${bits} dev ${name}`,
    `address add ${addressOf(own, to)}/${bits} dev ${name}`,
    `route replace ${routeOf(own)}`,
  ];
  return batch(host, version, commands);
}

function batch(host: string, version: 4 | 6, commands: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => (error ? reject(error) : resolve());
    const child = execFile('ip', [`-${version}`, '-netns', host, '-batch', '-'], done);
    child.stdin?.end(`${commands.join('\n')}\n`);
  });
}

export function addRoute(own: Interface): void {
  inside(own.host, 'ip', `-${own.version}`, 'route', 'replace', ...routeOf(own).split(' '));
}

function routeOf({ version, net, name, metric }: Interface): string {
  return `default via ${textOf(version, net, middleHost)} dev ${name} metric ${metric}`;
}

/** No more loss. */
export function mend(middle: string): void {
  inside(middle, 'nft', 'delete', 'table', 'inet', 'lossy');
}

/** Packets that have left by it. */
export function packetsOut({ host, name }: Interface): number {
  return Number(inside(host, 'cat', `/sys/class/net/${name}/statistics/tx_packets`));
}

/** Bytes of IP that have passed it, both ways, without the headers of IPv4 and UDP. */
export function payloadBytes({ host, name }: Interface): number {
  const files = ['bytes', 'packets'].flatMap((what) => [`rx_${what}`, `tx_${what}`]);
  const counts = inside(host, 'cat', ...files.map((file) => `/sys/class/net/${name}/statistics/${file}`));
  const [received = 0, sent = 0, packetsIn = 0, packetsOut = 0] = counts.split('\n').map(Number);
  const headerBytes = 14 + 20 + 8;
  return received + sent - headerBytes * (packetsIn + packetsOut);
}

/** Nothing passes between the interface and the middle any more, and nobody is told. */
export function cut(middle: string, { far }: Interface): void {
  const nft = (text: string): string => inside(middle, 'nft', ...text.split(' '));
  nft('add table inet cut');
  nft('add chain inet cut through { type filter hook forward priority 0 ; }');
  nft(`add rule inet cut through iifname ${far} drop`);
  nft(`add rule inet cut through oifname ${far} drop`);
}

export function uncut(middle: string): void {
  inside(middle, 'nft', 'delete', 'table', 'inet', 'cut');
}

export function setLink({ host, name }: Interface, state: 'up' | 'down'): void {
  inside(host, 'ip', 'link', 'set', name, state);
}

/** A server that sends `mib` MiB to whoever connects, and a client, with `options`, that has received some of it. */
export async function startDownload(
  stage: Stage,
  { client, server }: Roaming,
  mib: number,
  seed: number,
  env: Readonly<Record<string, string>> = {},
  options: object = {},
): Promise<{ client: Peer; server: Peer; connection: number; listener: number }> {
  const serving = await Peer.start(stage, { namespace: server, env });
  const loading = await Peer.start(stage, { namespace: client, env });
  const { server: listener } = await serving.listen('roaming', 'source', { bytes: mib * 2 ** 20, seed });
  const connection = await loading.connect('roaming', options);
  await progress(loading, connection, 1 << 20);
  return { client: loading, server: serving, connection, listener };
}

/** Waits until so many bytes more have arrived. */
export async function progress(peer: Peer, connection: number, bytes: number, deadlineMs = 20_000): Promise<number> {
  const { bytes: before } = await peer.look(connection);
  return until(
    `${bytes} bytes more`,
    async () => {
      const look = await peer.look(connection);
      if (look.error !== undefined) throw new Error(`the connection failed: ${look.error}`);
      return (look.bytes >= before + bytes || look.ended) && look.bytes;
    },
    deadlineMs,
  );
}
