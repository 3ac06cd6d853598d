// Failover: a connection is opened on behalf of a lost one, and both ends say where they stand before anything else passes.
// Two round trips after the loss was noticed the streams go on, byte by byte; an instance that does not know what it is
// asked, or says nothing of it, is never taken for one that goes on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reason } from '../../src/core/base/index.ts';
import {
  type Event,
  type PathPolicy,
  Protocol,
  type ResumePoint,
  type SocketId,
  type Stack,
} from '../../src/core/stack/index.ts';
import { joinHosts, type LinkOptions, type SimHost } from '../../src/sim/index.ts';
import { streamBytes } from './endpoint.ts';
import { addMember, createWorld, runFor, service, type World } from './world.ts';

const delayUs = 20_000;
const [upSalt, downSalt] = [1, 2];
const downBytes = 1_500_000;

/** What an instance does with a connection that goes on for another one. */
type Manner = (host: SimHost<Stack>, socket: SocketId, point: ResumePoint | undefined) => void;

interface Client {
  socket: SocketId;
  receivedBytes: number;
  sentBytes: number;
  wrong: boolean;
  ended: boolean;
  lostUs: number;
  /** First byte after the loss. */
  againUs: number;
  answer: ResumePoint | undefined;
  reasons: Reason[];
}

interface Stage {
  readonly world: World;
  readonly instances: SimHost<Stack>[];
  readonly connections: { host: SimHost<Stack>; resuming: boolean }[];
  readonly client: Client;
}

/** Sends the stream from `offset` on, and ends. */
function sendFrom({ driver }: SimHost<Stack>, socket: SocketId, offset: number): () => void {
  let at = offset;
  const more = (): void => {
    while (at < downBytes) {
      const bytes = streamBytes(downSalt, at, Math.min(32_768, downBytes - at));
      const taken = driver.handle({ kind: 'write', socket, bytes, offset: 0 });
      at += taken;
      if (taken < bytes.length) return;
    }
    driver.handle({ kind: 'end', socket });
  };
  more();
  return more;
}

const goesOn: Manner = (host, socket, point) => {
  if (point === undefined) return;
  const { token, receivedBytes, sentBytes } = point;
  const answer = { token, sentBytes: receivedBytes, receivedBytes: sentBytes, keptFrom: receivedBytes };
  assert.equal(host.driver.handle({ kind: 'resume', socket, point: answer }), 1);
  serve(host, socket, receivedBytes);
};

function serve(host: SimHost<Stack>, socket: SocketId, offset: number): void {
  const more = sendFrom(host, socket, offset);
  host.driver.attach(socket, (event) => {
    if (event.kind === 'writable') more();
  });
  host.driver.handle({ kind: 'read', socket, bytes: 1 << 20 });
}

function listen(stage: Stage, host: SimHost<Stack>, manner: Manner): void {
  const { driver } = host;
  const socket = driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  let registered = false;
  driver.attach(socket, (event) => {
    if (event.kind === 'listening') registered = true;
    if (event.kind === 'connection') accept(stage, host, event, manner);
  });
  assert.ok(runFor(stage.world, 5_000_000, () => registered));
}

function accept(
  stage: Stage,
  host: SimHost<Stack>,
  event: Extract<Event, { kind: 'connection' }>,
  manner: Manner,
): void {
  const { connection, resuming } = event;
  stage.connections.push({ host, resuming });
  if (!resuming) return serve(host, connection, 0);
  host.driver.attach(connection, (next) => {
    if (next.kind === 'resumed') manner(host, connection, next.point);
  });
  manner(host, connection, undefined);
}

function start(link: Partial<LinkOptions>, seed: number, manner: Manner): Stage {
  const world = createWorld(link, seed, undefined, false);
  const other = addMember(world.simulation, 'a', '10.0.1.1');
  joinHosts(world.simulation, world.client, other, link);
  const instances = [other, world.server];
  const client: Client = {
    socket: 0,
    receivedBytes: 0,
    sentBytes: 0,
    wrong: false,
    ended: false,
    lostUs: -1,
    againUs: -1,
    answer: undefined,
    reasons: [],
  };
  const stage: Stage = { world, instances, connections: [], client };
  for (const host of instances) listen(stage, host, manner);
  return stage;
}

function dial({ world, client }: Stage, { again = false, paths }: { again?: boolean; paths?: PathPolicy } = {}): void {
  const { driver } = world.client;
  const more = paths === undefined ? {} : { paths };
  const input = { kind: 'connect', service, protocol: Protocol.TCP, resumes: true, ...more } as const;
  const avoid = client.socket;
  const socket = driver.handle(again ? { ...input, resuming: true, avoid } : input);
  client.socket = socket;
  driver.attach(socket, (event) => onClient(world, client, socket, again, event));
}

function onClient(world: World, client: Client, socket: SocketId, again: boolean, event: Event): void {
  const { driver } = world.client;
  const { nowUs } = world.simulation.clock;
  if (event.kind === 'connected') {
    driver.handle({ kind: 'read', socket, bytes: 1 << 30 });
    if (again) tell(world, client, socket);
    const bytes = streamBytes(upSalt, client.sentBytes, 1_000);
    const taken = driver.handle({ kind: 'write', socket, bytes, offset: 0 });
    assert.equal(taken, again ? 0 : 1_000, 'before the instance has answered nothing is taken');
    client.sentBytes += taken;
  } else if (event.kind === 'resumed') client.answer = event.point;
  else if (event.kind === 'data') {
    if (again && client.againUs < 0) client.againUs = nowUs;
    const expected = streamBytes(downSalt, client.receivedBytes, event.bytes.length);
    client.wrong ||= Buffer.compare(event.bytes, expected) !== 0;
    client.receivedBytes += event.bytes.length;
  } else if (event.kind === 'end') {
    client.ended = true;
    driver.handle({ kind: 'end', socket });
  } else if (event.kind === 'closed') {
    client.reasons.push(event.reason);
    if (!again) client.lostUs = nowUs;
  }
}

function tell({ client: { driver } }: World, { sentBytes, receivedBytes }: Client, socket: SocketId): void {
  const point = { sentBytes, receivedBytes, keptFrom: 0, token: Uint8Array.of(1, 2, 3) };
  assert.equal(driver.handle({ kind: 'resume', socket, point }), 1);
  assert.equal(driver.handle({ kind: 'resume', socket, point }), 0, 'said once');
}

/** The instance that serves is killed in the middle, and the client knows it. */
function interrupt(stage: Stage): void {
  const { world, client, connections } = stage;
  dial(stage);
  assert.ok(runFor(world, 60_000_000, () => client.receivedBytes > downBytes / 3));
  connections[0]?.host.driver.kill();
  assert.ok(runFor(world, 60_000_000, () => client.lostUs >= 0));
  assert.deepEqual(client.reasons, [Reason.PEER_LOST]);
}

function complete({ world, client }: Stage): void {
  assert.ok(runFor(world, 120_000_000, () => client.ended || client.reasons.length > 1));
  assert.ok(client.ended, `reasons ${client.reasons}`);
  assert.deepEqual([client.receivedBytes, client.wrong], [downBytes, false]);
}

test('failover: two round trips after the loss was noticed the stream goes on elsewhere, at the next byte', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const stage = start({ delayUs, bitsPerSecond: 50e6 }, seed, goesOn);
    const { client, connections } = stage;
    interrupt(stage);
    const before = client.receivedBytes;
    dial(stage, { again: true });
    complete(stage);
    // And what a packet takes to the router, and data to pass a link.
    const tookUs = client.againUs - client.lostUs;
    assert.ok(tookUs <= 4 * delayUs + 4_000, `seed ${seed}: ${tookUs} us`);
    assert.deepEqual(client.answer, {
      sentBytes: before,
      receivedBytes: 1_000,
      keptFrom: before,
      token: Uint8Array.of(1, 2, 3),
    });
    assert.deepEqual(
      connections.map(({ resuming }) => resuming),
      [false, true],
    );
    assert.notEqual(connections[0]?.host, connections[1]?.host);
  }
});

test('failover: on networks that lose, repeat and reorder, too', () => {
  const link = { delayUs, jitterUs: 5_000, loss: 0.03, duplicate: 0.02 };
  for (let seed = 1; seed <= 8; seed++) {
    const stage = start(link, seed, goesOn);
    interrupt(stage);
    dial(stage, { again: true });
    complete(stage);
  }
});

test('failover: with several flows, too', () => {
  const stage = start({ delayUs }, 3, goesOn);
  interrupt(stage);
  dial(stage, { again: true, paths: { mode: 'aggregate' } });
  complete(stage);
});

const refusals: Record<string, Manner> = {
  'an instance that refuses': (host, socket) => {
    host.driver.handle({ kind: 'abort', socket, reason: Reason.NOT_RESUMED });
  },
  'one that refuses what it has heard': (host, socket, point) => {
    if (point !== undefined) host.driver.handle({ kind: 'abort', socket, reason: Reason.NOT_RESUMED });
  },
};

for (const [who, manner] of Object.entries(refusals))
  test(`failover: ${who} gets no byte, and sends none`, () => {
    for (let seed = 1; seed <= 3; seed++) {
      const stage = start({ delayUs, loss: 0.02 }, seed, manner);
      const { client } = stage;
      interrupt(stage);
      const before = client.receivedBytes;
      dial(stage, { again: true });
      assert.ok(runFor(stage.world, 20_000_000, () => client.reasons.length === 2));
      assert.equal(client.reasons[1], Reason.NOT_RESUMED);
      assert.deepEqual([client.receivedBytes, client.answer], [before, undefined]);
    }
  });

test('failover: what an instance writes before it has answered is not taken', () => {
  const stage = start({ delayUs }, 1, (host, socket, point) => {
    const write = () => host.driver.handle({ kind: 'write', socket, bytes: Uint8Array.of(1), offset: 0 });
    assert.equal(write(), 0);
    goesOn(host, socket, point);
  });
  interrupt(stage);
  dial(stage, { again: true });
  complete(stage);
});

test('failover: an end that says nothing of where it goes on ends the connection', () => {
  for (const silent of ['client', 'instance'] as const) {
    const reasons: Reason[] = [];
    const stage = start({ delayUs }, 2, (host, socket, point) => {
      host.driver.attach(socket, (event) => {
        if (event.kind === 'resumed') assert.equal(silent, 'instance');
        if (event.kind === 'closed') reasons.push(event.reason);
      });
      if (point === undefined && silent === 'instance') forget(host, socket);
    });
    const { world, client } = stage;
    interrupt(stage);
    if (silent === 'instance') dial(stage, { again: true });
    else dialSilently(stage);
    assert.ok(runFor(world, 20_000_000, () => client.reasons.length === 2 && reasons.length === 1));
    assert.deepEqual([reasons[0], client.reasons[1]], [Reason.NOT_RESUMED, Reason.NOT_RESUMED]);
  }
});

/** A stack of another make, that knows nothing of resuming: it writes at once. */
function forget({ driver, stack }: SimHost<Stack>, socket: SocketId): void {
  const connection = stack.state.sockets.get(socket);
  assert.ok(connection?.kind === 'connection');
  connection.resuming = undefined;
  driver.handle({ kind: 'write', socket, bytes: Uint8Array.of(1), offset: 0 });
}

function dialSilently(stage: Stage): void {
  const { world, client } = stage;
  const { driver, stack } = world.client;
  const input = { kind: 'connect', service, protocol: Protocol.TCP, resuming: true, avoid: client.socket } as const;
  const socket = driver.handle(input);
  driver.attach(socket, (event) => {
    if (event.kind === 'closed') client.reasons.push(event.reason);
    if (event.kind === 'connected') forget({ driver, stack } as SimHost<Stack>, socket);
  });
}
