import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Locator, makePrefix, type ServiceId, seededRandom } from '../base/index.ts';
import { createServiceTable, dump, insertTarget, lookup } from '../tables/index.ts';
import {
  clearOffers,
  createDiscovery,
  type Discovery,
  discoveryDeadlineUs,
  forgetOffer,
  handleOffer,
  handleWithdraw,
  offerFor,
  pollDiscovery,
  resolve,
} from './discovery.ts';
import { type ControlMessage, createControlMessage, MessageType } from './messages.ts';

const tcp = 6;
const udp = 17;
const ms = 1000;
const name = new Uint8Array(32).fill(5) as ServiceId;
const remote: Locator = { address: Uint8Array.of(192, 0, 2, 9), port: 5000 };

function setUp(maxOffers?: number): Discovery {
  return createDiscovery(createServiceTable(), seededRandom(1), maxOffers);
}

/** Polls through virtual time up to `untilUs`: what was due, and when. */
function run(discovery: Discovery, fromUs: number, untilUs: number): string[] {
  const due: string[] = [];
  const out = createControlMessage();
  for (let nowUs = fromUs; nowUs <= untilUs; nowUs = Math.max(nowUs + 1, discoveryDeadlineUs(discovery)))
    for (let outcome = pollDiscovery(discovery, nowUs, out); outcome; outcome = pollDiscovery(discovery, nowUs, out))
      due.push(`${outcome.kind}@${nowUs / ms}`);
  return due;
}

function offerTo(discovery: Discovery, more: Partial<ControlMessage> = {}): ControlMessage {
  const [resolution] = discovery.pending.values();
  return {
    ...createControlMessage(),
    type: MessageType.OFFER,
    transaction: resolution?.transaction ?? 0,
    instance: { hi: 0, lo: 1 },
    protocol: tcp,
    prefix: makePrefix(name, 224),
    weight: 100,
    priority: 0,
    leaseMs: 5000,
    ...more,
  };
}

describe('ad hoc resolution', () => {
  it('asks four times in half a second, then fails', () => {
    const discovery = setUp();
    assert.equal(resolve(discovery, name, tcp, 0), true);
    assert.equal(resolve(discovery, name, tcp, 0), true);
    assert.deepEqual(run(discovery, 0, 2000 * ms), [
      'solicit@0',
      'solicit@50',
      'solicit@150',
      'solicit@350',
      'failed@500',
    ]);
    assert.equal(discoveryDeadlineUs(discovery), Infinity);
  });

  it('the SOLICIT names service and protocol; the first OFFER opens a window of 5 ms for others', () => {
    const discovery = setUp();
    resolve(discovery, name, tcp, 0);
    const out = createControlMessage();
    pollDiscovery(discovery, 0, out);
    assert.deepEqual([out.type, out.service, out.protocol], [MessageType.SOLICIT, name, tcp]);
    assert.equal(handleOffer(discovery, offerTo(discovery), remote, 2 * ms), true);
    assert.equal(
      handleOffer(discovery, offerTo(discovery, { instance: { hi: 0, lo: 2 } }), { ...remote, port: 6 }, 6 * ms),
      true,
    );
    assert.deepEqual(run(discovery, 6 * ms, 400 * ms), ['resolved@7']);
    const rule = lookup(discovery.table, tcp, name, 0);
    assert.deepEqual(
      rule?.targets.map(({ owner, action, locator }) => [owner, action, locator?.port]),
      [
        ['discovered', 'forward', 5000],
        ['discovered', 'forward', 6],
      ],
    );
  });

  it('an OFFER counts only for our search, this protocol and a prefix that holds the name', () => {
    const discovery = setUp();
    assert.equal(handleOffer(discovery, offerTo(discovery), remote, 0), false);
    resolve(discovery, name, tcp, 0);
    const stranger = makePrefix(new Uint8Array(32).fill(6), 224);
    assert.equal(handleOffer(discovery, offerTo(discovery, { transaction: 1 }), remote, 0), false);
    assert.equal(handleOffer(discovery, offerTo(discovery, { protocol: udp }), remote, 0), false);
    assert.equal(handleOffer(discovery, offerTo(discovery, { prefix: stranger }), remote, 0), false);
    assert.equal(discovery.table.size, 0);
  });

  it('a bind wider than a service is believed for the name alone', () => {
    const discovery = setUp();
    resolve(discovery, name, tcp, 0);
    handleOffer(discovery, offerTo(discovery, { prefix: makePrefix(name, 0) }), remote, 0);
    assert.deepEqual(
      dump(discovery.table).map((rule) => rule.bits),
      [256],
    );
  });

  it('offers expire: not before a second, not after a minute', () => {
    const discovery = setUp();
    resolve(discovery, name, tcp, 0);
    handleOffer(discovery, offerTo(discovery, { leaseMs: 0 }), remote, 0);
    handleOffer(discovery, offerTo(discovery, { instance: { hi: 0, lo: 2 }, leaseMs: 1e9 }), remote, 0);
    run(discovery, 0, 999 * ms);
    assert.equal(lookup(discovery.table, tcp, name, 0)?.targets.length, 2);
    run(discovery, 1000 * ms, 59_999 * ms);
    assert.equal(lookup(discovery.table, tcp, name, 0)?.targets.length, 1);
    run(discovery, 60_000 * ms, 60_000 * ms);
    assert.equal(discovery.table.size, 0);
  });

  it('an instance can withdraw only itself', () => {
    const discovery = setUp();
    resolve(discovery, name, tcp, 0);
    handleOffer(discovery, offerTo(discovery), remote, 0);
    const withdraw = { ...offerTo(discovery), type: MessageType.WITHDRAW };
    assert.equal(handleWithdraw(discovery, withdraw, { ...remote, port: 1 }), false);
    assert.equal(handleWithdraw(discovery, withdraw, { ...remote }), true);
    assert.equal(handleWithdraw(discovery, withdraw, remote), false);
    assert.equal(discovery.table.size, 0);
  });

  it('forgetOffer drops what led to a silent instance, clearOffers everything, static rules stay', () => {
    const discovery = setUp();
    insertTarget(discovery.table, makePrefix(name, 224), {
      owner: 'static',
      instance: { hi: 0, lo: 9 },
      protocol: tcp,
      action: 'forward',
      locator: remote,
    });
    resolve(discovery, name, tcp, 0);
    for (const lo of [1, 2, 3])
      handleOffer(discovery, offerTo(discovery, { instance: { hi: 0, lo } }), { ...remote, port: lo }, 0);
    forgetOffer(discovery, name, udp, { ...remote, port: 2 });
    forgetOffer(discovery, name, tcp, { ...remote, port: 2 });
    const instances = () => lookup(discovery.table, tcp, name, 0)?.targets.map((target) => target.instance.lo);
    assert.deepEqual(instances(), [9, 1, 3]);
    clearOffers(discovery);
    assert.deepEqual(instances(), [9]);
  });

  it('a flood of offers stays within the bound; the newest stay, and the table follows', () => {
    const discovery = setUp(10);
    resolve(discovery, name, tcp, 0);
    for (let lo = 1; lo <= 100; lo++)
      handleOffer(discovery, offerTo(discovery, { instance: { hi: 0, lo } }), remote, lo);
    const kept = lookup(discovery.table, tcp, name, 0)!.targets.map((target) => target.instance.lo);
    assert.deepEqual(kept, [91, 92, 93, 94, 95, 96, 97, 98, 99, 100]);
  });

  it('searches are bounded', () => {
    const discovery = setUp();
    const names = Array.from(
      { length: 1025 },
      (_, i) => Uint8Array.from(name, (byte, at) => (at < 2 ? i >> (8 * at) : byte)) as ServiceId,
    );
    assert.deepEqual(names.map((id) => resolve(discovery, id, tcp, 0)).lastIndexOf(true), 1023);
    assert.equal(resolve(discovery, names[1024]!, tcp, 0), false);
  });

  it('an instance offers what it binds, by protocol, with its weight', () => {
    const table = createServiceTable();
    insertTarget(table, makePrefix(name, 224), {
      owner: 'local',
      instance: { hi: 0, lo: 4 },
      protocol: tcp,
      action: 'demux',
      socket: 3,
      weight: 30,
      priority: 2,
    });
    const solicit = { ...createControlMessage(), transaction: 77, service: name, protocol: tcp };
    const out = createControlMessage();
    assert.equal(offerFor(table, solicit, { hi: 8, lo: 9 }, 5000, out), true);
    assert.deepEqual(
      [out.type, out.transaction, out.instance, out.protocol, out.prefix.bits, out.weight, out.priority, out.leaseMs],
      [MessageType.OFFER, 77, { hi: 8, lo: 9 }, tcp, 224, 30, 2, 5000],
    );
    assert.equal(offerFor(table, { ...solicit, protocol: udp }, { hi: 8, lo: 9 }, 5000, out), false);
    assert.equal(offerFor(table, { ...solicit, service: undefined }, { hi: 8, lo: 9 }, 5000, out), false);
    const stranger = new Uint8Array(32) as ServiceId;
    assert.equal(offerFor(table, { ...solicit, service: stranger }, { hi: 8, lo: 9 }, 5000, out), false);
  });
});
