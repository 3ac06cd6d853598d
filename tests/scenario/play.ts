// Plays a plan and judges the outcome: two hosts and a router, every transfer of the plan, then everything closed. What
// must hold is in `judge`: bytes received are the bytes sent, an orderly close means all of them, anything else is a
// typed error, and afterwards neither socket nor flow is left on any host.

import {
  type Crypto,
  Reason,
  randomBelow,
  randomFraction,
  reasonName,
  type ServiceId,
  seededRandom,
  serviceBits,
} from '../../src/core/base/index.ts';
import { labelServiceId, memberServiceId } from '../../src/core/security/index.ts';
import { createStack, type Event, Protocol, type SocketId, type Stack } from '../../src/core/stack/index.ts';
import {
  addHost,
  createPrimitives,
  createSimulation,
  type Ending,
  joinHosts,
  type Link,
  type LinkOptions,
  makeLocator,
  type Packet,
  pathBetween,
  rebind,
  run,
  type SimHost,
  type Simulation,
  schedule,
} from '../../src/sim/index.ts';
import { addAttacker, flipBit, forgeLike, spoof, spoofLater, tapAll } from './attackers.ts';
import { type Endpoint, isIntact, playScript } from './endpoint.ts';
import { type Absence, makeMoveHappen } from './moves.ts';
import {
  type AttackPlan,
  type DialPlan,
  type Disturbance,
  mustBeIntact,
  type Plan,
  type TransferPlan,
} from './plan.ts';
import { crypto } from './world.ts';

export interface Verdict {
  readonly seed: number;
  /** Empty if all held. */
  readonly faults: readonly string[];
  /** Connections by how the client saw them end: `ok`, or a reason. */
  readonly endings: Readonly<Record<string, number>>;
  readonly virtualUs: number;
  readonly packets: number;
  readonly simulation: Simulation;
}

interface Dial {
  readonly plan: DialPlan;
  readonly service: ServiceId;
  readonly mustBeIntact: boolean;
  client: Endpoint | undefined;
  /** One, unless a SYN that was given up had been accepted. */
  readonly accepted: Endpoint[];
}

interface Listening {
  readonly transfer: TransferPlan;
  readonly socket: SocketId;
  readonly dials: readonly Dial[];
  announced: boolean;
  closing: boolean;
  /** Of `closed` or `listen-failed`. */
  reason: Reason | undefined;
}

interface Play {
  readonly plan: Plan;
  readonly simulation: Simulation;
  readonly client: SimHost<Stack>;
  readonly server: SimHost<Stack>;
  readonly router: SimHost<Stack>;
  readonly listening: Listening[];
  readonly absences: Absence[];
  disturbed: boolean;
}

/** Longer than any timeout of the stack or of the plan. */
const patienceUs = 4 * 3_600_000_000;
/** After the last close: TIME-WAIT, refusals, the end of leases. */
const settleUs = 120_000_000;

export function playPlan(plan: Plan, keepTrace = false, by: Crypto = crypto): Verdict {
  const play = build(plan, keepTrace, by);
  const faults: string[] = [];
  try {
    playAll(play, faults);
    judge(play, faults);
  } catch (error) {
    // A stack that throws is a fault of its seed, not the end of all runs.
    faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return {
    seed: plan.seed,
    faults,
    endings: countEndings(play),
    virtualUs: play.simulation.clock.nowUs,
    packets: [play.client, play.server, play.router].reduce((sum, { driver }) => sum + driver.counters.packetsSent, 0),
    simulation: play.simulation,
  };
}

function playAll(play: Play, faults: string[]): void {
  for (const transfer of play.plan.transfers) startTransfer(play, transfer);
  expectEnding(
    faults,
    'transfers',
    run(play.simulation, patienceUs, () => isOver(play)),
  );
  for (const listening of play.listening) closeListener(play, listening);
  const closed = () => play.listening.every(({ reason }) => reason !== undefined);
  expectEnding(faults, 'listeners', run(play.simulation, 2 * patienceUs, closed));
  run(play.simulation, play.simulation.clock.nowUs + settleUs);
  if (isOver(play)) return;
  // Accepted of a client that was gone by then: it has to find out alone, and takes as long as TCP does.
  run(play.simulation, 3 * patienceUs, () => isOver(play));
  run(play.simulation, play.simulation.clock.nowUs + settleUs);
}

function build(plan: Plan, keepTrace: boolean, by: Crypto): Play {
  const simulation = createSimulation({ seed: plan.seed, keepTrace, crypto: by });
  const routerLocator = makeLocator('10.0.0.254', 54_324);
  const router = addHost(simulation, {
    name: 'router',
    address: '10.0.0.254',
    port: 54_324,
    options: { forwarding: true, controller: true, adHoc: false, learningUs: 0 },
    createStack,
  });
  const member = (name: 'client' | 'server', address: string) =>
    addHost(simulation, {
      name,
      address,
      ...(plan.coalesceUs[name] === undefined ? {} : { coalesceUs: plan.coalesceUs[name] }),
      // Half of the seeds put connections to rest in every pause.
      options: { router: routerLocator, adHoc: false, restUs: plan.seed % 2 === 0 ? 1_000 : 1_000_000 },
      createStack,
    });
  const client = member('client', '10.0.0.1');
  const server = member('server', '10.0.0.2');
  for (const [a, b] of [
    [client, server],
    [client, router],
    [server, router],
  ] as const)
    joinHosts(simulation, a, b, linkOf(plan, a, b), linkOf(plan, b, a));
  return { plan, simulation, client, server, router, listening: [], absences: [], disturbed: false };
}

function linkOf(plan: Plan, from: SimHost, to: SimHost): Partial<LinkOptions> {
  return plan.links[`${from.name}>${to.name}`] ?? {};
}

function startTransfer(play: Play, transfer: TransferPlan): void {
  const { driver } = play.server;
  const service = labelServiceId(createPrimitives(0), transfer.service);
  const stream = { keepAliveUs: transfer.dials[0]?.server.keepAliveUs ?? 0 };
  const socket = driver.handle({ kind: 'listen', service, bits: serviceBits, protocol: Protocol.TCP, stream });
  const dials = transfer.dials.map((plan, i): Dial => {
    return {
      plan,
      service: memberServiceId(service, i + 1),
      mustBeIntact: mustBeIntact(play.plan, transfer, plan),
      client: undefined,
      accepted: [],
    };
  });
  const listening: Listening = { transfer, socket, dials, announced: false, closing: false, reason: undefined };
  play.listening.push(listening);
  driver.attach(socket, (event) => onListener(play, listening, event));
  for (const dial of dials) if (dial.plan.afterUs < 0) startDial(play, dial);
}

function onListener(play: Play, listening: Listening, event: Event): void {
  if (event.kind === 'connection') accept(play, listening, event);
  else if (event.kind === 'listening') onListening(play, listening);
  else if (event.kind === 'closed') listening.reason = event.reason;
  else if (event.kind === 'listen-failed') {
    listening.reason = event.reason;
    startDials(play, listening);
  }
}

function onListening(play: Play, listening: Listening): void {
  listening.announced = true;
  startDials(play, listening);
  const { closeListenerUs } = listening.transfer;
  if (closeListenerUs === undefined) return;
  const { clock } = play.simulation;
  schedule(clock, clock.nowUs + closeListenerUs, () => closeListener(play, listening));
}

function startDials(play: Play, listening: Listening): void {
  const { clock } = play.simulation;
  for (const dial of listening.dials)
    if (dial.plan.afterUs >= 0) schedule(clock, clock.nowUs + dial.plan.afterUs, () => startDial(play, dial));
}

function startDial(play: Play, dial: Dial): void {
  const { driver } = play.client;
  const { keepAliveUs } = dial.plan.client;
  const { service } = dial;
  const socket = driver.handle({ kind: 'connect', service, protocol: Protocol.TCP, stream: { keepAliveUs } });
  dial.client = playScript(driver, play.simulation.clock, socket, dial.plan.client, false);
}

/** Each dial goes to a member of its own, so that the accepting end knows which script to play. */
function accept(play: Play, listening: Listening, event: Extract<Event, { kind: 'connection' }>): void {
  const dial = listening.dials.find(({ service }) => service.every((byte, i) => byte === event.service[i]));
  if (dial === undefined) throw new Error('a connection to a member that nobody dialled');
  const { driver } = play.server;
  dial.accepted.push(playScript(driver, play.simulation.clock, event.connection, dial.plan.server, true));
  if (play.disturbed) return;
  play.disturbed = true;
  const { clock } = play.simulation;
  for (const disturbance of play.plan.disturbances)
    schedule(clock, clock.nowUs + disturbance.atUs, () => disturb(play, disturbance));
}

function disturb(play: Play, disturbance: Disturbance): void {
  const { network, clock } = play.simulation;
  if (disturbance.kind === 'rebind') {
    rebind(network, play.client.station, [makeLocator('100.64.0.1', 7_000)]);
    return;
  }
  if (disturbance.kind === 'move') return makeMoveHappen(play, disturbance);
  if (disturbance.kind === 'attack') {
    attackPaths(play, disturbance.attack);
    schedule(clock, clock.nowUs + disturbance.lastsUs, () => tapAll(play.simulation, directPaths, undefined));
    return;
  }
  for (const { options } of directLinks(play)) {
    if (disturbance.kind === 'mtu') {
      options.mtuBytes = disturbance.mtuBytes;
      options.reportTooBig = disturbance.reported;
    } else {
      options.up = false;
      schedule(clock, clock.nowUs + disturbance.lastsUs, () => {
        options.up = true;
      });
    }
  }
}

const directPaths = ['client>server', 'server>client'];

/** Somebody between client and server who changes bits past the checksum, repeats packets and adds some of his own. */
function attackPaths({ simulation }: Play, { salt, flip, replay, forge }: AttackPlan): void {
  const random = seededRandom(salt);
  const attacker = addAttacker(simulation);
  const happens = (rate: number) => rate > 0 && randomFraction(random) < rate;
  const old: Packet[] = [];
  tapAll(simulation, directPaths, (packet) => {
    old.push(packet);
    if (happens(replay))
      spoofLater(simulation, attacker, old[randomBelow(random, old.length)] ?? packet, randomBelow(random, 2_000_000));
    if (happens(forge)) spoof(simulation, attacker, { ...packet, bytes: forgeLike(packet.bytes, random) });
    return [happens(flip) ? flipBit(packet, randomBelow(random, packet.bytes.length * 8)) : packet];
  });
}

function directLinks({ simulation }: Play): readonly Link[] {
  const { network } = simulation;
  return [...pathBetween(network, 'client', 'server'), ...pathBetween(network, 'server', 'client')];
}

function closeListener(play: Play, listening: Listening): void {
  if (listening.closing || listening.reason !== undefined) return;
  listening.closing = true;
  play.server.driver.handle({ kind: 'close', socket: listening.socket });
}

function dialsOf(play: Play): Dial[] {
  return play.listening.flatMap(({ dials }) => dials);
}

function isOver(play: Play): boolean {
  for (const { dials, announced, reason: listeningEnded } of play.listening) {
    if (!announced && listeningEnded === undefined) return false;
    for (const { client, accepted } of dials) {
      if (client?.reason === undefined) return false;
      for (const { reason } of accepted) if (reason === undefined) return false;
    }
  }
  return true;
}

function judge(play: Play, faults: string[]): void {
  for (const listening of play.listening) {
    const { service } = listening.transfer;
    if (listening.reason === undefined) faults.push(`${service}: the listener never closed`);
    if (play.plan.level === 'mild' && !listening.announced) faults.push(`${service}: was not announced`);
    for (const [i, dial] of listening.dials.entries()) judgeDial(`${service}/${i + 1}`, dial, play, faults);
  }
  faults.push(...play.simulation.ledger.violations);
  for (const { name, stack, driver } of [play.client, play.server, play.router]) {
    const flows = stack.inspect().flows;
    if (flows.length > 0) faults.push(`${name}: ${flows.length} flows leaked, the first ${JSON.stringify(flows[0])}`);
    if (driver.listeners.size > 0) faults.push(`${name}: ${driver.listeners.size} sockets never closed`);
    if (driver.counters.unheard > 0) faults.push(`${name}: ${driver.counters.unheard} events of unknown sockets`);
  }
}

function judgeDial(name: string, dial: Dial, play: Play, faults: string[]): void {
  const { client, accepted } = dial;
  if (client === undefined) faults.push(`${name}: never dialled`);
  else judgeEndpoint(`${name} client`, client, faults);
  for (const endpoint of accepted) judgeEndpoint(`${name} server`, endpoint, faults);
  if (accepted.filter(({ reason }) => reason === Reason.OK).length > 1) faults.push(`${name}: served twice`);
  // The client was elsewhere, or its NAT's mapping was, before its ACK had arrived: the server has no keys yet to be found by.
  const moved = play.plan.disturbances.some(({ kind }) => kind === 'move' || kind === 'rebind');
  const missed = accepted.length === 0 && moved;
  if (!dial.mustBeIntact || missed || wasUnheard(dial, play)) return;
  const [server] = accepted;
  for (const [end, endpoint, peer] of [
    ['client', client, server],
    ['server', server, client],
  ] as const)
    if (endpoint === undefined || !(isIntact(endpoint) || wasLeft(endpoint, peer, play)))
      faults.push(`${name} ${end}: not intact (${tell(endpoint)})`);
}

/**
 * Everything was told and received, and the other end has closed in order; only its last word was lost, and then one of them
 * moved while the other had got another mapping: whoever is gone looks for nobody, and TCP, too, would report a timeout.
 */
function wasLeft(
  { reason, remoteEnd, sentBytes, script }: Endpoint,
  peer: Endpoint | undefined,
  { plan }: Play,
): boolean {
  const bothMoved = ['move', 'rebind'].every((kind) =>
    plan.disturbances.some((disturbance) => disturbance.kind === kind),
  );
  const allSent = sentBytes === script.sendBytes;
  return bothMoved && reason === Reason.TIMED_OUT && remoteEnd && allSent && peer !== undefined && isIntact(peer);
}

/** An end that was for three heartbeats where neither the other end nor the router hears it is given up: that is promised. */
function wasUnheard({ client, accepted }: Dial, { plan, absences }: Play): boolean {
  const nowhere = plan.disturbances.some((disturbance) => disturbance.kind === 'move' && disturbance.dead);
  const gaveUp = (endpoint: Endpoint | undefined, who: Absence['who']): boolean => {
    if (endpoint?.reason !== Reason.PEER_LOST || !endpoint.detail.includes('the router has not')) return false;
    return nowhere || absences.some((absence) => absence.who === who && explains(absence, endpoint.closedUs));
  };
  return gaveUp(client, 'server') || accepted.some((endpoint) => gaveUp(endpoint, 'client'));
}

/** It lasted as long as a flow has to see silence for itself, and was not long over. */
function explains({ fromUs, untilUs }: Absence, closedUs: number): boolean {
  const leastUs = 1_000_000;
  return Math.min(untilUs, closedUs) - fromUs >= leastUs && untilUs >= closedUs - leastUs;
}

/** What only a peer that breaks the rules can bring about, or a copy of one. Nobody on the path can. */
const dishonest: readonly Reason[] = [Reason.BAD_RECORD, Reason.MISBEHAVING, Reason.SUPERSEDED];

function judgeEndpoint(name: string, endpoint: Endpoint, faults: string[]): void {
  const { script, reason, receivedBytes, wrongAt, remoteEnd } = endpoint;
  const whole = receivedBytes === script.receiveBytes;
  if (wrongAt !== -1) faults.push(`${name}: wrong content at byte ${wrongAt}`);
  if (receivedBytes > script.receiveBytes) faults.push(`${name}: more than was sent (${tell(endpoint)})`);
  if (reason === undefined) faults.push(`${name}: stuck (${tell(endpoint)})`);
  else if (reasonName(reason).startsWith('reason-')) faults.push(`${name}: closed for no known reason, ${reason}`);
  else if (dishonest.includes(reason)) faults.push(`${name}: blamed an honest peer (${tell(endpoint)})`);
  if (remoteEnd && !whole) faults.push(`${name}: told of an end before all was received (${tell(endpoint)})`);
  // Who aborts after both ends have ended in order has thrown away what it had not read.
  if (reason === Reason.OK && !isIntact(endpoint) && !endpoint.aborted)
    faults.push(`${name}: closed in order, not whole (${tell(endpoint)})`);
}

function tell(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return 'never there';
  const { script, sentBytes, receivedBytes, reason, detail, remoteEnd } = endpoint;
  const why = reason === undefined ? 'open' : `${reasonName(reason)} ${detail}`.trim();
  const end = remoteEnd ? ', then the end' : '';
  return `${why}; sent ${sentBytes}/${script.sendBytes}, received ${receivedBytes}/${script.receiveBytes}${end}`;
}

function countEndings(play: Play): Record<string, number> {
  const endings: Record<string, number> = {};
  for (const { client } of dialsOf(play)) {
    const name = client?.reason === undefined ? 'stuck' : reasonName(client.reason);
    endings[name] = (endings[name] ?? 0) + 1;
  }
  return endings;
}

function expectEnding(faults: string[], what: string, ending: Ending): void {
  if (ending !== 'condition') faults.push(`${what}: the run ended by ${ending}, not because all were closed`);
}
