// The fuzzer itself: that it finds what was planted for it, the way it is meant to, and always by the same inputs.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { seededRandom } from '../../src/core/base/index.ts';
import { type CampaignOptions, runCampaign } from './campaign.ts';
import { StepLimit } from './coverage.ts';
import { instrument } from './instrument.ts';
import { minimize } from './minimize.ts';
import { createMutator, mutate } from './mutate.ts';
import { type Fuzz, loadMeasured, type Target } from './target.ts';

const none = { numbers: new Set<number>(), texts: new Set<string>() };

function plain(fuzz: Fuzz, maxBytes = 64): Target {
  return { name: 'plain', fuzz, maxBytes, stepLimit: 1_000_000, dictionary: none };
}

function executions(maxExecutions: number, seed = 1): CampaignOptions {
  return { seed, seconds: 60, maxExecutions };
}

test('campaign: coverage leads through six conditions, one inside the other', async () => {
  const nested = await loadMeasured('nested', 'planted');
  const { crashes, edges } = runCampaign(nested, [], executions(400_000));
  assert.equal(crashes.length, 1);
  assert.match(String(crashes[0]!.error), /planted/);
  assert.deepEqual([...crashes[0]!.data], [...Buffer.from('caraca')]);
  assert.ok(edges >= 6, `${edges} edges`);
  const blind = plain((data) => assert.notDeepEqual([...data.subarray(0, 6)], [...Buffer.from('caraca')]));
  assert.deepEqual(runCampaign(blind, [], executions(50_000)).crashes, []);
});

test('campaign: an endless loop is a finding, caught or not', async () => {
  const endless = await loadMeasured('endless', 'planted');
  const { crashes, hangs } = runCampaign(endless, [], executions(30_000));
  assert.equal(crashes.length, 2);
  assert.equal(hangs, 2);
  for (const { error } of crashes) assert.ok(error instanceof StepLimit);
  for (const { data } of crashes) assert.ok(data.length <= 8, 'both are shrunk to about what they need');
});

test('campaign: the same seed gives the same inputs, another gives others', async () => {
  const nested = await loadMeasured('nested', 'planted');
  const corpus = [Uint8Array.of(1, 2, 3), Uint8Array.of(9, 9)];
  const sequence = (seed: number) => {
    const inputs: string[] = [];
    const fuzz = (data: Uint8Array) => {
      // An input that took long is run twice.
      if (inputs.at(-1) !== data.join()) inputs.push(data.join());
      nested.fuzz(data);
    };
    runCampaign({ ...nested, fuzz }, corpus, executions(2000, seed));
    return inputs;
  };
  assert.deepEqual(sequence(5), sequence(5));
  assert.notDeepEqual(sequence(5), sequence(6));
});

test('campaign: a crash is shrunk to what it needs, and told once', () => {
  const planted = plain((data) => {
    const at = data.indexOf(0x42);
    if (at >= 0 && data[at + 1] === 0xff) throw new Error('planted');
  });
  const corpus = [Uint8Array.from({ length: 40 }, (_, i) => i), Uint8Array.of(1, 0x42, 3)];
  const { crashes, hangs } = runCampaign(planted, corpus, executions(50_000, 3));
  assert.deepEqual(
    crashes.map(({ data }) => [...data]),
    [[0x42, 0xff]],
  );
  assert.equal(hangs, 0);
});

test('campaign: a target never shares memory with the corpus', () => {
  const corpus = [Uint8Array.of(1, 2, 3)];
  const { pool } = runCampaign(
    plain((data) => data.fill(0)),
    corpus,
    executions(100),
  );
  assert.deepEqual(corpus, [Uint8Array.of(1, 2, 3)]);
  assert.deepEqual(pool, corpus);
});

test('mutate: inputs keep to their bound, whatever they are made of', () => {
  const dictionary = { numbers: new Set([0, 255, 65_536, 2 ** 52]), texts: new Set(['caracal', 'x']) };
  const corpus = [new Uint8Array(0), Uint8Array.from({ length: 40 }, (_, i) => i)];
  for (const maxBytes of [1, 7, 32]) {
    const mutator = createMutator(seededRandom(maxBytes), maxBytes, dictionary);
    const lengths = new Set<number>();
    for (let i = 0; i < 5000; i++) {
      mutate(mutator, corpus[i & 1]!, corpus);
      assert.ok(mutator.length <= maxBytes);
      lengths.add(mutator.length);
    }
    assert.equal(lengths.size, maxBytes + 1, 'every length comes up');
  }
});

test('instrument: what a module does and where its lines stand stay the same', async () => {
  const source = [
    'export function tell(a, b = a ? 1 : 2) {',
    '  let said = "";',
    '  for (const x of [a, b]) said += x && (x > 1 ? "many" : "one");',
    '  do a++; while (a < 3);',
    '  while (a-- > 0);',
    '  if (said) said += "!"; else if (b) return "b"; else return () => ({ a });',
    '  switch (b) { case 1: case 2: said += b; break; default: said ||= "none"; }',
    '  try { if (b > 7) throw new Error("x"); } catch { said += "caught"; }',
    '  return [said, ((x = b) => x ?? "nothing")(), a, new Error().stack.match(/:(\\d+):\\d+/)[1]].join();',
    '}',
  ].join('\n');
  const runtime = new URL('./coverage.js', import.meta.url).href;
  const measured = instrument(source, { path: 'tell.js', target: 'tell', runtime });
  assert.equal(measured.split('\n').length, source.split('\n').length);
  const asModule = (text: string) => import(`data:text/javascript,${encodeURIComponent(text)}`);
  const [before, after] = [await asModule(source), await asModule(measured.replace(/^import.*?;__note.*?;/, stub))];
  for (const args of [[0], [1], [2, 9], [0, 0], [5, 1], ['', 2]])
    assert.equal(String(after.tell(...args)), String(before.tell(...args)));
});

/** A data: module may not import a file. */
const stub = 'const __hit=()=>0;';

test('minimize: keeps the fewest inputs that take every way', async () => {
  const nested = await loadMeasured('nested', 'planted');
  const inputs = ['x', 'c', 'cx', 'ca', 'cax', 'caracX', 'carac'].map((text) => Uint8Array.from(Buffer.from(text)));
  const chosen = minimize(nested, [], inputs).map((data) => Buffer.from(data).toString());
  assert.deepEqual(chosen, ['carac']);
  assert.deepEqual(minimize(nested, [Buffer.from('carac')], inputs), []);
});
