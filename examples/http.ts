// Node's own HTTP server and client, reached by name: `serve` feeds any http.Server, `Agent` leads requests to
// services. A program would have one of the two halves; here both are in one process.

import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { Agent, serve } from '../src/index.ts';

const serving = serve((request, response) => response.end(`you asked for ${request.url}\n`), 'web');
const { service } = await serving.ready;
console.log(`ready: http://${service}.svc/`);

const agent = new Agent({ keepAlive: true });
const [response] = (await once(get('http://web.svc/hello', { agent }), 'response')) as [IncomingMessage];
for await (const chunk of response) process.stdout.write(chunk);
agent.destroy();

if (process.argv.includes('--once')) await serving.close();
