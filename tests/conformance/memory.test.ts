// The suite over our sockets alone: a driver without a network, with windows so small that every case meets
// back-pressure. What fails here is the fault of src/sockets, not of the stack.

import { after } from 'node:test';
import { createMemoryDriver } from '../../src/sockets/testing/memory-driver.ts';
import { caracalOver } from './caracal.ts';
import { closingCases } from './cases/closing.ts';
import { httpCases } from './cases/http.ts';
import { libraryTests } from './cases/libraries.ts';
import { openingCases } from './cases/opening.ts';
import { serverCases } from './cases/servers.ts';
import { streamCases } from './cases/streams.ts';
import { runCases } from './harness.ts';

const driver = createMemoryDriver();
const implementation = caracalOver('memory', driver, driver);
for (const cases of [openingCases, streamCases, closingCases, serverCases, httpCases]) runCases(implementation, cases);
libraryTests({ name: 'memory', serverDriver: driver, clientDriver: driver });
after(() => implementation.close());
