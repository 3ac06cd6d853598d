// WebSockets by service name: the ws library on both sides, unchanged.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { Agent, serve } from '../src/index.ts';

const server = createServer();
const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket) => socket.on('message', (text) => socket.send(`you said: ${text}`)));
const serving = serve(server, 'chat');
await serving.ready;
console.log('ready: ws://chat.svc/');

const agent = new Agent();
const client = new WebSocket('ws://chat.svc/', { agent });
await once(client, 'open');
client.send('hello');
console.log(String((await once(client, 'message'))[0]));
client.close();
await once(client, 'close');
agent.destroy();

if (process.argv.includes('--once')) {
  sockets.close();
  await serving.close();
}
