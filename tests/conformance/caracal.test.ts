// The suite over the real stack and driver: two stacks in this process, real packets between them, no router. Discovery
// has its own multicast group, so that nothing else on this machine takes part.

import { after } from 'node:test';
import { caracalOver, lonelyDriver } from './caracal.ts';
import { closingCases } from './cases/closing.ts';
import { httpCases } from './cases/http.ts';
import { openingCases } from './cases/opening.ts';
import { serverCases } from './cases/servers.ts';
import { streamCases } from './cases/streams.ts';
import { runCases } from './harness.ts';

const implementation = caracalOver('caracal', lonelyDriver(), lonelyDriver());
for (const cases of [openingCases, streamCases, closingCases, serverCases, httpCases]) runCases(implementation, cases);
after(() => implementation.close());
