// Fuzz target: a sequence of offers, withdrawals, searches and pauses against ad hoc discovery and the search for a
// router. In every state the service table holds exactly the offers that are kept, the bounds hold; a search is over
// within half a second of its start; after a poll nothing is due; only an answer to our own question finds a router.

import { strict as assert } from 'node:assert';
import { type Locator, makePrefix, Reason, type ServiceId, seededRandom } from '../../../src/core/base/index.ts';
import {
  type ControlMessage,
  clearOffers,
  createControlMessage,
  createDiscovery,
  createRouterSearch,
  type Discovery,
  discoveryDeadlineUs,
  forgetOffer,
  handleAdvert,
  handleOffer,
  handleWithdraw,
  MessageType,
  offerFor,
  parseControl,
  pollDiscovery,
  pollRouterSearch,
  type RouterSearch,
  resolve,
  restartRouterSearch,
  routerSearchDeadlineUs,
} from '../../../src/core/control/index.ts';
import { createServiceTable, expiringEntries, findRule, findTarget, lookup } from '../../../src/core/tables/index.ts';
import { createOperations, more, oneOf, open, take, u8 } from '../operations.ts';

export const maxBytes = 512;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const random = seededRandom(u8(operations));
  const discovery = createDiscovery(createServiceTable(), random, mostOffers);
  const world: World = { discovery, search: createRouterSearch(random, 0), nowUs: 0 };
  while (more(operations)) {
    oneOf(operations, steps)(world);
    check(world);
  }
  drain(world);
}

interface World {
  readonly discovery: Discovery;
  readonly search: RouterSearch;
  nowUs: number;
}

const operations = createOperations();
const message = createControlMessage();
const out = createControlMessage();
const mostOffers = 5;
const longestSearchUs = 500_000;
const names = [1, 2, 3].map((first) => new Uint8Array(32).fill(first) as ServiceId);
const lengths = [224, 256, 64, 0, 223];
const protocols = [6, 17];
const places: readonly Locator[] = [
  { address: Uint8Array.of(192, 0, 2, 1), port: 1 },
  { address: Uint8Array.of(192, 0, 2, 1), port: 2 },
  { address: Uint8Array.of(127, 0, 0, 1), port: 1 },
  { address: new Uint8Array(16).fill(3), port: 1 },
];

const steps = [search, search, offer, offer, offer, withdraw, forget, clear, pause, pause, raw, advert, restart];

function search({ discovery, nowUs }: World): void {
  const before = discovery.pending.size;
  assert.ok(resolve(discovery, oneOf(operations, names), oneOf(operations, protocols), nowUs));
  assert.ok(discovery.pending.size - before <= 1);
}

/** Mostly an answer to a search under way. */
function readOffer({ discovery }: World, type: MessageType): ControlMessage {
  const choice = u8(operations);
  const pending = [...discovery.pending.values()];
  message.type = type;
  message.transaction = choice < 240 ? (pending[choice % (pending.length || 1)]?.transaction ?? choice) : choice;
  message.instance = { hi: 0, lo: choice >> 2 };
  message.protocol = oneOf(operations, protocols);
  message.prefix = makePrefix(oneOf(operations, names), oneOf(operations, lengths));
  message.weight = choice & 7;
  message.priority = choice & 1;
  message.leaseMs = u8(operations) * 512;
  return message;
}

function offer(world: World): void {
  takeOffer(world, readOffer(world, MessageType.OFFER), oneOf(operations, places));
}

function takeOffer({ discovery, nowUs }: World, said: ControlMessage, remote: Locator): void {
  const asked = [...discovery.pending.values()].find(({ transaction }) => transaction === said.transaction);
  const taken = handleOffer(discovery, said, remote, nowUs);
  if (!taken) return;
  assert.ok(asked?.offered && asked.protocol === said.protocol);
  assert.ok(lookup(discovery.table, said.protocol, asked.service, 0) !== undefined, 'who answers can be reached');
}

function withdraw(world: World): void {
  const { discovery } = world;
  const before = discovery.offers.slots.size;
  const gone = handleWithdraw(discovery, readOffer(world, MessageType.WITHDRAW), oneOf(operations, places));
  assert.equal(discovery.offers.slots.size, before - (gone ? 1 : 0));
}

function forget({ discovery }: World): void {
  forgetOffer(discovery, oneOf(operations, names), oneOf(operations, protocols), oneOf(operations, places));
}

function clear({ discovery }: World): void {
  clearOffers(discovery);
  assert.equal(discovery.table.size, 0);
}

function pause(world: World): void {
  const step = u8(operations);
  const deadlineUs = Math.min(discoveryDeadlineUs(world.discovery), routerSearchDeadlineUs(world.search));
  if (step < 128 && deadlineUs !== Infinity) world.nowUs = Math.max(world.nowUs, deadlineUs);
  else world.nowUs += step * step * step;
  drain(world);
}

/** Everything that is due, once; whoever was searched for and is not found is told so. */
function drain({ discovery, search, nowUs }: World): void {
  for (let polls = 0; ; polls++) {
    assert.ok(polls < 100, 'polling ends');
    const pending = discovery.pending.size;
    const outcome = pollDiscovery(discovery, nowUs, out);
    if (outcome === undefined) break;
    if (outcome.kind === 'solicit') assert.ok(out.type === MessageType.SOLICIT && out.service !== undefined);
    assert.equal(discovery.pending.size, pending - (outcome.kind === 'solicit' ? 0 : 1));
  }
  assert.ok(discoveryDeadlineUs(discovery) > nowUs);
  for (const { sinceUs } of discovery.pending.values()) assert.ok(nowUs < sinceUs + longestSearchUs);
  while (pollRouterSearch(search, nowUs, out)) assert.equal(out.service, undefined);
  assert.ok(routerSearchDeadlineUs(search) > nowUs);
}

function raw(world: World): void {
  const bytes = take(operations, u8(operations));
  if (parseControl(bytes, 0, bytes.length, message) !== Reason.OK) return;
  const remote = oneOf(operations, places);
  if (message.type === MessageType.OFFER) takeOffer(world, message, remote);
  else if (message.type === MessageType.WITHDRAW) handleWithdraw(world.discovery, message, remote);
  else if (message.type === MessageType.ADVERT) handleAdvert(world.search, message, remote);
  else if (message.type === MessageType.SOLICIT)
    assert.equal(offerFor(world.discovery.table, message, { hi: 1, lo: 1 }, 5000, out), false, 'nothing is bound here');
}

function advert({ search }: World): void {
  const choice = u8(operations);
  message.type = choice < 250 ? MessageType.ADVERT : MessageType.OFFER;
  message.transaction = choice < 200 ? search.transaction : choice;
  const taken = handleAdvert(search, message, oneOf(operations, places));
  if (taken) assert.ok(choice < 200 && search.state === 'found');
}

function restart({ search, nowUs }: World): void {
  restartRouterSearch(search, seededRandom(nowUs), nowUs);
}

function check({ discovery, search }: World): void {
  const { offers, table } = discovery;
  assert.ok(offers.slots.size <= mostOffers);
  let targets = 0;
  for (const rule of table.rules) targets += rule?.targets.length ?? 0;
  assert.equal(targets, offers.slots.size);
  for (const { prefix, instance, protocol } of expiringEntries(offers)) {
    assert.ok(prefix.bits >= 224, 'no offer captures a service system');
    const rule = findRule(table, prefix);
    assert.ok(rule !== undefined && findTarget(rule, 'discovered', instance, protocol) !== undefined);
  }
  assert.equal(search.state === 'found', search.router !== undefined);
}
