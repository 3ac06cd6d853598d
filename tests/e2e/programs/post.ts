// One POST to the router's API: `post PATH JSON` prints the status and the answer on one line.

import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { connect, formatServiceId, labelId } from '../../../src/index.ts';

const [path = '/', body = '{}'] = process.argv.slice(2);
const service = formatServiceId(labelId('caracal.router'));
const outgoing = request({
  method: 'POST',
  path,
  headers: { host: `${service}.svc`, connection: 'close', 'content-type': 'application/json' },
  createConnection: () => connect({ service }),
});
outgoing.on('response', async (response) => {
  process.stdout.write(`${response.statusCode} ${(await text(response)).trim()}\n`);
});
outgoing.end(body);
