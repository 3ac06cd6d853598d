// Some hundreds of random lives of connections with several flows; `CARACAL_LONG=1` makes it thousands.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playSeed } from './multipath-seeds.ts';

const seeds = process.env['CARACAL_LONG'] === '1' ? 5_000 : 200;

test(`several flows: seeds 1 to ${seeds} end with intact content or a typed error`, () => {
  const failed: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const fault = playSeed(seed);
    if (fault !== undefined) failed.push(`seed ${seed}: ${fault}`);
  }
  assert.deepEqual(failed, []);
});
