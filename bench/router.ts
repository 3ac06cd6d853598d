// The router's rate: first packets in at one socket, out to a next hop, and counted there. The client process makes SYNs
// of 1,100 bytes from several sockets, as several hosts would, and is also the next hop of a static rule, so that a
// packet counts only when it has come back. At most `underWay` are out; after a silence the lost ones are written off.
// An address that has not shown that it receives is asked for a cookie now and then, and shows it. Each SYN is one system
// call: no segmentation offload makes them cheaper than those of as many hosts. Nothing in Node resolves names to live
// instances per packet; the peer is a minimal forwarder in C. The rate is by the processor time of who forwards.

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { formatLocator, type Locator, Reason, randomId, seededRandom } from '../src/core/base/index.ts';
import { labelServiceId } from '../src/core/security/index.ts';
import { createCookie, createPacket, parseCookie, parsePacket, synBytes } from '../src/core/wire/index.ts';
import { Agent } from '../src/index.ts';
import { createLink, createPrimitives, parseAddress, type UdpLink } from '../src/io/index.ts';
import { makeSyn, withCookie } from '../tests/e2e/hostile-packets.ts';
import { type Bench, median, medianFigure, type Options, type Sample } from './bench.ts';
import { forwarders, missingForwarder, startForwarder, teachForwarder } from './forwarder.ts';
import { identify, operatorVariable, routerPidVariable } from './identify.ts';
import { cpuNsOf } from './meter.ts';

const senders = 64;
const underWay = 512;
/** Of this repeat alone: the next hop of the one before is gone. */
const service = `bench-sink-${process.pid}`;
const warmUpMs = 500;
const silenceMs = 20;
/** Where the nonce stands in a SYN: behind base header and the first half of CONTROL. */
const nonceOffset = 24;

export const router: Bench = {
  unit: 'resolutions/CPU-s',
  transports: ['caracal', ...Object.keys(forwarders)],
  ratios: Object.keys(forwarders).map((peer) => ['caracal', peer] as const),
  missing: (transport) => (transport === 'caracal' ? undefined : missingForwarder()),

  /** The router is started for every benchmark; here it is the server. Answers host:port of who forwards, and its process. */
  async server({ name }) {
    const { CARACAL_ROUTER: address = '', [routerPidVariable]: pid } = process.env;
    const forwarder = name === 'caracal' ? { address, pid } : await startForwarder(forwarders[name] ?? 1);
    return `${forwarder.address}#${forwarder.pid}`;
  },

  async client({ name }, text, options) {
    const [address = '', pid] = text.split('#');
    const colon = address.lastIndexOf(':');
    const target = {
      address: parseAddress(address.slice(0, colon)) ?? new Uint8Array(4),
      port: Number(address.slice(colon + 1)),
    };
    let received = 0;
    const sink = await openLink((bytes) => {
      received += bytes / synBytes;
    });
    const next = sinkLocator(sink, address.startsWith('127.'));
    if (name === 'caracal') await addRule(next);
    else await teachForwarder(target, labelServiceId(createPrimitives(), service), next);
    const pump = new SynPump(target);
    const links = await Promise.all(Array.from({ length: senders }, () => pump.open()));
    const sample = await measure(pump, () => received, Number(pid), options);
    await Promise.all([sink, ...links].map((link) => link.close()));
    return sample;
  },

  figures(samples) {
    const ours = samples.get('caracal') ?? [];
    return {
      senders,
      packetBytes: synBytes,
      resolutionsPerSecond: Math.round(median(ours.map(({ value }) => value))),
      byTheClock: Math.round(medianFigure(ours, 'byTheClock')),
      cpu: medianFigure(ours, 'cpu'),
    };
  },
};

/** `cpu`: the share of a core that forwarding took, which tells how busy it was. */
async function measure(pump: SynPump, received: () => number, pid: number, { seconds }: Options): Promise<Sample> {
  await pump.run(Math.min(warmUpMs, seconds * 1000), received);
  const from = { received: received(), at: process.hrtime.bigint(), cpuNs: cpuNsOf(pid) };
  await pump.run(seconds * 1000, received);
  const resolved = received() - from.received;
  const elapsedNs = Number(process.hrtime.bigint() - from.at);
  const cpuNs = cpuNsOf(pid) - from.cpuNs;
  return {
    value: (resolved * 1e9) / cpuNs,
    figures: { byTheClock: (resolved * 1e9) / elapsedNs, cpu: cpuNs / elapsedNs },
  };
}

/** Sends SYNs, each of a flow of its own, as long as fewer than `underWay` are out. */
class SynPump {
  private readonly links: UdpLink[] = [];
  private readonly target: Locator;
  private readonly random = seededRandom(1);
  private readonly syn: Uint8Array;
  private sent = 0;
  private writtenOff = 0;

  constructor(target: Locator) {
    this.target = target;
    const id = labelServiceId(createPrimitives(), service);
    this.syn = makeSyn({ service: id, random: this.random });
  }

  /** One more socket that sends. */
  async open(): Promise<UdpLink> {
    const link = await openLink((bytes, buffer) => {
      const answer = answerTo(this.syn, buffer, bytes);
      if (answer === undefined) return;
      link.sendBuffer.set(answer);
      link.send(link.sendBuffer, synBytes, synBytes, 1, this.target, false);
      link.sendBuffer.set(this.syn);
    });
    link.sendBuffer.set(this.syn);
    this.links.push(link);
    return link;
  }

  async run(ms: number, received: () => number): Promise<void> {
    const until = performance.now() + ms;
    let last = received();
    let lastAt = performance.now();
    for (let now = lastAt; now < until; now = performance.now()) {
      if (received() !== last) {
        last = received();
        lastAt = now;
      } else if (now - lastAt > silenceMs) {
        this.writtenOff = this.sent - last;
        lastAt = now;
      }
      const room = underWay - (this.sent - this.writtenOff - last);
      for (let i = 0; i < Math.min(room, 64); i++) this.send();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private send(): void {
    const link = this.links[this.sent++ % this.links.length];
    if (!link) return;
    const { hi, lo } = randomId(this.random);
    const view = new DataView(link.sendBuffer.buffer, link.sendBuffer.byteOffset);
    view.setUint32(nonceOffset, hi);
    view.setUint32(nonceOffset + 4, lo);
    link.send(link.sendBuffer, synBytes, synBytes, 1, this.target, false);
  }
}

/** `syn` with the nonce and the cookie of the FAIL that it got. */
function answerTo(syn: Uint8Array, buffer: Uint8Array, bytes: number): Uint8Array | undefined {
  const view = new DataView(buffer.buffer, buffer.byteOffset, bytes);
  const packet = createPacket();
  const cookie = createCookie();
  if (parsePacket(view, 0, bytes, packet) !== Reason.OK || packet.cookieOffset === 0) return undefined;
  if (parseCookie(view, packet.cookieOffset, cookie) !== Reason.OK) return undefined;
  const asked = syn.slice();
  asked.set(new Uint8Array(buffer.buffer, buffer.byteOffset + nonceOffset, 8), nonceOffset);
  return withCookie(asked, new Uint8Array(buffer.buffer, buffer.byteOffset + cookie.cookieOffset, cookie.cookieBytes));
}

async function openLink(received: (bytes: number, buffer: Uint8Array) => void): Promise<UdpLink> {
  const link = createLink({
    callbacks: { received: (buffer, bytes) => received(bytes, buffer), drained() {}, writable() {}, unreachable() {} },
  });
  link.ref();
  await link.ready;
  return link;
}

function sinkLocator(link: UdpLink, onLoopback: boolean): Locator {
  const local = link.locals().find(({ address }) => address.length === 4 && (address[0] === 127) === onLoopback);
  if (!local) throw new Error('this host has no IPv4 address to be reached at');
  return local;
}

/** By the router's admin API, which is a service itself; as its operator, who may change it from elsewhere. */
async function addRule(sink: Locator): Promise<void> {
  const seed = Buffer.from(process.env[operatorVariable] ?? '', 'hex');
  const agent = new Agent({ identity: identify(seed).identity });
  const asked = request({ agent, host: 'caracal.router.svc', path: '/v1/rules', method: 'POST' });
  asked.end(JSON.stringify({ prefix: service, action: 'forward', locators: [formatLocator(sink)] }));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  agent.destroy();
  if (response.statusCode !== 201) throw new Error(`the router refused the rule: ${response.statusCode}`);
}
