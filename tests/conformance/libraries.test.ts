// Express, Fastify, ws, undici, fetch and ioredis over the real stack and driver, unchanged (A6).

import { after } from 'node:test';
import { lonelyDriver } from './caracal.ts';
import { libraryTests } from './cases/libraries.ts';

const [serverDriver, clientDriver] = [lonelyDriver(), lonelyDriver()];
libraryTests({ name: 'caracal', serverDriver, clientDriver });
after(() => Promise.all([serverDriver.close(), clientDriver.close()]));
