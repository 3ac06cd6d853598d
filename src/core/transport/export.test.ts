// An engine that goes on as another one, in the middle of whatever it was doing.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { seededRandom } from '../base/index.ts';
import type { Bbr } from './bbr-model.ts';
import { exportTcb, importTcb, isExportable, type TransportState } from './export.ts';
import { createBlockPool, destroyTcb, finish, freeze, poolLoad, resume } from './index.ts';
import { type Tcb, tsvalAt } from './tcb.ts';
import { deliver, makeWorld, open, pass, run, tcbOptions, type World } from './two-ends.test.ts';

const { iss: _iss, ...options } = tcbOptions();

/** End `index` stands still for `pauseUs`, and another engine goes on in its place. */
function handOver(world: World, index: number, pauseUs = 0): TransportState {
  const end = world.ends[index]!;
  freeze(end.tcb, world.nowUs);
  const state = exportTcb(end.tcb, world.nowUs);
  const heir = importTcb(state, options, end.pool, seededRandom(7), world.nowUs);
  assert.ok(heir);
  destroyTcb(end.tcb);
  (end as { tcb: Tcb }).tcb = heir;
  pass(world, pauseUs);
  resume(heir, world.nowUs);
  return state;
}

function openWorld(...args: Parameters<typeof makeWorld>): World {
  const world = makeWorld(...args);
  open(world);
  return world;
}

test('export: a state that is taken in and given out again is the same', () => {
  const world = openWorld(3, { loss: 0.05, reordering: 0.2, lateUs: 30_000 });
  for (const end of world.ends) end.toSend = 3_000_000;
  world.ends[1].recordBytes = 40_000;
  run(
    world,
    () => world.ends[1].tcb.reassembly.intervals.count > 1 && world.ends[1].tcb.rcvNxt > world.ends[1].tcb.rcvAcked,
  );
  for (const { tcb } of world.ends) {
    const state = exportTcb(tcb, world.nowUs);
    assert.ok(state.received.length > 0 || state.unacknowledged.length > 0);
    const heir = importTcb(state, options, createBlockPool(), seededRandom(1), world.nowUs)!;
    assert.deepEqual(exportTcb(heir, world.nowUs), { ...state, tsval: state.tsval + 1 });
  }
});

test('export: both ends change engines again and again under loss, and every byte arrives once', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const world = openWorld(seed, { loss: 0.03, duplication: 0.02, reordering: 0.1, lateUs: 20_000, bytesPerUs: 5 });
    const [a, b] = world.ends;
    for (const end of world.ends) end.toSend = 2_000_000;
    b.recordBytes = seed % 2 === 0 ? 16_000 : 0;
    for (let i = 1; i <= 6; i++) {
      run(world, () => b.received + a.received >= i * 500_000);
      handOver(world, i % 2, (seed % 4) * 10_000);
    }
    run(world, () => a.received === 2_000_000 && b.received === 2_000_000);
    for (const { tcb, pool } of world.ends) {
      destroyTcb(tcb);
      assert.equal(poolLoad(pool), 0, 'all memory went back');
    }
  }
});

test('export: what is known of the path is kept, so that no slow start follows', () => {
  const world = openWorld(1, { bytesPerUs: 10, queueBytes: 200_000 });
  const [a, b] = world.ends;
  a.toSend = 40_000_000;
  run(world, () => b.received >= 10_000_000);
  const { rtt, congestion } = a.tcb;
  handOver(world, 0);
  assert.equal(a.tcb.congestion.cwndBytes, congestion.cwndBytes);
  assert.equal(a.tcb.rtt.srttUs, rtt.srttUs);
  const [startUs, received] = [world.nowUs, b.received];
  run(world, () => b.received >= received + 4_000_000);
  const ratio = (world.nowUs - startUs) / (4_000_000 / 10);
  assert.ok(ratio < 1.25, `took ${ratio} of the time that the link needs`);
  assert.equal(a.tcb.counters.timeouts, 0);
});

test('export: what BBR has found out is kept, whatever the heir would have chosen', () => {
  const world = openWorld(1, { bytesPerUs: 10, queueBytes: 200_000 }, { congestion: 'bbr' });
  const [a, b] = world.ends;
  a.toSend = 40_000_000;
  run(world, () => b.received >= 10_000_000);
  const { bw } = a.tcb.congestion as Bbr;
  handOver(world, 0);
  assert.equal(a.tcb.options.congestion, 'bbr');
  assert.ok(Math.abs((a.tcb.congestion as Bbr).bw / bw - 1) < 0.05);
  const [startUs, received] = [world.nowUs, b.received];
  run(world, () => b.received >= received + 4_000_000);
  const ratio = (world.nowUs - startUs) / (4_000_000 / 10);
  assert.ok(ratio < 1.25, `took ${ratio} of the time that the link needs`);
});

test('export: what was in flight is repeated without blame', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  a.toSend = 2_000_000;
  run(world, () => b.received >= 1_000_000);
  world.links[0].loss = 1;
  pass(world, 15_000);
  handOver(world, 0, 1_000_000);
  world.links[0].loss = 0;
  const { cwndBytes } = a.tcb.congestion;
  run(world, () => b.received === 2_000_000);
  assert.ok(a.tcb.congestion.cwndBytes >= cwndBytes);
  assert.equal(a.tcb.counters.timeouts, 0);
});

test('export: the timestamp clock of the heir is ahead of what its host clock says', () => {
  const world = openWorld();
  deliver(world, 0, 100_000);
  const { tcb, pool } = world.ends[0];
  const state = exportTcb(tcb, world.nowUs);
  for (const nowUs of [0, 5_000, 2 ** 50]) {
    const heir = importTcb(state, options, pool, seededRandom(1), nowUs)!;
    assert.equal((tsvalAt(heir, nowUs) - tsvalAt(tcb, world.nowUs)) | 0, 1);
  }
});

test('export: only a stream that is open both ways', () => {
  const opening = makeWorld();
  assert.ok(!isExportable(opening.ends[0].tcb));
  const world = openWorld();
  const [a, b] = world.ends;
  assert.ok(isExportable(a.tcb));
  finish(a.tcb, world.nowUs);
  assert.ok(!isExportable(a.tcb));
  pass(world, 1_000_000);
  assert.ok(!isExportable(b.tcb), 'its peer has ended');
});

test('import: a state that no engine was ever in is refused', () => {
  const world = openWorld(5, { loss: 0.1 });
  world.ends[0].toSend = 1_000_000;
  run(world, () => world.ends[1].tcb.reassembly.intervals.count > 1);
  const state = exportTcb(world.ends[1].tcb, world.nowUs);
  const imports = (changes: Partial<TransportState>): boolean =>
    importTcb({ ...state, ...changes }, options, createBlockPool(), seededRandom(1), 0) !== undefined;
  assert.ok(imports({}));
  const [first, second] = state.received;
  assert.ok(first && second);
  const impossible: readonly Partial<TransportState>[] = [
    { sndUna: -1 },
    { sndUna: 0.5 },
    { sndNxt: state.sndUna - 1 },
    { sndNxt: state.sndUna + state.unacknowledged.length + 1 },
    { sndWnd: state.maxSndWnd + 1 },
    { maxSndWnd: 2 ** 31 },
    { sndScale: 15 },
    { rcvScale: -1 },
    { peerMss: 0 },
    { rcvMss: 0 },
    { rcvConsumed: state.rcvAcked + 1 },
    { rcvAdv: state.rcvAcked - 1 },
    { rcvAdv: state.rcvAcked + 2 ** 31 },
    { rcvBufBytes: 0 },
    { rcvRttUs: Number.NaN },
    { tsRecentAgeUs: -1 },
    { received: [second, first] },
    { received: [first, first] },
    { received: [{ start: state.rcvAdv, bytes: new Uint8Array(1) }] },
    { received: [{ start: state.rcvAcked - 1, bytes: new Uint8Array(1) }] },
    { received: [{ start: state.rcvAcked, bytes: new Uint8Array(0) }] },
    { packetBytes: 0 },
    { srttUs: Number.POSITIVE_INFINITY },
    { srttUs: 0, rttVarUs: 1 },
    { cwndBytes: 0 },
    { ssthreshBytes: 0 },
    { peakBytes: Number.NaN },
    { model: { bytesPerUs: -1, minRttUs: 0, inflightBytes: 1 } },
    { model: { bytesPerUs: 1, minRttUs: Infinity, inflightBytes: 1 } },
    { model: { bytesPerUs: 1, minRttUs: 1, inflightBytes: 0 } },
  ];
  for (const changes of impossible) assert.ok(!imports(changes), JSON.stringify(changes));
});
