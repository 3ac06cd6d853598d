// The fabric: stations with locators, and for each ordered pair of them a path of one or more one-way links. It knows
// packets, not stacks. A locator belongs to whoever is seen under it when the packet arrives: after a NAT rebinding or a
// move, packets to the old one reach nobody. Multicast reaches the stations of the sender's segment, each over its path.
// A path that nobody laid is one link made by the network's defaults. An attacker sits on a path as its tap, or sends
// under addresses that are not its own (`inject`). A probe of a port goes the same ways as packets do; the machine of a
// station that died may go on to answer it, as a kernel does whose process was killed.

import {
  formatLocator,
  type Locator,
  multicastLocator,
  noLocator,
  type Random,
  sameLocator,
  seededRandom,
} from '../core/base/index.ts';
import { type Clock, schedule } from './clock.ts';
import { carry, createLink, type Fate, type Link, type LinkOptions, type Packet } from './link.ts';

export interface Station {
  readonly name: string;
  readonly segment: string;
  /** Where it believes to be. */
  locals: readonly Locator[];
  /** Where others see it; differs from `locals` behind a NAT. Same order and families. */
  seenAs: readonly Locator[];
  /** Beside link 0, which has `locals`: the address of each link of its driver. */
  readonly links?: Map<number, Locator>;
  receive(packet: Packet): void;
  /** A link of the path refused a packet to `remote` for its size and said so. */
  tooBig(remote: Locator, mtuBytes: number): void;
}

/** Besides a link's fates: nobody at that locator, or no locator of that family to send from. */
export type Verdict = Fate | 'sent' | 'delivered' | 'unreachable';

/** Sees each packet where a path begins; what it answers goes on instead: nothing, the packet, others. */
export type Tap = (packet: Packet) => readonly Packet[];

export type Observer = (verdict: Verdict, from: string, to: string, packet: Packet) => void;

export interface Network {
  readonly clock: Clock;
  readonly random: Random;
  readonly defaults: Partial<LinkOptions>;
  readonly stations: Map<string, Station>;
  /** By text of the locator seen. */
  readonly seen: Map<string, Station>;
  /** Stations that are gone, by text of the locator, whose machines say so when they are asked. */
  readonly refusing: Map<string, Station>;
  /** By `from>to`, station names. */
  readonly paths: Map<string, readonly Link[]>;
  /** The same by `from>to`, locators: where a station has several ways. */
  readonly ways: Map<string, readonly Link[]>;
  /** By `from>to`. */
  readonly taps: Map<string, Tap>;
  /** What taps sent on in place of packets: the words of whoever sits there. */
  readonly forged: WeakSet<Packet>;
  readonly observers: Observer[];
  unreachable: number;
}

export function createNetwork(clock: Clock, seed: number, defaults: Partial<LinkOptions> = {}): Network {
  return {
    clock,
    random: seededRandom(seed),
    defaults,
    stations: new Map(),
    seen: new Map(),
    refusing: new Map(),
    paths: new Map(),
    ways: new Map(),
    taps: new Map(),
    forged: new WeakSet(),
    observers: [],
    unreachable: 0,
  };
}

/** A link with its own seed, so that traffic on one link does not change what another draws. */
export function addLink(network: Network, options: Partial<LinkOptions> = {}): Link {
  return createLink(seededRandom(network.random.uint32()), { ...network.defaults, ...options });
}

export function attachStation(network: Network, station: Station): void {
  if (network.stations.has(station.name)) throw new Error(`two stations are called ${station.name}`);
  network.stations.set(station.name, station);
  appear(network, station);
}

/** The station is gone: packets to it reach nobody. `refuses`: its machine lives on, as after kill -9, and says so. */
export function detachStation(network: Network, station: Station, refuses = false): void {
  network.stations.delete(station.name);
  forget(network, station);
  if (refuses) for (const locator of locatorsOf(station)) network.refusing.set(formatLocator(locator), station);
}

/** From another port of `from`'s machine: `refused` is called if the machine at `remote` answers that nobody listens there. */
export function probePort(network: Network, from: Station, remote: Locator, link: number, refused: () => void): void {
  const text = formatLocator(remote);
  const to = network.seen.get(text) ?? network.refusing.get(text);
  const source = sourceOf(from, remote, link);
  if (to === undefined || source === undefined || to === from) return;
  const question: Packet = { source, destination: remote, bytes: noise };
  const answer: Packet = { source: remote, destination: source, bytes: icmp };
  travel(network, from, to, question, 0, () => {
    if (network.refusing.get(text) === to) travel(network, to, from, answer, 0, refused);
  });
}

const noise = new Uint8Array(1);
/** As large as such a message is. */
const icmp = new Uint8Array(36);

/** The way of a packet that no station receives. */
function travel(network: Network, from: Station, to: Station, packet: Packet, index: number, arrive: () => void): void {
  const link = pathOf(network, from, to, packet)[index];
  if (link === undefined) arrive();
  else carry(link, network.clock, packet, () => travel(network, from, to, packet, index + 1, arrive));
}

/** New locators; under way packets to the old ones reach nobody. */
export function moveStation(network: Network, station: Station, locals: readonly Locator[], seenAs = locals): void {
  forget(network, station);
  station.locals = locals;
  station.seenAs = seenAs;
  appear(network, station);
}

/** The address of a link beside link 0, or none any more. */
export function setLinkAddress(network: Network, station: Station, link: number, locator: Locator | undefined): void {
  forget(network, station);
  if (locator === undefined) station.links?.delete(link);
  else station.links?.set(link, locator);
  appear(network, station);
}

/** A NAT in front of the station forgets its mapping and makes another: the station itself notices nothing. */
export function rebind(network: Network, station: Station, seenAs: readonly Locator[]): void {
  moveStation(network, station, station.locals, seenAs);
}

/** Lays the path from one station to another; links may be shared between paths. */
export function setPath(network: Network, from: string, to: string, links: readonly Link[]): void {
  network.paths.set(`${from}>${to}`, links);
}

/** Lays the path from one address to another, whatever lies between their stations otherwise. */
export function setWay(network: Network, from: Locator, to: Locator, links: readonly Link[]): void {
  network.ways.set(wayKey(from, to), links);
}

function wayKey(from: Locator, to: Locator): string {
  return `${formatLocator(from)}>${formatLocator(to)}`;
}

export function pathBetween(network: Network, from: string, to: string): readonly Link[] {
  const laid = network.paths.get(`${from}>${to}`);
  if (laid !== undefined) return laid;
  const links = [addLink(network)];
  setPath(network, from, to, links);
  return links;
}

/** Puts a tap on the path, or takes it away. */
export function setTap(network: Network, from: string, to: string, tap: Tap | undefined): void {
  if (tap === undefined) network.taps.delete(`${from}>${to}`);
  else network.taps.set(`${from}>${to}`, tap);
}

/** Sends a packet of whatever source over the paths of `from`: no tap sees it, and no honest station can. */
export function inject(network: Network, from: Station, packet: Packet): void {
  const to = network.seen.get(formatLocator(packet.destination));
  if (to === undefined) network.unreachable++;
  observe(network, to === undefined ? 'unreachable' : 'sent', from.name, to?.name ?? '?', packet);
  if (to !== undefined) hop(network, from, to, packet, 0, network.clock.nowUs);
}

/** Sends a copy of `bytes` by a link of the station. `multicastLocator` is the sender's segment. */
export function send(network: Network, from: Station, destination: Locator, bytes: Uint8Array, link = 0): void {
  const copy = bytes.slice();
  if (!sameLocator(destination, multicastLocator)) {
    sendTo(network, from, destination, copy, link);
    return;
  }
  for (const station of [...network.stations.values()]) {
    const [target] = station.seenAs;
    if (station !== from && station.segment === from.segment && target !== undefined)
      sendTo(network, from, target, copy, 0, true);
  }
}

function sendTo(
  network: Network,
  from: Station,
  destination: Locator,
  bytes: Uint8Array,
  link: number,
  multicast = false,
): void {
  const to = network.seen.get(formatLocator(destination));
  const source = sourceOf(from, destination, link);
  if (to === undefined || source === undefined) {
    network.unreachable++;
    observe(network, 'unreachable', from.name, to?.name ?? '?', { source: source ?? noLocator, destination, bytes });
    return;
  }
  const packet: Packet = { source, destination, bytes, ...(multicast ? { multicast } : {}) };
  observe(network, 'sent', from.name, to.name, packet);
  const { clock } = network;
  if (to === from) schedule(clock, clock.nowUs, () => arrive(network, from, packet));
  else for (const goesOn of tapped(network, from, to, packet)) hop(network, from, to, goesOn, 0, clock.nowUs);
}

/** By link 0 as routes to one's own networks have it: the address with the longest prefix in common. */
function sourceOf(from: Station, { address: to }: Locator, link: number): Locator | undefined {
  if (link !== 0) return from.links?.get(link);
  let best: Locator | undefined;
  let bestBytes = -1;
  for (const candidate of from.seenAs) {
    const { address } = candidate;
    if (address.length !== to.length) continue;
    const differs = address.findIndex((byte, i) => byte !== to[i]);
    const bytes = differs < 0 ? address.length : differs;
    if (bytes > bestBytes) [best, bestBytes] = [candidate, bytes];
  }
  return best;
}

function tapped(network: Network, from: Station, to: Station, packet: Packet): readonly Packet[] {
  const tap = network.taps.size === 0 ? undefined : network.taps.get(`${from.name}>${to.name}`);
  if (tap === undefined) return [packet];
  const goesOn = tap(packet);
  for (const each of goesOn) if (each !== packet) network.forged.add(each);
  return goesOn;
}

function hop(network: Network, from: Station, to: Station, packet: Packet, index: number, startUs: number): void {
  const { clock } = network;
  const link = pathOf(network, from, to, packet)[index];
  if (link === undefined) {
    arrive(network, from, packet);
    return;
  }
  const fate = carry(link, clock, packet, () => hop(network, from, to, packet, index + 1, startUs));
  if (fate === 'carried') return;
  observe(network, fate, from.name, to.name, packet);
  if (fate !== 'too-big' || !link.options.reportTooBig) return;
  const { mtuBytes } = link.options;
  schedule(clock, 2 * clock.nowUs - startUs, () => from.tooBig(packet.destination, mtuBytes));
}

function pathOf(network: Network, from: Station, to: Station, { source, destination }: Packet): readonly Link[] {
  const way = network.ways.size === 0 ? undefined : network.ways.get(wayKey(source, destination));
  return way ?? pathBetween(network, from.name, to.name);
}

function arrive(network: Network, from: Station, packet: Packet): void {
  const station = network.seen.get(formatLocator(packet.destination));
  if (station === undefined) network.unreachable++;
  observe(network, station === undefined ? 'unreachable' : 'delivered', from.name, station?.name ?? '?', packet);
  station?.receive(packet);
}

function observe(network: Network, verdict: Verdict, from: string, to: string, packet: Packet): void {
  for (const observer of network.observers) observer(verdict, from, to, packet);
}

function appear(network: Network, station: Station): void {
  for (const locator of locatorsOf(station)) {
    network.seen.set(formatLocator(locator), station);
    network.refusing.delete(formatLocator(locator));
  }
}

function locatorsOf({ seenAs, links }: Station): Locator[] {
  return links === undefined ? [...seenAs] : [...seenAs, ...links.values()];
}

function forget(network: Network, station: Station): void {
  for (const locator of locatorsOf(station)) {
    const text = formatLocator(locator);
    if (network.seen.get(text) === station) network.seen.delete(text);
  }
}
