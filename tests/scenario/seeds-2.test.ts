// The second half of the two thousand seeded simulations that every test run plays: two hosts and a router, random
// impairments, random orders of closing. Two files, so that two processes share them.

import { test } from 'node:test';
import { assertSeeds } from './seeds.ts';

test('simulations: seeds 1001 to 2000 end with intact content or a typed error', () => assertSeeds(1001, 1000));
