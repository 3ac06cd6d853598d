// Who receives what: unicast, multicast within a segment, paths of several links, moves and NAT rebinding. The stations
// here only write down what reaches them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLocator, multicastLocator } from '../core/base/index.ts';
import { createClock, step } from './clock.ts';
import { makeLocator } from './host.ts';
import {
  addLink,
  attachStation,
  createNetwork,
  detachStation,
  inject,
  moveStation,
  type Network,
  rebind,
  type Station,
  send,
  setPath,
  setTap,
} from './network.ts';

interface Recorder extends Station {
  readonly heard: string[];
  readonly refused: number[];
}

function addStation(network: Network, name: string, address: string, segment = 'lan'): Recorder {
  const locals = [makeLocator(address, 4000)];
  const heard: string[] = [];
  const refused: number[] = [];
  const station: Recorder = {
    name,
    segment,
    locals,
    seenAs: locals,
    heard,
    refused,
    receive: ({ source, bytes }) =>
      void heard.push(`${formatLocator(source)} ${bytes.length} at ${network.clock.nowUs}`),
    tooBig: (_remote, mtuBytes) => void refused.push(mtuBytes),
  };
  attachStation(network, station);
  return station;
}

function settle(network: Network): void {
  while (step(network.clock));
}

function twoStations() {
  const network = createNetwork(createClock(), 1, { delayUs: 10 });
  return { network, a: addStation(network, 'a', '10.0.0.1'), b: addStation(network, 'b', '10.0.0.2') };
}

test('network: a packet reaches the station at its destination, with the source it is seen under', () => {
  const { network, a, b } = twoStations();
  send(network, a, makeLocator('10.0.0.2', 4000), new Uint8Array(7));
  send(network, a, makeLocator('10.0.0.2', 4001), new Uint8Array(8));
  settle(network);
  assert.deepEqual(b.heard, ['10.0.0.1:4000 7 at 10']);
  assert.equal(network.unreachable, 1);
});

test('network: what is sent is a copy, and a station may send to itself', () => {
  const { network, a, b } = twoStations();
  const buffer = Uint8Array.of(1, 2, 3);
  let seen = '';
  b.receive = ({ bytes }) => {
    seen = bytes.join();
  };
  send(network, a, b.locals[0]!, buffer);
  buffer.fill(9);
  send(network, a, a.locals[0]!, buffer);
  settle(network);
  assert.equal(seen, '1,2,3');
  assert.deepEqual(a.heard, ['10.0.0.1:4000 3 at 0']);
});

test('network: multicast reaches the segment, neither the sender nor other segments', () => {
  const { network, a, b } = twoStations();
  const c = addStation(network, 'c', '10.0.0.3');
  const far = addStation(network, 'far', '10.0.1.1', 'elsewhere');
  send(network, a, multicastLocator, new Uint8Array(5));
  settle(network);
  assert.deepEqual([a.heard.length, b.heard.length, c.heard.length, far.heard.length], [0, 1, 1, 0]);
});

test('network: a path of links adds their delays, and its narrowest link reports what is too big', () => {
  const { network, a, b } = twoStations();
  const wide = addLink(network, { delayUs: 30 });
  const narrow = addLink(network, { delayUs: 50, mtuBytes: 1300, reportTooBig: true });
  setPath(network, 'a', 'b', [wide, narrow]);
  send(network, a, b.locals[0]!, new Uint8Array(1300));
  send(network, a, b.locals[0]!, new Uint8Array(1301));
  settle(network);
  assert.deepEqual(b.heard, ['10.0.0.1:4000 1300 at 80']);
  assert.deepEqual(a.refused, [1300]);
  assert.equal(narrow.counters.fates['too-big'], 1);
});

test('network: after a rebinding the peer sees another source, and the old mapping leads nowhere', () => {
  const { network, a, b } = twoStations();
  rebind(network, a, [makeLocator('198.51.100.9', 7)]);
  send(network, a, b.locals[0]!, new Uint8Array(1));
  send(network, b, makeLocator('198.51.100.9', 7), new Uint8Array(2));
  send(network, b, makeLocator('10.0.0.1', 4000), new Uint8Array(3));
  settle(network);
  assert.deepEqual(b.heard, ['198.51.100.9:7 1 at 10']);
  assert.deepEqual(a.heard, ['10.0.0.2:4000 2 at 10']);
  assert.deepEqual(a.locals, [makeLocator('10.0.0.1', 4000)]);
});

test('network: packets under way to a station that moves or dies are lost', () => {
  const { network, a, b } = twoStations();
  send(network, a, b.locals[0]!, new Uint8Array(1));
  moveStation(network, b, [makeLocator('10.0.0.22', 4000)]);
  settle(network);
  send(network, a, b.locals[0]!, new Uint8Array(2));
  detachStation(network, b);
  settle(network);
  assert.deepEqual(b.heard, []);
  assert.equal(network.unreachable, 2);
});

test('network: a tap sees each packet of its path and decides what goes on; what is injected passes it by', () => {
  const network = createNetwork(createClock(), 1);
  const [a, b, c] = [1, 2, 3].map((i) => addStation(network, `n${i}`, `10.0.0.${i}`)) as [Recorder, Recorder, Recorder];
  const [from, to] = [a.locals[0]!, b.locals[0]!];
  let seen = 0;
  setTap(network, 'n1', 'n2', (packet) => {
    seen++;
    const longer = { ...packet, bytes: new Uint8Array(packet.bytes.length + 1) };
    return packet.bytes.length > 10 ? [] : [packet, longer];
  });
  send(network, a, to, new Uint8Array(5));
  send(network, a, to, new Uint8Array(50));
  send(network, c, to, new Uint8Array(70));
  inject(network, c, { source: from, destination: to, bytes: new Uint8Array(60) });
  while (step(network.clock));
  const at = 'at 1000';
  assert.deepEqual(b.heard, [
    `10.0.0.1:4000 5 ${at}`,
    `10.0.0.1:4000 6 ${at}`,
    `10.0.0.3:4000 70 ${at}`,
    `10.0.0.1:4000 60 ${at}`,
  ]);
  setTap(network, 'n1', 'n2', undefined);
  send(network, a, to, new Uint8Array(50));
  while (step(network.clock));
  assert.deepEqual([seen, b.heard.length], [2, 5]);
});
