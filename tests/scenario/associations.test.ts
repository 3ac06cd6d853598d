// Unbound datagrams to names that demand a key: associations inside the stack, from the first send until nobody uses them;
// and what becomes of datagrams to other names. Who listens in, claims, forges or floods is one of the hosts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reason, type ServiceId, sameBytes } from '../../src/core/base/index.ts';
import { isPrivateName, memberServiceId } from '../../src/core/security/index.ts';
import { Protocol, type Stack } from '../../src/core/stack/index.ts';
import { makeLocator, pathBetween, type SimHost, send } from '../../src/sim/index.ts';
import { forgeDatagram } from './attackers.ts';
import {
  addPeer,
  bindSocket,
  createPlace,
  identityOf,
  keyedService,
  lead,
  type NamedSocket,
  pinning,
  runFor,
  sendText,
  wasReadable,
} from './keyed.ts';
import { dropFirst, kindOf, sentOf } from './packets.ts';
import { serviceOf } from './world.ts';

const oracle = keyedService(11);
const asker = keyedService(12);
const clock = serviceOf('clock');

function flowsOf(host: SimHost<Stack>) {
  return host.stack.inspect().flows;
}

function droppedBy(host: SimHost<Stack>, reason: string): number {
  return host.stack.inspect().counters.dropped[reason] ?? 0;
}

/** One client, one server that answers for `oracle`, each at a private address. */
function createPair(link = {}, seed = 1) {
  const simulation = createPlace(link, seed);
  const client = addPeer(simulation, 'client', '10.0.0.1');
  const server = addPeer(simulation, 'server', '10.0.0.2');
  lead(client, oracle.id, '10.0.0.2');
  const security = { identity: identityOf(oracle) };
  const answering = bindSocket(server, { service: oracle.id, security }, (text) => `re: ${text}`);
  return { simulation, client, server, answering };
}

function texts({ received }: NamedSocket): string[] {
  return received.map(({ text }) => text);
}

test('associations: a name with a key is asked and answers, and nothing of it can be read on the way', () => {
  const { simulation, client, server, answering } = createPair();
  const [one, two] = [bindSocket(client), bindSocket(client)];
  assert.equal(sendText(one, 'the secret of one', oracle.id), 1);
  assert.equal(sendText(two, 'the secret of two', oracle.id), 1);
  runFor(simulation, 100_000);
  assert.equal(sendText(one, 'the secret again', oracle.id), 1);
  runFor(simulation, 100_000);
  assert.deepEqual(texts(one), ['re: the secret of one', 're: the secret again']);
  assert.deepEqual(texts(two), ['re: the secret of two']);
  assert.ok(one.received.every(({ from }) => from !== undefined && sameBytes(from, oracle.id)));
  assert.equal(
    new Set(answering.received.map(({ from }) => from?.join())).size,
    2,
    'each sender has a name of its own',
  );
  assert.equal(wasReadable(simulation, 'secret'), false);
  const { records } = simulation.trace;
  assert.equal(sentOf(records, 'named').length, 0);
  assert.equal(sentOf(records, 'SYN').length, 2, 'one opening for each socket');
  const [flow] = flowsOf(client);
  assert.equal(flow?.protocol, 'datagram');
  assert.equal(flow.authenticated && flow.encrypted, true);
  assert.equal(flowsOf(server).length, 2);
  assert.deepEqual([...one.events, ...answering.events], ['listening', 'listening'], 'the flows are nobody’s business');
});

test('associations: one that nobody uses is gone after a minute, and the next send opens another', () => {
  const { simulation, client, server, answering } = createPair();
  const socket = bindSocket(client);
  sendText(socket, 'first', oracle.id);
  runFor(simulation, 40_000_000);
  sendText(socket, 'second', oracle.id);
  runFor(simulation, 40_000_000);
  assert.equal(flowsOf(client).length, 1, 'it was used 40 s ago');
  runFor(simulation, 30_000_000);
  assert.deepEqual([...flowsOf(client), ...flowsOf(server)], []);
  const late = answering.received[0]?.from;
  assert.ok(late !== undefined);
  const from = simulation.trace.records.length;
  assert.equal(sendText(answering, 'too late', late), -Reason.UNREACHABLE);
  runFor(simulation, 1_000_000);
  assert.equal(simulation.trace.records.length, from, 'a reply to nobody is not said aloud');
  sendText(socket, 'third', oracle.id);
  runFor(simulation, 1_000_000);
  assert.equal(texts(socket).at(-1), 're: third');
  assert.equal(sentOf(simulation.trace.records, 'SYN').length, 2);
});

test('associations: a sender is reported by the name that it proved, never by one that it only claims', () => {
  const { simulation, client, server, answering } = createPair();
  const liar = addPeer(simulation, 'liar', '10.0.0.3');
  const labelled = addPeer(simulation, 'labelled', '10.0.0.4');
  for (const host of [liar, labelled]) lead(host, oracle.id, '10.0.0.2');
  sendText(bindSocket(liar, { service: asker.id }), 'lie', oracle.id);
  sendText(bindSocket(labelled, { service: clock }), 'label', oracle.id);
  const honest = bindSocket(client, { service: asker.id, security: { identity: identityOf(asker) } });
  sendText(honest, 'truth', oracle.id);
  runFor(simulation, 1_000_000);
  const fromOf = (text: string) => answering.received.find((each) => each.text === text)?.from;
  assert.equal(fromOf('lie'), undefined);
  const label = fromOf('label');
  assert.ok(label !== undefined && isPrivateName(label));
  const truth = fromOf('truth');
  assert.ok(truth !== undefined && sameBytes(truth, asker.id));
  assert.deepEqual(texts(honest), ['re: truth']);
  assert.equal(sendText(answering, 'by the way', asker.id), 1);
  runFor(simulation, 100_000);
  assert.equal(texts(honest).at(-1), 'by the way');
  assert.equal(
    sentOf(simulation.trace.records, 'SYN', 'server').length,
    0,
    'it went back where the question came from',
  );
  assert.equal(flowsOf(server).filter(({ authenticated }) => authenticated).length, 1);
});

test('associations: who borrows the made-up name of another sender hears nothing that is meant for that one', () => {
  const { simulation, client, answering } = createPair();
  const mallory = addPeer(simulation, 'mallory', '10.0.0.66');
  lead(mallory, oracle.id, '10.0.0.2');
  const victim = bindSocket(client);
  sendText(victim, 'hello', oracle.id);
  runFor(simulation, 100_000);
  const name = client.stack.state.sockets.get(victim.socket);
  assert.ok(name?.kind === 'datagram-socket');
  const heard: string[] = [];
  for (const source of [name.service, clock]) {
    const connect = { kind: 'connect', service: oracle.id, protocol: Protocol.UDP, source } as const;
    const socket = mallory.driver.handle(connect);
    mallory.driver.attach(socket, (event) => heard.push(event.kind));
  }
  runFor(simulation, 100_000);
  assert.deepEqual(heard, ['connected', 'connected']);
  const to = answering.received[0]?.from;
  assert.ok(to !== undefined);
  sendText(answering, 'for the victim', to);
  sendText(answering, 'for the clock', clock);
  runFor(simulation, 100_000);
  assert.deepEqual(texts(victim), ['re: hello', 'for the victim']);
  assert.deepEqual(heard, ['connected', 'connected']);
});

test('associations: when the instance dies, its silence is noticed and the next sends reach another', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const simulation = createPlace({}, seed);
    const client = addPeer(simulation, 'client', '10.0.0.1');
    const servers = ['10.0.0.2', '10.0.0.3'].map((address) => {
      const host = addPeer(simulation, address, address);
      const security = { identity: identityOf(oracle) };
      return bindSocket(host, { service: oracle.id, security }, () => address);
    });
    lead(client, oracle.id, '10.0.0.2', '10.0.0.3');
    const socket = bindSocket(client);
    for (let i = 0; i < 10; i++) {
      sendText(socket, `${i}`, oracle.id);
      runFor(simulation, 100_000);
    }
    const used = new Set(texts(socket));
    assert.equal(used.size, 1, 'one socket stays with one instance');
    const dead = servers.find(({ host }) => used.has(host.name));
    assert.ok(dead !== undefined);
    dead.host.driver.kill();
    const answers: number[] = [];
    for (let i = 0; i < 60; i++) {
      answers.push(sendText(socket, `after ${i}`, oracle.id));
      runFor(simulation, 100_000);
    }
    assert.ok(answers.includes(-Reason.TIMED_OUT), 'a short pause, in which senders are told');
    assert.equal(answers.at(-1), 1);
    assert.notEqual(texts(socket).at(-1), dead.host.name, `seed ${seed} stayed with the dead`);
  }
});

test('associations: an instance with another key is sent nothing, and is asked again only after a pause', () => {
  const simulation = createPlace();
  const client = addPeer(simulation, 'client', '10.0.0.1');
  const impostor = addPeer(simulation, 'impostor', '10.0.0.2');
  lead(client, oracle.id, '10.0.0.2');
  const security = { identity: identityOf(asker, oracle.id) };
  const deceiving = bindSocket(impostor, { service: oracle.id, security });
  const socket = bindSocket(client);
  assert.equal(sendText(socket, 'for the oracle alone', oracle.id), 1);
  assert.equal(sendText(socket, 'and this', oracle.id), 1);
  runFor(simulation, 500_000);
  const syns = sentOf(simulation.trace.records, 'SYN').length;
  assert.ok(syns > 0);
  assert.equal(sendText(socket, 'in the pause', oracle.id), -Reason.UNTRUSTED);
  runFor(simulation, 600_000);
  assert.equal(sentOf(simulation.trace.records, 'SYN').length, syns);
  assert.equal(sendText(socket, 'after it', oracle.id), 1);
  runFor(simulation, 500_000);
  assert.ok(sentOf(simulation.trace.records, 'SYN').length > syns);
  assert.deepEqual(deceiving.received, []);
  assert.equal(sentOf(simulation.trace.records, 'data').length, 0);
  assert.deepEqual(flowsOf(client), []);
  assert.ok(droppedBy(client, 'untrusted') >= 4, 'each datagram is counted');
});

test('associations: a label that is pinned, or sent to with its key, is treated as one with a key', () => {
  const simulation = createPlace();
  const pinned = addPeer(simulation, 'pinned', '10.0.0.1', { trust: pinning(clock, oracle) });
  const told = addPeer(simulation, 'told', '10.0.0.3');
  const server = addPeer(simulation, 'server', '10.0.0.2');
  const impostor = addPeer(simulation, 'impostor', '10.0.0.4');
  for (const host of [pinned, told]) lead(host, clock, '10.0.0.2');
  const member = memberServiceId(clock, 3);
  const security = { identity: identityOf(oracle, clock) };
  bindSocket(server, { service: clock, security }, (text) => `re: ${text}`);
  const unproven = bindSocket(impostor, { service: member });
  const [a, b] = [bindSocket(pinned), bindSocket(told)];
  sendText(a, 'pinned secret', clock);
  sendText(b, 'told secret', clock, oracle.id);
  runFor(simulation, 1_000_000);
  sendText(b, 'second secret', clock);
  runFor(simulation, 1_000_000);
  assert.deepEqual(texts(a), ['re: pinned secret']);
  assert.deepEqual(
    texts(b),
    ['re: told secret', 're: second secret'],
    'the open association serves the name alone, too',
  );
  lead(pinned, clock, '10.0.0.4');
  sendText(bindSocket(pinned), 'member secret', member);
  sendText(b, 'wrong secret', clock, asker.id);
  runFor(simulation, 500_000);
  assert.deepEqual(unproven.received, []);
  assert.equal(sendText(b, 'wrong secret', clock, asker.id), -Reason.UNTRUSTED);
  assert.equal(wasReadable(simulation, 'secret'), false);
});

test('associations: a label that nothing is known of goes in the clear on a private network, and no further', () => {
  const simulation = createPlace();
  const client = addPeer(simulation, 'client', '10.0.0.1');
  const near = addPeer(simulation, 'near', '10.0.0.2');
  const far = addPeer(simulation, 'far', '203.0.113.9');
  const relay = addPeer(simulation, 'relay', '10.0.0.9', { forwarding: true });
  const [nearName, farName, relayedName] = ['near', 'far', 'relayed'].map(serviceOf) as [
    ServiceId,
    ServiceId,
    ServiceId,
  ];
  lead(client, nearName, '10.0.0.2');
  lead(client, farName, '203.0.113.9');
  lead(client, relayedName, '10.0.0.9');
  lead(relay, relayedName, '203.0.113.9');
  bindSocket(near, { service: nearName }, (text) => `re: ${text}`);
  const heard = [farName, relayedName].map((service) => bindSocket(far, { service }));
  const socket = bindSocket(client);
  assert.equal(sendText(socket, 'aloud', nearName), 1);
  assert.equal(sendText(socket, 'whisper', farName), -Reason.UNTRUSTED);
  assert.equal(sendText(socket, 'passed on', relayedName), 1);
  runFor(simulation, 1_000_000);
  assert.deepEqual(texts(socket), ['re: aloud']);
  assert.equal(sentOf(simulation.trace.records, 'named').length, 3, 'question, answer, and what the router stops');
  assert.deepEqual(heard.flatMap(texts), []);
  assert.equal(droppedBy(client, 'untrusted'), 1);
  assert.equal(droppedBy(relay, 'untrusted'), 1);
  assert.equal(wasReadable(simulation, 'whisper'), false);
});

test('associations: what comes in the clear for a name with a key, or claims one, is not believed', () => {
  const { simulation, server, answering } = createPair();
  const label = bindSocket(server, { service: clock });
  const { station } = addPeer(simulation, 'mallory', '10.0.0.66');
  runFor(simulation, 1_000);
  send(simulation.network, station, makeLocator('10.0.0.2', 40_000), forgeDatagram(oracle.id, clock));
  send(simulation.network, station, makeLocator('10.0.0.2', 40_000), forgeDatagram(clock, oracle.id));
  runFor(simulation, 1_000_000);
  assert.deepEqual(answering.received, []);
  assert.equal(droppedBy(server, 'untagged'), 1);
  assert.deepEqual(label.received, [{ text: '', from: undefined }]);
});

test('associations: what is sent before it is open waits, whatever is lost of the handshake', () => {
  for (const kind of ['SYN', 'SYN|ACK', 'ACK']) {
    const { simulation, client, answering } = createPair();
    const security = { identity: identityOf(asker) };
    const socket = bindSocket(client, { service: asker.id, security });
    sendText(socket, 'wake up', oracle.id);
    const [up] = pathBetween(simulation.network, 'client', 'server');
    const [down] = pathBetween(simulation.network, 'server', 'client');
    const dropped = dropFirst(kind === 'SYN|ACK' ? down! : up!, kind, 2);
    for (let i = 0; i < 63; i++) assert.equal(sendText(socket, `${i}`, oracle.id), 1);
    assert.equal(sendText(socket, 'one too many', oracle.id), -Reason.QUEUE_FULL);
    runFor(simulation, 4_000_000);
    sendText(socket, 'long', oracle.id);
    runFor(simulation, 1_000_000);
    assert.equal(dropped(), 2, kind);
    const lost = kind === 'ACK' ? 1 : 0;
    assert.equal(answering.received.length, 65 - lost, `${kind}: an ACK that is lost may ride on a datagram`);
    assert.equal(socket.received.length, 65 - lost);
    assert.equal(client.stack.state.associations.waiting, 0);
  }
});

test('associations: a message as long as the path allows goes first, the proof of the sender ahead of it', () => {
  const { simulation, client, answering } = createPair();
  const security = { identity: identityOf(asker) };
  const socket = bindSocket(client, { service: asker.id, security });
  const message = 'x'.repeat(1_400);
  assert.equal(sendText(socket, message, oracle.id), 1);
  runFor(simulation, 1_000_000);
  assert.deepEqual(texts(answering), [message]);
});

test('associations: who is never answered learns that it is heard, and says less from then on', () => {
  const { simulation, client } = createPair();
  const silent = addPeer(simulation, 'silent', '10.0.0.5');
  const heard = bindSocket(silent, { service: asker.id, security: { identity: identityOf(asker) } });
  lead(client, asker.id, '10.0.0.5');
  const socket = bindSocket(client);
  for (let i = 0; i < 300; i++) {
    sendText(socket, `${i}`, asker.id);
    runFor(simulation, 100_000);
  }
  assert.equal(heard.received.length, 300);
  assert.equal(sentOf(simulation.trace.records, 'SYN').length, 1);
  const last = simulation.trace.records.filter(({ to }) => to === 'silent').at(-1);
  assert.equal(last && kindOf(last.bytes), 'data', 'the ACK of the opening is carried no more');
});

test('associations: they end with their socket, and the other end learns of it', () => {
  const { simulation, client, server, answering } = createPair();
  const [one, two] = [bindSocket(client), bindSocket(client)];
  for (const socket of [one, two]) sendText(socket, 'hello', oracle.id);
  runFor(simulation, 1_000_000);
  client.driver.handle({ kind: 'close', socket: one.socket });
  runFor(simulation, 10_000);
  assert.deepEqual([flowsOf(client).length, flowsOf(server).length], [1, 1]);
  assert.deepEqual(one.events, ['listening', 'closed']);
  sendText(bindSocket(client), 'half open', oracle.id);
  runFor(simulation, 6_000);
  assert.equal(server.stack.state.halfOpen, 1);
  server.driver.handle({ kind: 'close', socket: answering.socket });
  runFor(simulation, 20_000);
  assert.deepEqual(flowsOf(server), []);
  runFor(simulation, 10_000_000);
  assert.deepEqual(flowsOf(client), []);
  assert.equal(server.stack.state.halfOpen, 0);
  assert.deepEqual(answering.events, ['listening', 'closed']);
});

test('associations: a thousand senders are served, and no more are remembered than there is room for', () => {
  const simulation = createPlace({}, 1, false);
  const room = 128;
  const server = addPeer(simulation, 'server', '10.0.0.2', { limits: { associations: room } });
  const security = { identity: identityOf(oracle) };
  const answering = bindSocket(server, { service: oracle.id, security }, (text) => text);
  let answered = 0;
  let most = 0;
  for (let host = 0; host < 5; host++) {
    const client = addPeer(simulation, `client ${host}`, `10.0.1.${host + 1}`);
    lead(client, oracle.id, '10.0.0.2');
    for (let i = 0; i < 200; i += 25) {
      const sockets = Array.from({ length: 25 }, () => bindSocket(client));
      for (const socket of sockets) sendText(socket, 'hello', oracle.id);
      runFor(simulation, 100_000);
      most = Math.max(most, flowsOf(server).length);
      answered += sockets.filter(({ received }) => received.length === 1).length;
    }
    client.driver.kill();
  }
  assert.equal(answering.received.length, 1_000);
  assert.equal(answered, 1_000);
  assert.equal(most, room);
  const { byName, accepted, waiting } = server.stack.state.associations;
  assert.deepEqual([byName.size, accepted.size, waiting], [room, room, 0]);
});

test('associations: an address that opens many makes room for itself, not at the cost of others', () => {
  const simulation = createPlace();
  const limits = { associations: 32 };
  const server = addPeer(simulation, 'server', '10.0.0.2', { limits });
  const client = addPeer(simulation, 'client', '10.0.0.1', { limits });
  const greedy = addPeer(simulation, 'greedy', '10.0.0.3');
  for (const host of [client, greedy]) lead(host, oracle.id, '10.0.0.2');
  const answering = bindSocket(server, { service: oracle.id, security: { identity: identityOf(oracle) } });
  const honest = bindSocket(client);
  sendText(honest, 'hello', oracle.id);
  runFor(simulation, 1_000_000);
  for (let i = 0; i < 200; i++) sendText(bindSocket(greedy), `${i}`, oracle.id);
  runFor(simulation, 5_000_000);
  assert.equal(answering.received.length, 201);
  assert.equal(flowsOf(server).length, 32);
  assert.ok(droppedBy(server, 'cookie-required') > 0, 'a rush of openings is asked for cookies, as at any listener');
  const from = answering.received[0]?.from;
  assert.ok(from !== undefined);
  sendText(answering, 'still there?', from);
  runFor(simulation, 100_000);
  assert.deepEqual(texts(honest), ['still there?']);
  for (let i = 0; i < 100; i++) sendText(bindSocket(client), `${i}`, oracle.id);
  assert.ok(flowsOf(client).length <= 32, 'an opener is bounded as well');
});
