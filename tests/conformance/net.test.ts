// node:net itself passes the suite: a case that it fails would be asking for the wrong thing.

import { closingCases } from './cases/closing.ts';
import { httpCases } from './cases/http.ts';
import { openingCases } from './cases/opening.ts';
import { serverCases } from './cases/servers.ts';
import { streamCases } from './cases/streams.ts';
import { runCases } from './harness.ts';
import { nodeNet } from './implementation.ts';

for (const cases of [openingCases, streamCases, closingCases, serverCases, httpCases]) runCases(nodeNet, cases);
