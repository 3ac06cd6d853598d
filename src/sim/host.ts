// A simulated host: a stack with seeded randomness, a station on the network and the driver between them. Two stacks on
// one machine are two hosts with the same address and different ports, as two processes would be.

import { type Crypto, type Locator, type Primitives, seededRandom } from '../core/base/index.ts';
import { defaultLeaseUs, type StackOptions } from '../core/stack/index.ts';
import { createCrypto } from '../crypto/index.ts';
import { createDriver, type DrivenStack, type SimDriver } from './driver.ts';
import { attachStation, moveStation, type Network, type Station, setLinkAddress } from './network.ts';

export interface HostOptions<S extends DrivenStack> {
  readonly name: string;
  /** `10.0.0.1`. */
  readonly address: string;
  /** 40000 unless given. */
  readonly port?: number;
  /** Who hears its multicast: `lan` unless given. */
  readonly segment?: string;
  /** Largest packet of its own interface, IP and UDP headers not counted; 1472 unless given. */
  readonly linkBytes?: number;
  readonly coalesceUs?: number;
  /** Of the stack; what is missing is a host without router, in ad hoc mode, with leases of 5 s. */
  readonly options?: Partial<Omit<StackOptions, 'primitives' | 'maxPacketBytes'>>;
  readonly createStack: (options: StackOptions) => S;
}

export interface SimHost<S extends DrivenStack = DrivenStack> {
  readonly name: string;
  readonly station: Station;
  readonly driver: SimDriver;
  readonly stack: S;
}

export function createHost<S extends DrivenStack>(
  network: Network,
  options: HostOptions<S>,
  crypto: Crypto | undefined,
): SimHost<S> {
  const locals = [makeLocator(options.address, options.port ?? 40_000)];
  const linkBytes = options.linkBytes ?? 1_472;
  const stack = options.createStack({
    adHoc: true,
    forwarding: false,
    controller: false,
    leaseUs: defaultLeaseUs,
    ...options.options,
    primitives: createPrimitives(network.random.uint32(), () => network.clock.nowUs, crypto),
    maxPacketBytes: () => linkBytes,
  });
  let driver: SimDriver | undefined;
  const station: Station = {
    name: options.name,
    segment: options.segment ?? 'lan',
    locals,
    seenAs: locals,
    links: new Map(),
    receive: (packet) => driver?.receive(packet),
    tooBig: (remote, packetBytes) => driver?.handle({ kind: 'too-big', remote, packetBytes }),
  };
  attachStation(network, station);
  driver = createDriver(network, station, stack, { coalesceUs: options.coalesceUs });
  return { name: options.name, station, driver, stack };
}

/** The host's interface gets another address, or none: the stack is told, as by a new `bound`. */
export function moveHost(network: Network, host: SimHost, address: string | undefined, port: number): void {
  moveStation(network, host.station, address === undefined ? [] : [makeLocator(address, port)]);
  tellAddresses(host);
}

/** Another link beside link 0, at an address of its own; or it is taken away. */
export function linkHost(network: Network, host: SimHost, link: number, locator: Locator | undefined): void {
  setLinkAddress(network, host.station, link, locator);
  tellAddresses(host);
}

/** Interfaces are called after the links that they have: `if0`, `if1`. */
function tellAddresses({ station, driver }: SimHost): void {
  const links = [...(station.links ?? [])].map(([link, local]) => ({ link, local }));
  const main = station.locals.map((local) => ({ link: 0, local }));
  const interfaces = [...main, ...links].map(({ link, local }) => ({ name: `if${link}`, address: local.address }));
  driver.handle({ kind: 'bound', locals: station.locals, links, interfaces });
}

/** The virtual clock's zero on the calendar. */
export const simulatedEpochSeconds = 1_800_000_000;

/** One for all hosts: it keeps nothing but keys. */
const nodeCrypto = createCrypto();

export function createPrimitives(seed: number, nowUs: () => number = () => 0, crypto: Crypto = nodeCrypto): Primitives {
  return {
    ...crypto,
    random: seededRandom(seed),
    allocate: (bytes) => new Uint8Array(bytes),
    unixSeconds: () => simulatedEpochSeconds + Math.floor(nowUs() / 1e6),
  };
}

/** Throws RangeError for what is not four decimal bytes. */
export function makeLocator(address: string, port: number): Locator {
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255))
    throw new RangeError(`"${address}" is not an IPv4 address`);
  return { address: Uint8Array.from(bytes), port };
}
