// Which flows a connection is to have, as far as one end can tell; what both ends make of it is in
// tests/scenario/multipath-interfaces.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCrypto } from '../../crypto/index.ts';
import { type Locator, Reason, seededRandom } from '../base/index.ts';
import { deadlineOf } from '../tables/index.ts';
import { AddressFlag, decodeAddresses, type LocatorEntry, maxAddresses } from '../wire/index.ts';
import { maxSubflows } from './flow-group.ts';
import { beginPaths, lookForPaths, lookSoon } from './paths.ts';
import { timerHandle } from './sockets.ts';
import { createStack } from './stack.ts';
import { type FlowPlan, locatorOf, openFlows, type TestFlows } from './testing/flows.ts';
import type { PathPolicy } from './types.ts';

const never = Number.POSITIVE_INFINITY;

/** The rest of a stack around flows that are open. The client's own are if0, if1, ...: 10.1.0.0 to 10.2.0.0 is the first. */
function open(policy?: PathPolicy, plans: readonly FlowPlan[] = [{}]): TestFlows {
  const flows = openFlows(plans, policy);
  const primitives = {
    ...createCrypto(),
    random: seededRandom(1),
    allocate: (bytes: number) => new Uint8Array(bytes),
    unixSeconds: () => 0,
  };
  const { state } = createStack({
    primitives,
    adHoc: false,
    forwarding: false,
    controller: false,
    leaseUs: 1,
    maxPacketBytes: () => 1_400,
  });
  const { options, limits, flows: table, ...own } = flows.stack;
  Object.assign(flows.stack, state, own);
  const key = primitives.mac.importKey(new Uint8Array(32));
  const { first } = flows.group;
  first.keys = { sealKey: -1, openKey: -1, tagKey: key, verifyKey: key, tagEpoch: 0, verifyEpoch: 0 };
  first.peerProof = { authenticated: true, rootKey: undefined, prefix: undefined, encrypted: true, near: 'elsewhere' };
  first.confirmed = true;
  flows.group.peers = [at(first.peer)];
  return flows;
}

function at(locator: Locator, priority = 0, flags = 0): LocatorEntry {
  return { locator, priority, flags };
}

function text({ address }: Locator): string {
  return address.join('.');
}

/** One more interface of this machine; without a name nobody knows which it is. */
function add({ stack }: TestFlows, link: number, local: Locator, name = `if${link}`): void {
  const interfaces = [...stack.interfaces, ...(name === '' ? [] : [{ name, address: local.address }])];
  Object.assign(stack, { links: [...stack.links, { link, local }], interfaces });
}

/** `LINK>PEER ROLE` of each flow beside those that were open. */
function opened({ group }: TestFlows): string[] {
  const opening = group.subflows.filter(({ connection }) => connection.state === 'SYN-SENT');
  return opening.map(({ connection, role }) => `${connection.link}>${text(connection.peer)} ${role}`);
}

function look(flows: TestFlows): string[] {
  lookForPaths(flows.stack, flows.group);
  return opened(flows);
}

/** Bytes that the first flow was given to send. */
function written({ group }: TestFlows): number {
  return group.first.tcb?.sndEnd ?? 0;
}

test('paths: a flow for each own address that has none, and none twice', () => {
  const flows = open();
  add(flows, 1, locatorOf(1, 1));
  add(flows, 2, locatorOf(3, 2));
  const both = ['1>10.2.0.0 regular', '2>10.2.0.0 regular'];
  assert.deepEqual(look(flows), both);
  assert.deepEqual(look(flows), both);
  assert.deepEqual(
    flows.group.subflows.map(({ pathId, joinNumber, interface: name }) => [pathId, joinNumber, name]),
    [
      [0, 0, ''],
      [1, 1, 'if1'],
      [2, 2, 'if2'],
    ],
  );
});

test('paths: two addresses of one interface are one way; of interfaces that nobody knows, two', () => {
  for (const [name, links] of [
    ['wlan0', 1],
    ['', 2],
  ] as const) {
    const flows = open();
    add(flows, 1, locatorOf(1, 1), name);
    add(flows, 2, locatorOf(1, 2), name);
    assert.equal(look(flows).length, links, name);
  }
  const flows = open();
  add(flows, 1, locatorOf(1, 9), 'if0');
  assert.deepEqual(look(flows), [], 'the first flow goes by that interface');
  Object.assign(flows.stack, { interfaces: [], links: [{ link: 1, local: locatorOf(1, 0) }] });
  assert.deepEqual(look(flows), [], 'the first flow leaves from that address');
});

test('paths: no more than a connection may have', () => {
  const flows = open();
  for (let link = 1; link <= maxSubflows + 3; link++) add(flows, link, locatorOf(1, link));
  look(flows);
  assert.equal(flows.group.subflows.length, maxSubflows);
});

test('paths: only an open connection of an application that asked for it opens flows', () => {
  const flows = open();
  add(flows, 1, locatorOf(1, 1));
  flows.group.first.state = 'FIN-SENT';
  assert.deepEqual(look(flows), []);
  flows.group.first.state = 'ESTABLISHED';
  Object.assign(flows.group, { policy: undefined });
  assert.deepEqual(look(flows), []);
  Object.assign(flows.group, { policy: { mode: 'aggregate' } });
  assert.equal(look(flows).length, 1);
});

test('paths: of the addresses of the other end the nearest by prefix, to the bit, then the one that it prefers', () => {
  const v6 = (last: number): Locator => ({ address: new Uint8Array(16).fill(last, 15).fill(0xfd, 0, 1), port: 1 });
  const loopback: Locator = { address: Uint8Array.of(127, 0, 0, 2), port: 1 };
  const [near, nearer, far] = [locatorOf(8, 1), locatorOf(1, 7), locatorOf(9, 1)];
  for (const [own, peers, peer] of [
    [locatorOf(1, 1), [at(far), at(near), at(nearer)], '10.1.0.7'],
    [locatorOf(1, 1), [at(locatorOf(1, 5)), at(locatorOf(1, 3))], '10.1.0.3'],
    [locatorOf(8, 1), [at(near)], '10.8.0.1'],
    [locatorOf(1, 1), [at(locatorOf(1, 1), 2), at(locatorOf(1, 0), 1)], '10.1.0.1'],
    [locatorOf(1, 1), [at(locatorOf(64, 1), 2), at(locatorOf(96, 1), 1), at(locatorOf(80, 1), 3)], '10.2.0.0'],
    [locatorOf(0x80, 1), [at(locatorOf(2, 0), 3), at(far, 2), at(near, 1)], '10.8.0.1'],
    [locatorOf(1, 1), [], '10.2.0.0'],
    [v6(1), [at(v6(9)), at(near)], v6(9).address.join('.')],
    [v6(1), [at(near)], undefined],
    [loopback, [at(near)], undefined],
    [locatorOf(1, 1), [at(loopback), at(v6(2))], '10.2.0.0'],
  ] as const) {
    const flows = open();
    flows.group.peers = peers;
    add(flows, 1, own);
    const wanted = peer === undefined ? [] : [`1>${peer} regular`];
    assert.deepEqual(look(flows), wanted, `${text(own)} to ${peers.map(({ locator }) => text(locator))}`);
  }
});

test('paths: an address that leads nowhere is no reason to wait for what the other end says', () => {
  const flows = open();
  flows.group.peers = undefined;
  flows.group.askedUs = flows.stack.nowUs;
  add(flows, 1, { address: new Uint8Array(16).fill(0xfd), port: 1 });
  look(flows);
  assert.equal(flows.group.lookUs, never);
});

test('paths: after a failure the next address, and not before its time', () => {
  const flows = open();
  const { stack, group } = flows;
  group.peers = [at(group.first.peer), at(locatorOf(1, 7))];
  add(flows, 1, locatorOf(1, 1));
  const untilUs = stack.nowUs + 5_000;
  group.failures.set(1, { count: 1, untilUs });
  assert.deepEqual(look(flows), []);
  assert.equal(group.lookUs, untilUs);
  stack.nowUs = untilUs;
  assert.deepEqual(look(flows), ['1>10.2.0.0 regular']);
  for (const [count, peer] of [
    [2, '10.1.0.7'],
    [3, '10.2.0.0'],
  ] as const) {
    const later = open();
    later.group.peers = group.peers;
    add(later, 1, locatorOf(1, 1));
    later.group.failures.set(1, { count, untilUs: 0 });
    assert.deepEqual(look(later), [`1>${peer} regular`], `after ${count}`);
  }
});

test('paths: the other end is asked where it is, and joined where it is known to be when it does not say', () => {
  const flows = open();
  const { stack, group } = flows;
  group.peers = undefined;
  add(flows, 1, locatorOf(1, 1));
  beginPaths(stack, flows.subflows[0]!);
  assert.ok(written(flows) > 0, 'it is asked');
  assert.equal(group.lookUs, stack.nowUs);
  assert.deepEqual(group.first.source, locatorOf(1, 0).address);
  assert.deepEqual(look(flows), []);
  assert.equal(group.lookUs, stack.nowUs + 2_000_000);
  stack.nowUs = group.lookUs - 1;
  assert.deepEqual(look(flows), []);
  stack.nowUs++;
  assert.deepEqual(look(flows), ['1>10.2.0.0 regular']);
});

test('paths: in the clear nobody is asked, and nobody is joined before it knows of the opening', () => {
  const flows = open();
  const { stack, group } = flows;
  const { first } = group;
  group.peers = undefined;
  add(flows, 1, locatorOf(1, 1));
  first.peerProof = { ...first.peerProof!, encrypted: false };
  first.confirmed = false;
  beginPaths(stack, flows.subflows[0]!);
  assert.equal(written(flows), 0);
  assert.deepEqual(look(flows), []);
  assert.equal(group.lookUs, stack.nowUs + 20_000, 'again after a round trip');
  first.tcb!.rtt.srttUs = 0;
  look(flows);
  assert.equal(group.lookUs, stack.nowUs + 10_000);
  first.confirmed = true;
  assert.equal(look(flows).length, 1);
});

test('paths: this end tells where it is when it was asked, when that changes, and never of loopback to others', () => {
  const flows = open();
  const { stack, group } = flows;
  const loopback: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: 40_000 };
  const told = (): string[] => (decodeAddresses(group.told) ?? []).map(({ locator }) => text(locator));
  Object.assign(group, { policy: undefined });
  Object.assign(stack, { locals: [locatorOf(1, 0), loopback] });
  look(flows);
  assert.deepEqual([written(flows), told()], [0, []], 'nobody has asked');
  group.tellsPeer = true;
  look(flows);
  assert.deepEqual(told(), ['10.1.0.0']);
  const before = written(flows);
  assert.ok(before > 0);
  look(flows);
  assert.equal(written(flows), before, 'it is told once');
  const many = Array.from({ length: maxAddresses + 4 }, (_, i) => locatorOf(5, i));
  Object.assign(stack, { locals: many });
  look(flows);
  assert.ok(written(flows) > before);
  assert.deepEqual(told(), many.slice(0, maxAddresses).map(text));
  Object.assign(stack, { locals: [loopback] });
  look(flows);
  assert.equal(told().length, maxAddresses, 'no address is no list');
  group.first.peer = loopback;
  look(flows);
  assert.deepEqual(told(), ['127.0.0.1']);
});

test('paths: what a flow is to the others', () => {
  const [if1, if2, if3] = [locatorOf(1, 1), locatorOf(3, 2), locatorOf(4, 3)];
  for (const [title, policy, roles, flags = 0] of [
    ['all at once', { mode: 'aggregate' }, ['regular', 'regular', 'regular']],
    ['backups', { mode: 'backup' }, ['backup', 'backup', 'backup']],
    ['of an address that is a backup', { mode: 'aggregate' }, ['backup', 'backup', 'backup'], AddressFlag.BACKUP],
    ['the best', { mode: 'backup', prefer: ['if2', 'if1'] }, ['backup', 'preferred', 'backup']],
    ['the best that there is', { mode: 'backup', prefer: ['if9', 'if3'] }, ['backup', 'backup', 'preferred']],
    ['the first goes by the best', { mode: 'backup', prefer: ['if0', 'if1'] }, ['backup', 'backup', 'backup']],
    ['none is preferred', { mode: 'backup', prefer: ['if9'] }, ['backup', 'backup', 'backup']],
  ] as const) {
    const flows = open(policy);
    flows.group.peers = [at(flows.group.first.peer, 0, flags)];
    for (const [i, local] of [if1, if2, if3].entries()) add(flows, i + 1, local);
    assert.deepEqual(
      look(flows).map((flow) => flow.split(' ')[1]),
      roles,
      title,
    );
  }
});

test('paths: when a better interface comes, flows are opened anew in their new roles', () => {
  const flows = open({ mode: 'backup', prefer: ['best', 'if1'] }, [{}, { role: 'preferred' }]);
  const { group } = flows;
  const before = flows.subflows[1];
  assert.deepEqual(look(flows), []);
  assert.equal(group.subflows[1], before);
  add(flows, 2, locatorOf(3, 2), 'best');
  for (let i = 0; i < 2; i++)
    assert.deepEqual(look(flows), ['2>10.2.0.0 preferred'], 'by the link that was left none is opened for a second');
  assert.equal(group.subflows.includes(before!), false);
  assert.equal(group.lookUs, flows.stack.nowUs + 1_000_000);
  flows.stack.nowUs = group.lookUs;
  assert.deepEqual(look(flows), ['2>10.2.0.0 preferred', '1>10.2.0.0 backup']);
});

test('paths: neither the first flow, which is the connection, nor one that is not open yet is opened anew', () => {
  const flows = open({ mode: 'backup', prefer: ['best', 'if1'] });
  const { first } = flows.group;
  add(flows, 1, locatorOf(1, 1));
  assert.deepEqual(look(flows), ['1>10.2.0.0 preferred']);
  add(flows, 2, locatorOf(3, 2), 'best');
  assert.deepEqual(look(flows), ['1>10.2.0.0 preferred', '2>10.2.0.0 preferred']);
  first.link = 2;
  look(flows);
  assert.equal(flows.subflows[0]?.connection, first);
});

test('paths: an interface that may carry no more is left, and none is opened by it', () => {
  const mb = 1e6;
  const policy: PathPolicy = { mode: 'aggregate', maxBytes: { if1: 4 * mb } };
  const flows = open(policy, [{}, {}]);
  const second = flows.subflows[1]!;
  look(flows);
  assert.equal(flows.group.subflows.length, 2, 'nothing has passed it');
  assert.equal(second.connection.tcb?.options.receiveBufferBytes, 262_144, 'no more is asked for than may come');
  second.connection.wireBytes = 3.6 * mb;
  look(flows);
  assert.deepEqual(flows.group.subflows.length, 1);
  assert.equal(flows.group.spent.get('if1'), 3.6 * mb);
  flows.stack.nowUs += 60_000_000;
  assert.deepEqual(look(flows), []);
});

test('paths: when the last flow that works may carry no more the connection is over', () => {
  const flows = open({ mode: 'aggregate', maxBytes: { if1: 1 } }, [{}, {}]);
  const { first } = flows.group;
  first.tcb!.state = 'CLOSED';
  flows.subflows[1]!.connection.wireBytes = 1e6;
  look(flows);
  assert.equal(first.over, Reason.TIMED_OUT);
});

test('paths: the first flow goes where another is when its interface may carry no more', () => {
  const flows = open({ mode: 'aggregate', maxBytes: { if0: 1 } }, [{}, {}]);
  const { first, spent } = flows.group;
  first.wireBytes = 1e6;
  look(flows);
  assert.deepEqual([first.link, text(first.peer), spent.get('if0')], [1, '10.2.0.1', 1e6]);
  assert.equal(first.migration?.moves.own.length, 2, 'it is told');
  assert.equal(first.tcb?.frozenAtUs, -1);
});

test('paths: with no other to go to the first flow stands still, once it has asked where the other end is', () => {
  for (const [title, plans] of [
    ['alone', [{}]],
    ['the other is silent', [{}, { suspect: true }]],
  ] as const) {
    const flows = open({ mode: 'aggregate', maxBytes: { if0: 1 } }, plans);
    const { first } = flows.group;
    first.wireBytes = 1e6;
    flows.group.peers = undefined;
    flows.group.askedUs = flows.stack.nowUs;
    look(flows);
    assert.equal(first.tcb?.frozenAtUs, -1, title);
    flows.group.peers = [];
    look(flows);
    assert.deepEqual([first.tcb?.frozenAtUs, first.link], [flows.stack.nowUs, 0], title);
    assert.equal(flows.subflows[0]?.told, 'down');
    const other = flows.subflows[1];
    if (other === undefined) continue;
    other.suspectUs = never;
    look(flows);
    assert.deepEqual([first.tcb?.frozenAtUs, first.link], [-1, 1], 'it goes on');
  }
});

test('paths: something has changed: it is looked soon, but not for a connection that is over', () => {
  for (const state of ['ESTABLISHED', 'CLOSED'] as const) {
    const { stack, group } = open();
    group.first.state = state;
    lookSoon(stack, group);
    assert.equal(group.lookUs, stack.nowUs);
    const due = deadlineOf(stack.timers, timerHandle(stack, group.first));
    assert.equal(due <= stack.nowUs, state === 'ESTABLISHED', state);
    lookForPaths(stack, group);
    assert.equal(group.lookUs, never);
  }
});
