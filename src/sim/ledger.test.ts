import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  baseHeaderBytes,
  ControlFlag,
  challengeBytes,
  controlBytes,
  Direction,
  emitBase,
  emitChallenge,
  emitControl,
} from '../core/wire/index.ts';
import { createClock, step } from './clock.ts';
import { makeLocator } from './host.ts';
import { followBytes, type Ledger } from './ledger.ts';
import {
  attachStation,
  createNetwork,
  inject,
  moveStation,
  type Network,
  type Station,
  send,
  setTap,
} from './network.ts';

interface Bench {
  readonly network: Network;
  readonly ledger: Ledger;
  readonly host: Station;
  readonly stranger: Station;
}

function createBench(): Bench {
  const network = createNetwork(createClock(), 1);
  const ledger = followBytes(network);
  const station = (name: string, address: string): Station => {
    const locals = [makeLocator(address, 7)];
    const made: Station = { name, segment: 'lan', locals, seenAs: locals, receive() {}, tooBig() {} };
    attachStation(network, made);
    return made;
  };
  const bench = { network, ledger, host: station('host', '10.0.0.1'), stranger: station('stranger', '10.0.0.2') };
  ledger.exempt.add('stranger');
  return bench;
}

/** A packet of flow 1:2, of `bytes` in all. */
function packetOf(bytes: number): Uint8Array {
  const packet = new Uint8Array(bytes);
  emitBase(new DataView(packet.buffer), 0, baseHeaderBytes, 6, bytes, 1, 2);
  return packet;
}

function failOf(): Uint8Array {
  const packet = new Uint8Array(baseHeaderBytes + controlBytes);
  const view = new DataView(packet.buffer);
  emitBase(view, 0, packet.length, 0, packet.length, 1, 2);
  const ids = { nonceHi: 3, nonceLo: 4, flowHi: 0, flowLo: 0 };
  emitControl(view, baseHeaderBytes, { flags: ControlFlag.FAIL, reason: 1, attempt: 0, options: 0, ...ids });
  return packet;
}

function challengeOf(direction: number): Uint8Array {
  const packet = new Uint8Array(baseHeaderBytes + challengeBytes);
  const view = new DataView(packet.buffer);
  emitBase(view, 0, packet.length, 0, packet.length, 1, 2);
  emitChallenge(view, baseHeaderBytes, { direction, tokenHi: 5, tokenLo: 6 });
  return packet;
}

/** The stranger to the host, and back. */
function ask({ network, host, stranger }: Bench, bytes: Uint8Array): void {
  send(network, stranger, host.locals[0]!, bytes);
  while (step(network.clock));
}

function answer({ network, host, stranger }: Bench, bytes: Uint8Array): void {
  send(network, host, stranger.locals[0]!, bytes);
  while (step(network.clock));
}

test('ledger: three bytes for one are allowed to an unproven address, one more is told', () => {
  const bench = createBench();
  ask(bench, packetOf(100));
  answer(bench, packetOf(300));
  assert.deepEqual(bench.ledger.violations, []);
  answer(bench, packetOf(20));
  assert.deepEqual(bench.ledger.violations, ['host to 10.0.0.2:7: 320 bytes to an unproven address that sent 100']);
});

test('ledger: an address that repeats its token is proven, another that shows it is not', () => {
  const bench = createBench();
  answer(bench, challengeOf(Direction.REQUEST));
  bench.ledger.violations.length = 0;
  const { network, host, stranger } = bench;
  const elsewhere = makeLocator('10.0.0.9', 7);
  const response = challengeOf(Direction.RESPONSE);
  inject(network, stranger, { source: elsewhere, destination: host.locals[0]!, bytes: response });
  while (step(network.clock));
  send(network, host, elsewhere, packetOf(1_000));
  assert.equal(bench.ledger.violations.length, 1);
  ask(bench, response);
  answer(bench, packetOf(10_000));
  assert.equal(bench.ledger.violations.length, 1);
});

test('ledger: an error answers one packet that was none, and weighs no more', () => {
  const bench = createBench();
  ask(bench, packetOf(100));
  answer(bench, failOf());
  assert.deepEqual(bench.ledger.violations, []);
  answer(bench, failOf());
  assert.deepEqual(bench.ledger.violations, ['host to 10.0.0.2:7: 2 errors and answers to 1 questions']);
  const other = createBench();
  ask(other, failOf());
  answer(other, failOf());
  assert.equal(other.ledger.violations[0], 'host to 10.0.0.2:7: 1 errors and answers to 0 questions');
});

test('ledger: what somebody on the path made of a packet is not charged to its sender, wherever it ends', () => {
  const { network, ledger, host, stranger } = createBench();
  setTap(network, 'host', 'stranger', (packet) => [{ ...packet, bytes: packet.bytes.slice() }]);
  send(network, stranger, makeLocator('10.0.0.1', 7), packetOf(100));
  while (step(network.clock));
  send(network, host, makeLocator('10.0.0.2', 7), packetOf(300));
  // On its way when the stranger goes.
  moveStation(network, stranger, [makeLocator('10.0.0.3', 7)]);
  while (step(network.clock));
  assert.deepEqual(ledger.violations, []);
  assert.equal(ledger.accounts.get('host')?.get('10.0.0.2:7')?.sentBytes, 300);
});
