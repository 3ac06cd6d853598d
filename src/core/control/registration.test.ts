import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Locator, Reason, seededRandom } from '../base/index.ts';
import { dump } from '../tables/index.ts';
import { type ControlMessage, createControlMessage, MessageType } from './messages.ts';
import {
  bootNow,
  createRegistrar,
  dropRegistration,
  handleRegistrarReply,
  isRegistered,
  isUnregistered,
  pollRegistrar,
  type Registrar,
  type RegistrarEvent,
  refreshRegistrations,
  registerService,
  registrarDeadlineUs,
  setRegistrarRouter,
  unregisterService,
} from './registration.ts';
import { expireRegistry, type Registry } from './registry.ts';
import { deliver, labelPrefix, primitives, setUp as setUpRegistry } from './testing/registering.ts';

const tcp = 6;
const ms = 1000;
const prefix = labelPrefix('nine');
const other = labelPrefix('eight');
const router: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: 54324 };
const instanceLocator: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: 40000 };

function setUp(): Registrar {
  return createRegistrar({ instance: { hi: 1, lo: 1 }, boot: bootNow(primitives), leaseUs: 5000 * ms, primitives });
}

function bootOf(lo: number): Registry {
  return setUpRegistry({ boot: { hi: 0, lo } }).registry;
}

/** Runs virtual time from `fromUs` to `untilUs`; `deliver` answers each message, or loses it. When each was sent. */
function run(
  registrar: Registrar,
  fromUs: number,
  untilUs: number,
  deliver: (message: ControlMessage, nowUs: number) => ControlMessage | undefined,
): string[] {
  const sent: string[] = [];
  const names = new Map<number, string>(Object.entries(MessageType).map(([name, type]) => [type, name]));
  for (let nowUs = fromUs; nowUs <= untilUs; nowUs = Math.max(nowUs + 1, registrarDeadlineUs(registrar))) {
    const out = createControlMessage();
    while (pollRegistrar(registrar, nowUs, out)) {
      sent.push(`${names.get(out.type)}@${Math.round(nowUs / ms)}`);
      const reply = deliver({ ...out }, nowUs);
      if (reply) handleRegistrarReply(registrar, reply, nowUs);
    }
  }
  return sent;
}

function answerFrom(registry: Registry) {
  return (message: ControlMessage, nowUs: number): ControlMessage => {
    return deliver(registry, nowUs, message, instanceLocator);
  };
}

const lost = () => undefined;

describe('registrar', () => {
  it('waits for a router, registers, and refreshes at a third of the lease', () => {
    const registrar = setUp();
    registerService(registrar, prefix, tcp, 100, 0, 0);
    assert.equal(registrarDeadlineUs(registrar), Infinity);
    setRegistrarRouter(registrar, router, undefined, 10 * ms);
    const registry = bootOf(1);
    assert.deepEqual(run(registrar, 10 * ms, 5200 * ms, answerFrom(registry)), [
      'REGISTER@10',
      // Again at once, with the router's nonce; every answer has one for the next time.
      'REGISTER@10',
      'REGISTER@1677',
      'REGISTER@3343',
      'REGISTER@5010',
    ]);
    assert.ok(isRegistered(registrar, prefix, tcp));
    assert.deepEqual(registrar.observed, instanceLocator);
    assert.equal(registry.counters.refreshed, 3);
    assert.equal(registry.counters.expired, 0);
  });

  it('asks for a nonce at each place that it comes to before the first one has answered', () => {
    const registrar = setUp();
    const { registry } = setUpRegistry({ boot: { hi: 0, lo: 1 } });
    setRegistrarRouter(registrar, router, undefined, 0);
    const entry = registerService(registrar, prefix, tcp, 100, 0, 0);
    // The nonce arrives, and what is sent with it is lost: this stack has gone on to the next address.
    for (let place = 1; place <= 6; place++) {
      let answers = 0;
      run(registrar, place * ms, place * ms, (message, nowUs) =>
        answers++ === 0 ? deliver(registry, nowUs, message, { ...instanceLocator, port: place }) : undefined,
      );
      assert.equal(entry.state, 'registering');
      refreshRegistrations(registrar, place * ms);
    }
    run(registrar, 7 * ms, 7 * ms, answerFrom(registry));
    assert.ok(isRegistered(registrar, prefix, tcp));
  });

  it('repeats with back-off while nobody answers, says that the router is lost, and recovers', () => {
    const registrar = setUp();
    setRegistrarRouter(registrar, router, undefined, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    const sent = run(registrar, 0, 9000 * ms, lost);
    assert.deepEqual(
      sent.map((line) => Number(line.split('@')[1])),
      [0, 100, 300, 700, 1500, 3100, 5100, 7100],
    );
    assert.equal(registrar.routerLost, true);
    run(registrar, 9000 * ms, 9200 * ms, answerFrom(bootOf(1)));
    assert.deepEqual([registrar.routerLost, isRegistered(registrar, prefix, tcp)], [false, true]);
  });

  it('a registration is over when its lease ends unanswered', () => {
    const registrar = setUp();
    setRegistrarRouter(registrar, router, undefined, 0);
    const entry = registerService(registrar, prefix, tcp, 100, 0, 0);
    run(registrar, 0, 100 * ms, answerFrom(bootOf(1)));
    run(registrar, 101 * ms, 4900 * ms, lost);
    assert.equal(entry.state, 'registered');
    run(registrar, 4901 * ms, 7000 * ms, lost);
    assert.equal(entry.state, 'registering');
  });

  it('a router with another boot has forgotten: every name is registered again at once', () => {
    const registrar = setUp();
    setRegistrarRouter(registrar, router, { hi: 0, lo: 1 }, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    registerService(registrar, other, tcp, 100, 0, 900 * ms);
    run(registrar, 0, 1000 * ms, answerFrom(bootOf(1)));
    const restarted = bootOf(2);
    const sent = run(registrar, 1001 * ms, 1800 * ms, answerFrom(restarted));
    assert.deepEqual(sent, ['REGISTER@1667', 'REGISTER@1667', 'REGISTER@1667'], 'once without the new nonce');
    assert.equal(restarted.counters.registered, 2);
  });

  it('setRegistrarRouter: another router or boot registers anew, the same asks again what is unanswered', () => {
    const registrar = setUp();
    setRegistrarRouter(registrar, router, { hi: 0, lo: 1 }, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    run(registrar, 0, 10 * ms, answerFrom(bootOf(1)));
    setRegistrarRouter(registrar, { ...router }, { hi: 0, lo: 1 }, 20 * ms);
    assert.deepEqual(run(registrar, 20 * ms, 30 * ms, answerFrom(bootOf(1))), []);
    setRegistrarRouter(registrar, router, { hi: 0, lo: 2 }, 40 * ms);
    assert.equal(isRegistered(registrar, prefix, tcp), false);
    assert.deepEqual(run(registrar, 40 * ms, 60 * ms, lost), ['REGISTER@40']);
    setRegistrarRouter(registrar, router, { hi: 0, lo: 2 }, 70 * ms);
    assert.deepEqual(run(registrar, 70 * ms, 80 * ms, answerFrom(bootOf(2))), ['REGISTER@70', 'REGISTER@70']);
    setRegistrarRouter(registrar, undefined, undefined, 90 * ms);
    assert.deepEqual(run(registrar, 90 * ms, 9000 * ms, lost), []);
    assert.equal(isRegistered(registrar, prefix, tcp), false);
  });

  it('unregisters with repetition and gives up in the end', () => {
    const registrar = setUp();
    const registry = bootOf(1);
    setRegistrarRouter(registrar, router, undefined, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    run(registrar, 0, 10 * ms, answerFrom(registry));
    unregisterService(registrar, prefix, tcp, 20 * ms);
    assert.equal(isUnregistered(registrar, prefix, tcp), false);
    run(registrar, 20 * ms, 30 * ms, lost);
    assert.deepEqual(run(registrar, 31 * ms, 200 * ms, answerFrom(registry)), ['UNREGISTER@120']);
    assert.equal(isUnregistered(registrar, prefix, tcp), true);
    assert.equal(registry.counters.unregistered, 1);

    registerService(registrar, prefix, tcp, 100, 0, 1000 * ms);
    unregisterService(registrar, prefix, tcp, 1000 * ms);
    const sent = run(registrar, 1000 * ms, 9000 * ms, lost);
    assert.deepEqual(sent, ['UNREGISTER@1000', 'UNREGISTER@1100', 'UNREGISTER@1300', 'UNREGISTER@1700']);
    assert.equal(isUnregistered(registrar, prefix, tcp), true);
    assert.equal(registrarDeadlineUs(registrar), Infinity);
  });

  it('a name bound again while it is being taken back is registered, whatever arrives late', () => {
    const registrar = setUp();
    const registry = bootOf(1);
    setRegistrarRouter(registrar, router, undefined, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    const late: ControlMessage[] = [];
    const hold = (message: ControlMessage) => {
      late.push(message);
      return undefined;
    };
    run(registrar, 0, 10 * ms, hold);
    unregisterService(registrar, prefix, tcp, 20 * ms);
    run(registrar, 20 * ms, 30 * ms, hold);
    registerService(registrar, prefix, tcp, 100, 0, 40 * ms);
    run(registrar, 40 * ms, 50 * ms, answerFrom(registry));
    for (const message of late)
      assert.equal(handleRegistrarReply(registrar, answerFrom(registry)(message, 60 * ms), 60 * ms), undefined);
    assert.ok(isRegistered(registrar, prefix, tcp));
    assert.equal(dump(registry.options.table).length, 1);
  });

  it('answers to nothing are ignored: wrong transaction, wrong type, twice', () => {
    const registrar = setUp();
    setRegistrarRouter(registrar, router, undefined, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    const answer = answerFrom(bootOf(1));
    const out = createControlMessage();
    assert.equal(pollRegistrar(registrar, 0, out), true);
    assert.equal(pollRegistrar(registrar, 0, out), false);
    assert.equal(handleRegistrarReply(registrar, answer({ ...out }, 0), 0)?.kind, 'repeating');
    assert.equal(pollRegistrar(registrar, 0, out), true);
    assert.equal(pollRegistrar(registrar, 0, out), false);
    const reply = answer({ ...out }, 0);
    assert.equal(handleRegistrarReply(registrar, { ...reply, transaction: reply.transaction ^ 1 }, 0), undefined);
    assert.equal(handleRegistrarReply(registrar, { ...reply, type: MessageType.UNREGISTERED }, 0), undefined);
    assert.equal(handleRegistrarReply(registrar, reply, 0)?.first, true);
    assert.equal(handleRegistrarReply(registrar, reply, 0), undefined);
  });

  it('a refusal is told once and tried again later', () => {
    const registrar = setUp();
    setRegistrarRouter(registrar, router, undefined, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    const { registry } = setUpRegistry({ reserved: [prefix.id] });
    const told: (RegistrarEvent | undefined)[] = [];
    for (const atMs of [0, 0, 5000]) {
      const out = createControlMessage();
      assert.equal(pollRegistrar(registrar, atMs * ms, out), true);
      told.push(handleRegistrarReply(registrar, answerFrom(registry)({ ...out }, atMs * ms), atMs * ms));
    }
    assert.deepEqual(
      told.map((event) => [event?.kind, event?.reason, event?.first]),
      [
        ['repeating', Reason.NONCE_REQUIRED, false],
        ['refused', Reason.POLICY_DROP, true],
        ['refused', Reason.POLICY_DROP, false],
      ],
    );
    dropRegistration(registrar, prefix, tcp);
    assert.deepEqual(run(registrar, 6000 * ms, 20_000 * ms, lost), []);
  });

  it('a new weight reaches the router at once; the same again costs nothing', () => {
    const registrar = setUp();
    const registry = bootOf(1);
    setRegistrarRouter(registrar, router, undefined, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    run(registrar, 0, 10 * ms, answerFrom(registry));
    registerService(registrar, prefix, tcp, 100, 0, 20 * ms);
    registerService(registrar, prefix, tcp, 30, 2, 30 * ms);
    assert.deepEqual(run(registrar, 30 * ms, 50 * ms, answerFrom(registry)), ['REGISTER@30']);
    const [target] = dump(registry.options.table)[0]!.targets;
    assert.deepEqual([target?.weight, target?.priority], [30, 2]);
  });

  it('under heavy loss a living instance stays registered, and a dead one is gone within its lease', () => {
    const random = seededRandom(11);
    const registrar = setUp();
    const registry = bootOf(1);
    setRegistrarRouter(registrar, router, undefined, 0);
    registerService(registrar, prefix, tcp, 100, 0, 0);
    const answer = answerFrom(registry);
    run(registrar, 0, 120_000 * ms, (message, nowUs) => {
      if (random.uint32() % 10 < 3) return undefined;
      const reply = answer(message, nowUs);
      return random.uint32() % 10 < 3 ? undefined : reply;
    });
    assert.equal(registry.counters.expired, 0);
    assert.equal(expireRegistry(registry, 126_000 * ms), 1);
  });
});
