// Forged packets against a live flow, by somebody who knows the flowIDs, nonces and sequence numbers and has no key:
// control packets, data and ACKs with a wrong tag, the tag of another flow, or none. Such a packet changes nothing, and
// the transfer completes. A million of them in a long run (CARACAL_LONG), a tenth of that otherwise.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type FlowId,
  type Random,
  randomBelow,
  randomBytes,
  randomId,
  seededRandom,
} from '../../src/core/base/index.ts';
import {
  ControlFlag,
  challengeBytes,
  emitChallenge,
  emitFinal,
  finalBytes,
  TcpFlag,
} from '../../src/core/wire/index.ts';
import { makeLocator, type Packet, schedule } from '../../src/sim/index.ts';
import { forgeControl, forgeSegment, placeAttacker, spoof, tapAll } from './attackers.ts';
import { type Connection, differences, flatten, isOver, type LiveFlow, openFlow } from './live-flow.ts';
import { readPacket } from './packets.ts';
import { assertIntact, assertNoFlows, runFor, scriptsFor } from './world.ts';

const total = process.env['CARACAL_LONG'] === undefined ? 100_000 : 1_000_000;
const batch = 100;

/** What a forger sees of a flow, of which `side` is the end under attack. */
interface Target {
  readonly side: Connection;
  readonly to: FlowId;
  readonly nonce: FlowId;
  readonly from: FlowId;
}

function targetOf(side: Connection): Target {
  return { side, to: side.localFlow, nonce: side.localNonce, from: side.remoteFlow };
}

/** Sequence number on the wire of what the end under attack waits for next, and of what it has sent. */
function numbersOf({ side }: Target): { seq: number; ack: number } {
  const tcb = side.tcb!;
  return { seq: (tcb.irs + 1 + tcb.rcvNxt) >>> 0, ack: (tcb.iss + 1 + tcb.scoreboard.end) >>> 0 };
}

function finalOf({ side }: Target): Uint8Array {
  const bytes = new Uint8Array(finalBytes);
  emitFinal(new DataView(bytes.buffer), 0, { sentOffset: side.receivedBytes, receivedOffset: side.sentBytes });
  return bytes;
}

function challengeOf(random: Random): Uint8Array {
  const bytes = new Uint8Array(challengeBytes);
  const { hi, lo } = randomId(random);
  emitChallenge(new DataView(bytes.buffer), 0, { direction: 1 + randomBelow(random, 2), tokenHi: hi, tokenLo: lo });
  return bytes;
}

const controlFlags = [ControlFlag.RSYN, ControlFlag.RST, ControlFlag.FIN, ControlFlag.FAIL, ControlFlag.ACK] as const;

/** A control packet with all that a forger can get right; the tag he cannot. */
function someControl(random: Random, target: Target, tag: Uint8Array | undefined): Uint8Array {
  const kind = randomBelow(random, 8);
  const { to, nonce, from } = target;
  if (kind === 6)
    return forgeControl(to, { flags: ControlFlag.ACK, nonce, from, tag, extensions: challengeOf(random) });
  if (kind >= 5) {
    const flags = ControlFlag.FIN | (kind === 7 ? ControlFlag.ACK : 0);
    return forgeControl(to, { flags, nonce, from, tag, extensions: finalOf(target) });
  }
  const flags = controlFlags[kind] ?? ControlFlag.RST;
  return forgeControl(to, { flags, reason: randomBelow(random, 30), nonce, from, tag });
}

/** Data or an ACK in the window, or near it; with the newest timestamps. */
function someSegment(random: Random, target: Target, bytes: number, tag: Uint8Array | undefined): Uint8Array {
  const { seq, ack } = numbersOf(target);
  const spread = randomBelow(random, 200_000) - 20_000;
  const values = {
    seq: (seq + (randomBelow(random, 3) === 0 ? 0 : spread)) >>> 0,
    ack: (ack - randomBelow(random, 100_000)) >>> 0,
    flags: TcpFlag.ACK | (randomBelow(random, 4) === 0 ? TcpFlag.FIN : 0),
    windowRaw: randomBelow(random, 3) === 0 ? 0 : randomBelow(random, 65_536),
    hasTimestamps: true,
    tsval: (target.side.tcb!.tsNewest + randomBelow(random, 1_000_000)) >>> 0,
    tsecr: target.side.tcb!.tsNewest,
  };
  return forgeSegment(target.to, values, randomBytes(random, bytes), { tag });
}

/** Hands packets to the end under attack in one datagram, and asserts that its record did not change but for `may`. */
function strike(flow: LiveFlow, target: Target, packets: readonly Uint8Array[], may: RegExp | undefined): void {
  const host = target.side === flow.clientSide ? flow.world.client : flow.world.server;
  const buffer = new Uint8Array(packets.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of packets) {
    buffer.set(bytes, at);
    at += bytes.length;
  }
  const before = flatten(target.side);
  host.driver.handle({ kind: 'packets', buffer, bytes: at, remote: target.side.peer });
  const changed = differences(before, flatten(target.side)).filter((name) => may === undefined || !may.test(name));
  assert.deepEqual(changed, []);
}

function openTransfer(bytes: number, seed = 1): LiveFlow {
  return openFlow({ delayUs: 5_000, bitsPerSecond: 50e6, queueBytes: 200_000 }, scriptsFor(bytes, bytes), seed);
}

/** Strikes both ends again and again while the transfer runs, then lets it complete. */
function besiege(flow: LiveFlow, count: number, make: (target: Target) => Uint8Array, may?: RegExp): void {
  const targets = [targetOf(flow.clientSide), targetOf(flow.serverSide)];
  for (let done = 0; done < count; done += batch) {
    const target = targets[(done / batch) % 2]!;
    assert.ok(target.side.tcb !== undefined, `over after ${done} packets: ${flow.client.detail}`);
    strike(
      flow,
      target,
      Array.from({ length: batch }, () => make(target)),
      may,
    );
    runFor(flow.world, 500);
  }
  complete(flow);
}

function complete(flow: LiveFlow): void {
  assert.ok(runFor(flow.world, 120_000_000, () => isOver(flow)));
  assertIntact(flow.client);
  assertIntact(flow.listening.accepted[0]);
  assertNoFlows(flow.world);
}

test('forgeries: with a right flowID and a wrong tag nothing changes the state, and the transfer completes', () => {
  const flow = openTransfer(total * 40);
  const random = seededRandom(8);
  besiege(flow, total, (target) => {
    const tag = randomBytes(random, 16);
    const kind = randomBelow(random, 3);
    if (kind === 0) return someControl(random, target, tag);
    return someSegment(random, target, kind === 1 ? 0 : 1 + randomBelow(random, 100), tag);
  });
  const { dropped } = flow.world.server.stack.inspect().counters;
  assert.ok((dropped['not-authentic'] ?? 0) >= total / 2, JSON.stringify(dropped));
});

test('forgeries: the tag of another flow of the same two hosts is worth nothing', () => {
  const flow = openTransfer(2_000_000);
  const other = openTransfer(2_000_000, 2);
  const random = seededRandom(9);
  const { mac } = other.world.client.stack.state.options.primitives;
  besiege(flow, total / 20, (target) => {
    const key = target.side === flow.clientSide ? other.serverSide.keys!.tagKey : other.clientSide.keys!.tagKey;
    const bytes = someControl(random, target, new Uint8Array(16));
    mac.tag(key, bytes, 0, bytes.length, bytes, bytes.length - 16);
    return bytes;
  });
});

test('forgeries: control packets without a tag change nothing, but that the peer is asked once a second', () => {
  const flow = openTransfer(4_000_000);
  const random = seededRandom(10);
  // `hintedUs` and what a probe is made of.
  besiege(flow, total / 10, (target) => someControl(random, target, undefined), /^(hintedUs|ready|tcb\.probeDue)$/);
});

test('forgeries: pure ACKs without a tag acknowledge nothing, close no window and set no clock', () => {
  const flow = openTransfer(4_000_000);
  const random = seededRandom(11);
  // RFC 5961's answers to what is out of the window, ten a second.
  const may = /^(ready|tcb\.(ackNow|challenges|challengeWindowUs|timers\.\w+))$/;
  besiege(flow, total / 10, (target) => someSegment(random, target, 0, undefined), may);
});

test('forgeries: data without a tag is never taken for the stream, nor acknowledged', () => {
  const flow = openTransfer(4_000_000);
  const random = seededRandom(12);
  const may = /^(ready|touched|recordDeadlineUs|recordReadable|distrustUntilUs|reader\.(header|parsed\.\w+)|tcb\..*)$/;
  let acknowledged = 0;
  const targets = [targetOf(flow.clientSide), targetOf(flow.serverSide)];
  for (let i = 0; i < 400; i++) {
    const target = targets[i % 2]!;
    if (target.side.tcb === undefined) break;
    const { rcvAcked, sndUna, maxSndWnd } = target.side.tcb;
    strike(flow, target, [someSegment(random, target, 1 + randomBelow(random, 1_000), undefined)], may);
    assert.deepEqual(
      [target.side.tcb.rcvAcked, target.side.tcb.sndUna, target.side.tcb.maxSndWnd],
      [rcvAcked, sndUna, maxSndWnd],
    );
    acknowledged++;
    runFor(flow.world, 5_000);
  }
  assert.ok(acknowledged > 100);
  complete(flow);
});

test('forgeries: tagged packets repeated in any number, from anywhere, change no byte', () => {
  const flow = openTransfer(4_000_000);
  const { simulation } = flow.world;
  const random = seededRandom(13);
  const old: Packet[] = [];
  tapAll(simulation, ['client>server', 'server>client'], (packet) => {
    if (readPacket(packet.bytes).packet.macOffset !== 0 && old.length < 5_000) old.push(packet);
    return [packet];
  });
  let replayed = 0;
  while (!isOver(flow) && replayed < total / 10) {
    for (let i = 0; i < 20 && old.length > 0; i++) {
      const packet = old[randomBelow(random, old.length)]!;
      const elsewhere = randomBelow(random, 4) === 0 ? makeLocator('198.51.100.9', 9) : packet.source;
      spoof(simulation, flow.attacker, { ...packet, source: elsewhere });
      replayed++;
    }
    runFor(flow.world, 2_000);
  }
  assert.ok(replayed > 1_000);
  complete(flow);
});

/** Seconds that 4 MB take while forged data for what the server waits for comes `rate` times as often as the client's. */
function secondsUnder(rate: number, spreadBytes: number): number {
  const link = { delayUs: 10_000, bitsPerSecond: 20e6, queueBytes: 100_000 };
  const flow = openFlow(link, scriptsFor(4_000_000, 0));
  const { simulation, server } = flow.world;
  const { clock } = simulation;
  placeAttacker(simulation, flow.attacker, 'server', { delayUs: 0 });
  const random = seededRandom(14);
  const payload = randomBytes(random, 1_000);
  const { serverSide } = flow;
  const destination = server.station.seenAs[0]!;
  const forge = () => {
    const { tcb, peer, localFlow } = serverSide;
    if (tcb === undefined) return;
    const seq = (tcb.irs + 1 + tcb.rcvNxt + randomBelow(random, spreadBytes)) >>> 0;
    spoof(simulation, flow.attacker, { source: peer, destination, bytes: forgeSegment(localFlow, { seq }, payload) });
    schedule(clock, clock.nowUs + 440 / rate, forge);
  };
  const startUs = clock.nowUs;
  if (rate > 0) forge();
  complete(flow);
  const closedUs = flow.client.closedUs - startUs;
  return closedUs / 1e6;
}

test('forgeries: a flood of forged data, up to ten for each packet of the sender, slows a flow and does not stop it', () => {
  const undisturbed = secondsUnder(0, 1);
  for (const rate of [0.1, 1, 10])
    for (const spreadBytes of [1, 60_000]) {
      const seconds = secondsUnder(rate, spreadBytes);
      assert.ok(seconds < 3 * undisturbed, `${rate}x, spread ${spreadBytes}: ${seconds} s against ${undisturbed} s`);
    }
});
