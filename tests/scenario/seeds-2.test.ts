// The second half of the thousand seeded simulations that every test run plays: two hosts and a router, random
// impairments, random orders of closing. Two files, so that two processes share them.

import { test } from 'node:test';
import { assertSeeds } from './seeds.ts';

test('simulations: seeds 501 to 1000 end with intact content or a typed error', () => assertSeeds(501, 500));
