// Every input that was ever kept is replayed against its target, and each target stands some mutations more, measured:
// few, but the same ones with every run, so that a failure is the change's.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { runCampaign } from './campaign.ts';
import { readCorpus } from './corpus.ts';
import { loadMeasured, loadTarget, targetNames } from './target.ts';

const mutations = 1000;
/** Sequences against live stacks cost a thousand times what a parser does. */
const fewer: Readonly<Record<string, number>> = { 'stack-sequence': 200 };

for (const name of targetNames()) {
  test(`fuzz: the corpus of ${name} passes`, async () => {
    const { fuzz } = await loadTarget(name);
    const corpus = readCorpus(name);
    assert.ok(corpus.length > 0, `tests/fuzz/corpora/${name} is empty`);
    for (const file of corpus) {
      try {
        fuzz(file.data);
      } catch (error) {
        throw new Error(`corpora/${name}/${file.name}`, { cause: error });
      }
    }
  });

  test(`fuzz: ${name} stands mutations of its corpus`, async () => {
    const corpus = readCorpus(name).map(({ data }) => data);
    const maxExecutions = corpus.length + (fewer[name] ?? mutations);
    const { crashes, executions, edges } = runCampaign(await loadMeasured(name), corpus, {
      seed: 1,
      seconds: 60,
      maxExecutions,
    });
    assert.deepEqual(crashes, []);
    assert.equal(executions, maxExecutions);
    assert.ok(edges > 1, 'the target is instrumented');
  });
}
