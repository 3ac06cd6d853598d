import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Locator, Reason } from '../base/index.ts';
import {
  createHeartbeat,
  type Heartbeat,
  handleHeartbeatAnswer,
  heartbeatDeadlineUs,
  pollHeartbeat,
} from './heartbeat.ts';
import { type ControlMessage, createControlMessage, MessageType, PeerState } from './messages.ts';
import { nonceFor } from './nonce.ts';
import { wordAbout } from './presence.ts';
import {
  bootNow,
  createRegistrar,
  handleRegistrarReply,
  pollRegistrar,
  type Registrar,
  registerService,
  registrarDeadlineUs,
  setRegistrarRouter,
} from './registration.ts';
import { expireRegistry, handleHeartbeat, pollHeldAnswer, type Registry, registryDeadlineUs } from './registry.ts';
import { listRegistry } from './registry-info.ts';
import {
  at,
  deliver,
  labelPrefix,
  primitives,
  register,
  second,
  setUp,
  tcp,
  unregister,
} from './testing/registering.ts';

const router: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: 54324 };
const home = at(1);
const longLease = { leaseUs: 600 * second };

function heartbeatOf(
  registry: Registry,
  nowUs: number,
  from: Locator,
  values: Partial<ControlMessage>,
): ControlMessage {
  return {
    ...createControlMessage(),
    type: MessageType.HEARTBEAT,
    transaction: 7,
    instance: { hi: 0, lo: 1 },
    boot: { hi: 0, lo: 1 },
    intervalMs: 1000,
    nonce: nonceFor(registry.nonces, from, nowUs),
    ...values,
  };
}

/** What the router finds, whether it says so at once or not. */
function beat(registry: Registry, nowUs: number, from = home, values: Partial<ControlMessage> = {}): ControlMessage {
  return deliver(registry, nowUs, heartbeatOf(registry, nowUs, from, values), from);
}

/** Whether the router answers at once. */
function isAnswered(
  registry: Registry,
  nowUs: number,
  transaction: number,
  values: Partial<ControlMessage> = {},
): boolean {
  const message = heartbeatOf(registry, nowUs, home, { transaction, ...values });
  return handleHeartbeat(registry, message, home, nowUs, createControlMessage());
}

/** The held answers that are due. */
function heldAnswers(registry: Registry, nowUs: number): { remote: Locator; answer: ControlMessage }[] {
  const answers = [];
  for (;;) {
    const answer = createControlMessage();
    const remote = pollHeldAnswer(registry, nowUs, answer);
    if (remote === undefined) return answers;
    answers.push({ remote, answer });
  }
}

function transactions(registry: Registry, nowUs: number): number[] {
  return heldAnswers(registry, nowUs).map(({ answer }) => answer.transaction);
}

function names(registry: Registry, nowUs: number): number {
  expireRegistry(registry, nowUs);
  return listRegistry(registry, nowUs).length;
}

describe('heartbeats, the router', () => {
  it('drops what a silent stack has registered after three intervals, and nothing of one that never sent any', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    register(registry, 0, { sequence: 2, leaseMs: 600_000, prefix: labelPrefix('mail') });
    register(registry, 0, { sequence: 1, leaseMs: 600_000, instance: { hi: 0, lo: 2 } }, at(2));
    for (let i = 0; i < 10; i++)
      assert.deepEqual([beat(registry, i * second).held, names(registry, i * second)], [2, 3]);
    assert.equal(registryDeadlineUs(registry), 12 * second);
    assert.equal(names(registry, 12 * second - 1), 3);
    assert.equal(names(registry, 12 * second), 1);
    assert.equal(registry.counters.silenced, 2);
    assert.equal(listRegistry(registry, 12 * second)[0]?.silentMs, null);
  });

  it('asks for its nonce, and believes nobody without one', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    const answer = beat(registry, 0, home, { nonce: new Uint8Array(16) });
    assert.deepEqual([answer.reason, answer.held], [Reason.NONCE_REQUIRED, 0]);
    assert.deepEqual(answer.nonce, nonceFor(registry.nonces, home, 0));
    assert.equal(beat(registry, 0, at(3), { nonce: answer.nonce }).reason, Reason.NONCE_REQUIRED);
    assert.equal(names(registry, 100 * second), 1);
  });

  it('waits for nobody who has registered nothing', () => {
    const { registry } = setUp();
    assert.deepEqual([beat(registry, 0).reason, beat(registry, 0).held], [Reason.OK, 0]);
    assert.equal(registry.presences.present.slots.size, 0);
  });

  it('lets go of what an earlier process left at the same locator', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 9, boot: 1, leaseMs: 600_000 });
    register(registry, 1, { sequence: 1, boot: 2, leaseMs: 600_000, instance: { hi: 0, lo: 2 } });
    assert.equal(names(registry, 1), 2);
    assert.equal(beat(registry, 2, home, { boot: { hi: 0, lo: 2 } }).held, 1);
    assert.equal(names(registry, 2), 1);
  });

  it('bounds what an instance says of its interval', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    beat(registry, 0, home, { intervalMs: 0 });
    assert.equal(registryDeadlineUs(registry), 0.3 * second);
    beat(registry, 0, home, { intervalMs: 2 ** 32 - 1 });
    assert.equal(registryDeadlineUs(registry), 180 * second);
  });

  it('says of a peer that it is alive, gone or unknown', () => {
    const { registry } = setUp(longLease);
    const word = (nowUs: number, ...locators: Locator[]) => wordAbout(registry.presences, locators, nowUs);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    assert.deepEqual(word(0, home), { state: PeerState.UNKNOWN, silentMs: 0 });
    beat(registry, 0);
    assert.deepEqual(word(second, at(2), home), { state: PeerState.ALIVE, silentMs: 1000 });
    assert.deepEqual(word(2.5 * second, home), { state: PeerState.GONE, silentMs: 2500 });
    assert.equal(names(registry, 3 * second), 0);
    assert.deepEqual(word(10 * second, home), { state: PeerState.GONE, silentMs: 10_000 });
    assert.deepEqual(word(64 * second, home), { state: PeerState.UNKNOWN, silentMs: 0 });
    register(registry, 65 * second, { sequence: 2, leaseMs: 600_000 });
    beat(registry, 65 * second);
    assert.equal(word(65 * second, home).state, PeerState.ALIVE);
  });

  it('does not take a stack for gone that has only taken its names back: it may be draining', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    register(registry, 0, { sequence: 2, leaseMs: 600_000, prefix: labelPrefix('mail') });
    beat(registry, 0);
    unregister(registry, 0, { sequence: 3 });
    assert.equal(wordAbout(registry.presences, [home], 0).state, PeerState.ALIVE);
    unregister(registry, 0, { sequence: 4, prefix: labelPrefix('mail') });
    for (const nowUs of [0, 2.6 * second, 10 * second]) {
      assert.equal(names(registry, nowUs), 0);
      assert.equal(wordAbout(registry.presences, [home], nowUs).state, PeerState.UNKNOWN);
    }
  });
});

describe('heartbeats, held answers', () => {
  it('leave when the interval is over, with how things are then', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    register(registry, 0, { sequence: 2, leaseMs: 600_000, prefix: labelPrefix('mail') });
    assert.equal(isAnswered(registry, 0, 1), true);
    assert.equal(isAnswered(registry, 59.5 * second, 2), true, 'it had fallen silent');
    register(registry, 59.5 * second, { sequence: 3, leaseMs: 600_000 });
    register(registry, 59.5 * second, { sequence: 4, leaseMs: 600_000, prefix: labelPrefix('mail') });
    assert.equal(isAnswered(registry, 59.5 * second, 3), true);
    assert.equal(isAnswered(registry, 59.5 * second, 4), false);
    unregister(registry, 59.6 * second, { sequence: 5 });
    assert.equal(registryDeadlineUs(registry), 60.5 * second);
    assert.deepEqual(heldAnswers(registry, 60.5 * second - 1), []);
    const [{ remote, answer }, ...more] = heldAnswers(registry, 60.5 * second) as [
      { remote: Locator; answer: ControlMessage },
    ];
    assert.deepEqual([remote, more], [home, []]);
    const { type, transaction, reason, held, nonce, boot } = answer;
    assert.deepEqual([type, transaction, reason, held], [MessageType.HEARTBEAT_ANSWER, 4, Reason.OK, 1]);
    assert.deepEqual([nonce, boot], [nonceFor(registry.nonces, home, 60 * second), registry.options.boot]);
    assert.notDeepEqual(nonce, nonceFor(registry.nonces, home, 59 * second));
  });

  it('are for those alone who go on as expected: a newcomer, another process and who has no nonce hear at once', () => {
    const { registry } = setUp(longLease);
    assert.equal(isAnswered(registry, 0, 1), true, 'nothing is registered');
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    assert.equal(isAnswered(registry, 0, 2), true, 'the first');
    assert.equal(isAnswered(registry, 1, 3, { nonce: new Uint8Array(16) }), true);
    register(registry, 2, { sequence: 1, boot: 2, leaseMs: 600_000, instance: { hi: 0, lo: 2 } });
    assert.equal(isAnswered(registry, 3, 4, { boot: { hi: 0, lo: 2 } }), true, 'the first of this process');
    assert.equal(isAnswered(registry, 4, 5, { boot: { hi: 0, lo: 2 } }), false);
  });

  it('are given at once to who repeats the question, also after they left', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    isAnswered(registry, 0, 1);
    assert.equal(isAnswered(registry, 0, 2), false);
    assert.equal(isAnswered(registry, 0.9 * second, 2), true);
    assert.deepEqual(transactions(registry, 2 * second), []);
    assert.equal(isAnswered(registry, 2 * second, 3), false);
    assert.deepEqual(transactions(registry, 3 * second), [3]);
    assert.equal(isAnswered(registry, 3.1 * second, 3), true);
  });

  it('are one a locator: whoever repeats old words between two heartbeats delays no answer', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    isAnswered(registry, 0, 1);
    assert.equal(isAnswered(registry, 0, 2), false);
    assert.equal(isAnswered(registry, 0.5 * second, 1), true);
    assert.equal(registry.presences.held.slots.size, 1);
    assert.deepEqual(transactions(registry, second), [2]);
    assert.equal(isAnswered(registry, second, 1), true);
    assert.equal(isAnswered(registry, second, 3), false);
  });

  it('go with the last registration from there, wherever that went', () => {
    for (const leave of ['unregister', 'move', 'expire'] as const) {
      const { registry } = setUp(longLease);
      register(registry, 0, { sequence: 1, leaseMs: 600_000 });
      isAnswered(registry, 0, 1);
      assert.equal(isAnswered(registry, 0, 2), false);
      if (leave === 'unregister') unregister(registry, 1, { sequence: 2 });
      else if (leave === 'move') register(registry, 1, { sequence: 2, leaseMs: 600_000 }, at(2));
      else expireRegistry(registry, 600 * second);
      assert.deepEqual([...registry.presences.held.slots.keys()], [], leave);
      assert.deepEqual(transactions(registry, 601 * second), []);
    }
  });

  it('leave each at its time, however many are held', () => {
    const { registry } = setUp({ ...longLease, maxPerSender: 20_000 });
    const nameOf = (i: number) => ({ sequence: 1, leaseMs: 600_000, instance: { hi: 1, lo: i } });
    const stacks = Array.from({ length: 1000 }, (_, i) => at(1, 1000 + i));
    for (const [i, from] of stacks.entries()) {
      register(registry, 0, nameOf(i), from);
      beat(registry, 0, from, { transaction: 1 });
    }
    for (const [i, from] of stacks.entries()) beat(registry, i * 1000, from, { transaction: 2 });
    for (const [i, from] of stacks.entries()) {
      assert.equal(registryDeadlineUs(registry), second + i * 1000);
      assert.deepEqual(
        heldAnswers(registry, second + i * 1000).map(({ remote }) => remote),
        [from],
      );
    }
  });
});

interface Instance {
  readonly registrar: Registrar;
  readonly heartbeat: Heartbeat;
  readonly sent: string[];
  /** Its router is one that answers at once. */
  readonly hasty: boolean;
  /** Held answers do not reach it. */
  deaf: boolean;
  /** Turns that its own deadlines made. */
  ticks: number;
}

function createInstance(labels = ['web'], hasty = false): Instance {
  const options = { instance: { hi: 0, lo: 1 }, boot: bootNow(primitives), leaseUs: 600 * second, primitives };
  const registrar = createRegistrar(options);
  for (const label of labels) registerService(registrar, labelPrefix(label), tcp, 100, 0, 0);
  setRegistrarRouter(registrar, router, undefined, 0);
  return { registrar, heartbeat: createHeartbeat(second), sent: [], hasty, deaf: false, ticks: 0 };
}

/** Virtual time up to `untilUs`; `registryAt` says who answers then. Notes each message but registrations that are refreshed. */
function run(instance: Instance, fromUs: number, untilUs: number, registryAt: (nowUs: number) => Registry | undefined) {
  const { registrar, heartbeat, sent } = instance;
  const ownUs = () => Math.min(registrarDeadlineUs(registrar), heartbeatDeadlineUs(heartbeat, registrar));
  const dueUs = (registry: Registry | undefined) =>
    Math.min(ownUs(), registry === undefined ? Infinity : registryDeadlineUs(registry));
  let registry = registryAt(fromUs);
  for (let nowUs = fromUs; nowUs <= untilUs; nowUs = Math.max(nowUs + 1, dueUs(registry))) {
    const out = createControlMessage();
    registry = registryAt(nowUs);
    if (ownUs() <= nowUs) instance.ticks++;
    for (const { answer } of registry === undefined ? [] : heldAnswers(registry, nowUs))
      if (!instance.deaf) handleHeartbeatAnswer(heartbeat, registrar, answer, nowUs);
    while (pollHeartbeat(heartbeat, registrar, nowUs, out)) {
      sent.push(`HEARTBEAT@${Math.round(nowUs / 1000)}`);
      const answer = createControlMessage();
      if (registry !== undefined && (handleHeartbeat(registry, out, home, nowUs, answer) || instance.hasty))
        handleHeartbeatAnswer(heartbeat, registrar, answer, nowUs);
    }
    while (pollRegistrar(registrar, nowUs, out)) {
      sent.push(`REGISTER@${Math.round(nowUs / 1000)}`);
      if (registry) handleRegistrarReply(registrar, deliver(registry, nowUs, { ...out }, home), nowUs);
    }
  }
  return sent.splice(0);
}

describe('heartbeats, the instance', () => {
  it('sends one each interval while the router holds a name, with the nonce that it was given last', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance();
    const sent = run(instance, 0, 10.5 * second, () => registry);
    assert.deepEqual(sent.slice(0, 2), ['REGISTER@0', 'REGISTER@0']);
    assert.deepEqual(
      sent.slice(2),
      Array.from({ length: 11 }, (_, i) => `HEARTBEAT@${i * 1000}`),
    );
    // For the registration, the first heartbeat, and the second one, which follows an answer that was not held.
    assert.equal(instance.ticks, 3);
    // Nonces are renewed by the minute; one that is too old costs one more message.
    const later = run(instance, 10.5 * second, 310 * second, () => registry);
    assert.ok(later.filter((line) => line.startsWith('HEARTBEAT')).length <= 301 + 6);
    assert.equal(names(registry, 310 * second), 1);
  });

  it('sends one each interval also where the router answers at once', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance(['web'], true);
    const sent = run(instance, 0, 10.5 * second, () => registry);
    assert.deepEqual(
      sent.slice(2),
      Array.from({ length: 11 }, (_, i) => `HEARTBEAT@${i * 1000}`),
    );
  });

  it('refreshes with a heartbeat what would fall due before the next one', () => {
    const { registry } = setUp({ leaseUs: 15 * second });
    const instance = createInstance(['web', 'mail']);
    run(instance, 0, 1.5 * second, () => registry);
    const { ticks } = instance;
    const sent = run(instance, 1.5 * second, 20.5 * second, () => registry);
    const refreshed = sent.filter((line) => line.startsWith('REGISTER'));
    assert.deepEqual(
      refreshed,
      [4, 4, 8, 8, 12, 12, 16, 16, 20, 20].map((s) => `REGISTER@${s * 1000}`),
    );
    assert.equal(instance.ticks, ticks, 'no turn was for it alone');
  });

  it('sends none before a registration was taken, nor with an interval of 0', () => {
    const instance = createInstance();
    assert.ok(run(instance, 0, 2 * second, () => undefined).every((line) => line.startsWith('REGISTER')));
    assert.equal(heartbeatDeadlineUs(createHeartbeat(0), instance.registrar), Infinity);
  });

  it('registers anew at a router that has started again, and where the router holds less', () => {
    const before = setUp(longLease).registry;
    const after = setUp({ ...longLease, boot: { hi: 1, lo: 1 } }).registry;
    const instance = createInstance(['web', 'mail']);
    run(instance, 0, 1.5 * second, () => before);
    run(instance, 1.5 * second, 3 * second, () => after);
    assert.equal(names(after, 3 * second), 2);
    const [lost] = after.places.perLocator.get('10.0.0.1:7000')!;
    deliver(
      after,
      3 * second,
      {
        ...createControlMessage(),
        type: MessageType.UNREGISTER,
        instance: { hi: 0, lo: 1 },
        boot: { hi: 2 ** 32 - 1, lo: 0 },
        prefix: lost!.prefix,
        protocol: tcp,
        nonce: nonceFor(after.nonces, home, 3 * second),
      },
      home,
    );
    assert.equal(names(after, 3 * second), 1);
    const sent = run(instance, 3 * second, 4.5 * second, () => after);
    assert.equal(sent.filter((line) => line.startsWith('REGISTER')).length >= 2, true);
  });

  it('repeats the one whose answer was lost, and goes on from there', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance();
    run(instance, 0, 1.5 * second, () => registry);
    instance.deaf = true;
    run(instance, 1.5 * second, 2.05 * second, () => registry);
    instance.deaf = false;
    assert.deepEqual(
      run(instance, 2.05 * second, 5 * second, () => registry),
      ['2100', '2100', '3100', '4100'].map((ms) => `HEARTBEAT@${ms}`),
    );
  });

  it('takes a router for lost after 1.5 s of silence, if it has ever answered one', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance();
    run(instance, 0, 4.1 * second, () => registry);
    const sent = run(instance, 4.1 * second, 6.4 * second, () => undefined);
    assert.deepEqual(
      sent,
      ['5100', '5300', '5700'].map((ms) => `HEARTBEAT@${ms}`),
    );
    assert.equal(instance.registrar.routerLost, false);
    run(instance, 6.5 * second, 6.5 * second + 1, () => undefined);
    assert.equal(instance.registrar.routerLost, true);
    run(instance, 6.6 * second, 9 * second, () => registry);
    assert.equal(instance.registrar.routerLost, false);
  });

  it('a router that knows no heartbeats is asked once an interval, and is not lost', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance();
    const { registrar, heartbeat } = instance;
    for (let nowUs = 0; nowUs < 20 * second; nowUs += 10_000) {
      const out = createControlMessage();
      while (pollRegistrar(registrar, nowUs, out))
        handleRegistrarReply(registrar, deliver(registry, nowUs, { ...out }, home), nowUs);
      while (pollHeartbeat(heartbeat, registrar, nowUs, out)) instance.sent.push('');
    }
    assert.equal(instance.sent.length, 20);
    assert.equal(registrar.routerLost, false);
  });

  it('an answer to another question changes nothing', () => {
    const instance = createInstance();
    const stray = { ...createControlMessage(), type: MessageType.HEARTBEAT_ANSWER, transaction: 5 };
    assert.equal(handleHeartbeatAnswer(instance.heartbeat, instance.registrar, stray, 0), Reason.STALE);
  });
});
