// The first half of the two thousand seeded simulations that every test run plays: two hosts and a router, random
// impairments, random orders of closing. Two files, so that two processes share them.

import { test } from 'node:test';
import { assertSeeds } from './seeds.ts';

test('simulations: seeds 1 to 1000 end with intact content or a typed error', () => assertSeeds(1, 1000));
