// Fuzz target: three live stacks in virtual time. The bytes are what happens to them, one thing after the other: packets are
// delivered, lost, repeated, damaged and made up, time passes, applications open, write, read, end and abort. Then the
// network is left in peace and everything is closed. No stack throws, comes to no rest or asks for one tick for ever;
// data that is sealed or was left alone arrives as it was sent; in the end no flow and no key is left anywhere.

import { strict as assert } from 'node:assert';
import { below, createOperations, more, oneOf, open, take, u8, u16 } from '../operations.ts';
import {
  abort,
  advance,
  createStacks,
  deliver,
  deliverAll,
  dial,
  type End,
  type Flight,
  finish,
  handle,
  isUndisturbed,
  listen,
  locators,
  nextDeadlineUs,
  noteDiversion,
  noteForgery,
  retire,
  type Stacks,
  tick,
  write,
} from '../stacks.ts';

export const maxBytes = 256;
export const stepLimit = 10_000_000;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const choice = u8(operations);
  const stacks = createStacks({ seed: choice >> 3, routed: (choice & 1) === 0, insecure: (choice & 4) !== 0 });
  listen(stacks, stacks.hosts[1]);
  if (choice & 2) begin(stacks);
  while (more(operations)) oneOf(operations, steps)(stacks);
  settle(stacks);
  retire(stacks);
}

const operations = createOperations();
const pausesUs = [100, 1_000, 25_000, 100_000, 300_000, 1_000_000, 5_000_000, 60_000_000];
const wanted = 1 << 30;
/** Longer than any timer of the stack backs off to. */
const patienceUs = 3_600_000_000;
const shortPatienceUs = 30_000_000;
const mostSettleTicks = 5000;
const mostAtOnce = 2000;

const steps = [
  deliverOne,
  deliverOne,
  deliverSome,
  deliverSome,
  lose,
  repeat,
  damage,
  shorten,
  misdeliver,
  inject,
  pause,
  jump,
  jump,
  connect,
  send,
  send,
  read,
  end,
  giveUp,
  relisten,
];

/** A connection that is open, with something on its way: most of what can go wrong comes after that. */
function begin(stacks: Stacks): void {
  deliverAll(stacks, 50);
  dial(stacks, stacks.hosts[0]);
  deliverAll(stacks, 50);
  for (const end of stacks.ends) write(stacks, end, 100);
}

function pick({ flights }: Stacks): number {
  return flights.length === 0 ? -1 : below(operations, flights.length);
}

function deliverOne(stacks: Stacks): void {
  const at = pick(stacks);
  if (at >= 0) deliver(stacks, stacks.flights.splice(at, 1)[0] as Flight);
}

function deliverSome(stacks: Stacks): void {
  deliverAll(stacks, 1 + below(operations, 32));
}

function lose(stacks: Stacks): void {
  const at = pick(stacks);
  if (at >= 0) stacks.flights.splice(at, 1 + below(operations, 4));
}

function repeat({ flights }: Stacks): void {
  if (flights.length > 0) flights.push(oneOf(operations, flights));
}

/** One byte of a packet under way becomes another. */
function damage(stacks: Stacks): void {
  const at = pick(stacks);
  if (at < 0) return;
  const { to, from, bytes } = stacks.flights[at] as Flight;
  const changed = bytes.slice();
  const where = u16(operations) % changed.length;
  changed[where]! ^= u8(operations) || 1;
  stacks.flights[at] = { to, from, bytes: changed };
  noteForgery(stacks);
}

function shorten(stacks: Stacks): void {
  const at = pick(stacks);
  if (at < 0) return;
  const { to, from, bytes } = stacks.flights[at] as Flight;
  stacks.flights[at] = { to, from, bytes: bytes.slice(0, u16(operations) % (bytes.length + 1)) };
  noteForgery(stacks);
}

/** To another host, or as if from another place. */
function misdeliver(stacks: Stacks): void {
  const at = pick(stacks);
  if (at < 0) return;
  const { bytes } = stacks.flights[at] as Flight;
  stacks.flights.push({ to: oneOf(operations, stacks.hosts), from: oneOf(operations, locators), bytes });
  noteDiversion(stacks);
}

function inject(stacks: Stacks): void {
  const to = oneOf(operations, stacks.hosts);
  const from = oneOf(operations, locators);
  const bytes = take(operations, u8(operations)).slice();
  noteForgery(stacks);
  deliver(stacks, { to, from, bytes });
}

function pause(stacks: Stacks): void {
  advance(stacks, stacks.nowUs + oneOf(operations, pausesUs));
}

function jump(stacks: Stacks): void {
  const deadlineUs = nextDeadlineUs(stacks);
  if (deadlineUs !== Infinity) tick(stacks, deadlineUs);
}

function connect(stacks: Stacks): void {
  dial(stacks, oneOf(operations, stacks.hosts));
}

function pickEnd({ ends }: Stacks): End | undefined {
  const live = ends.filter((end) => end.open);
  return live.length === 0 ? undefined : oneOf(operations, live);
}

function send(stacks: Stacks): void {
  const end = pickEnd(stacks);
  if (end !== undefined) write(stacks, end, u8(operations) << (u8(operations) & 4));
}

function read(stacks: Stacks): void {
  const end = pickEnd(stacks);
  if (end !== undefined) handle(stacks, end.host, { kind: 'read', socket: end.socket, bytes: u16(operations) });
}

function end(stacks: Stacks): void {
  const end = pickEnd(stacks);
  if (end !== undefined) finish(stacks, end);
}

function giveUp(stacks: Stacks): void {
  const end = pickEnd(stacks);
  if (end !== undefined && u8(operations) > 100) abort(stacks, end);
}

function relisten(stacks: Stacks): void {
  const host = oneOf(operations, stacks.hosts);
  const [socket] = host.listeners;
  if (socket === undefined) listen(stacks, host);
  else handle(stacks, host, { kind: 'close', socket });
}

/**
 * In peace: everybody reads and ends. Who cannot come to an end aborts: forged bytes are in the way, or the other end gave
 * up, its RST was lost, and there is nothing to send that would draw another.
 */
function settle(stacks: Stacks): void {
  for (const host of stacks.hosts) for (const socket of host.listeners) handle(stacks, host, { kind: 'close', socket });
  for (const end of stacks.ends) if (end.open) drain(stacks, end);
  run(stacks, stacks.nowUs + (stacks.forged && stacks.sheltered.size === 0 ? shortPatienceUs : patienceUs));
  for (const end of stacks.ends) {
    assert.ok(!end.open || !isUndisturbed(stacks, end), 'a connection that nobody disturbs comes to its end');
    if (end.open) abort(stacks, end);
  }
  run(stacks, stacks.nowUs + patienceUs);
  for (const { name, stack } of stacks.hosts) {
    const { flows } = stack.inspect();
    assert.equal(flows.length, 0, `${name}: ${JSON.stringify(flows[0])}`);
  }
  assert.equal(stacks.crypto.keysHeld(), 0, 'no key outlives its flow');
}

function drain(stacks: Stacks, end: End): void {
  handle(stacks, end.host, { kind: 'read', socket: end.socket, bytes: wanted });
  if (!end.ended) finish(stacks, end);
}

/** Until no flow is left, or there was time enough. */
function run(stacks: Stacks, untilUs: number): void {
  for (let ticks = 0; ticks < mostSettleTicks; ticks++) {
    const delivered = deliverAll(stacks, mostAtOnce);
    // Under the null cipher a forged record may leave a stream whose repetitions are refused again and again.
    assert.ok(delivered < mostAtOnce || stacks.forged, 'an exchange at one instant ends');
    if (delivered === mostAtOnce) return;
    for (const end of stacks.ends) if (end.open && !end.ended) drain(stacks, end);
    if (stacks.hosts.every(({ stack }) => stack.state.flows.size === 0)) return;
    const deadlineUs = nextDeadlineUs(stacks);
    if (deadlineUs > untilUs) return;
    tick(stacks, deadlineUs);
  }
}
