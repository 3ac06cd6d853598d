// Every input that was ever kept is replayed against its target, and the fuzzer itself finds what was planted for it.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { seededRandom } from '../../src/core/base/index.ts';
import { runCampaign } from './campaign.ts';
import { loadTarget, readCorpus, targetNames } from './corpus.ts';
import { mutate } from './mutate.ts';

for (const name of targetNames()) {
  test(`fuzz: the corpus of ${name} passes`, async () => {
    const target = await loadTarget(name);
    const corpus = readCorpus(name);
    assert.ok(corpus.length > 0, `tests/fuzz/corpora/${name} is empty`);
    for (const file of corpus) {
      try {
        target(file.data);
      } catch (error) {
        throw new Error(`corpora/${name}/${file.name}`, { cause: error });
      }
    }
  });

  test(`fuzz: ${name} stands a thousand mutations`, async () => {
    const corpus = readCorpus(name).map(({ data }) => data);
    const options = { seed: 1, seconds: 60, maxExecutions: corpus.length + 1000 };
    const { crashes, executions } = runCampaign(await loadTarget(name), corpus, options);
    assert.deepEqual(crashes, []);
    assert.equal(executions, options.maxExecutions);
  });
}

test('fuzz: a planted fault is found and shrunk to what it needs', () => {
  const planted = (data: Uint8Array) => {
    const at = data.indexOf(0x42);
    if (at >= 0 && data[at + 1] === 0xff) throw new Error('planted');
  };
  const corpus = [Uint8Array.from({ length: 40 }, (_, i) => i), Uint8Array.of(1, 0x42, 3)];
  const { crashes } = runCampaign(planted, corpus, { seed: 3, seconds: 60, maxExecutions: 50_000 });
  assert.equal(crashes.length, 1);
  assert.deepEqual([...crashes[0]!.data], [0x42, 0xff]);
});

test('fuzz: a target never shares memory with the corpus', () => {
  const corpus = [Uint8Array.of(1, 2, 3)];
  runCampaign((data) => data.fill(0), corpus, { seed: 1, seconds: 60, maxExecutions: 100 });
  assert.deepEqual(corpus, [Uint8Array.of(1, 2, 3)]);
});

test('fuzz: the same seed gives the same inputs, another gives others', () => {
  const corpus = [Uint8Array.of(1, 2, 3), Uint8Array.of(9, 9)];
  const sequence = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 50 }, () => mutate(corpus, random, 64));
  };
  assert.deepEqual(sequence(5), sequence(5));
  assert.notDeepEqual(sequence(5), sequence(6));
  assert.ok(sequence(5).every((data) => data.length <= 64));
});
