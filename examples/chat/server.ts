// A WebSocket chat that is redeployed under its open connections. Start it, start it again, and end the first: everybody goes
// on in the second, and notices nothing.
//
//   node server.js /tmp/chat.sock &      # then, with a new version:
//   node server.js /tmp/chat.sock & sleep 1; kill %1

import { createServer } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Socket, serve } from '../../src/index.ts';
import { goOn, Unfinished } from './handed-over.ts';

interface Member {
  readonly name: string;
  readonly ws: WebSocket;
  readonly unfinished: Unfinished;
}

const [path = '/tmp/caracal-chat.sock', service = 'chat'] = process.argv.slice(2).filter((word) => word !== '--once');
const members = new Map<Socket, Member>();
const chat = new WebSocketServer({ noServer: true });
const http = createServer();

http.on('upgrade', (request, socket, head) => {
  const name = request.url?.slice(1) ?? 'nobody';
  chat.handleUpgrade(request, socket, head, (ws) => join(socket as unknown as Socket, ws, name));
});

function join(socket: Socket, ws: WebSocket, name: string): void {
  members.set(socket, { name, ws, unfinished: new Unfinished(socket) });
  ws.on('message', (text) => {
    for (const member of members.values()) member.ws.send(`${name}: ${text}`);
  });
  ws.on('close', () => members.delete(socket));
  ws.on('error', () => ws.terminate());
}

/** What the next process has to know of a connection; undefined: it is not a member's, or about to end. */
function state(socket: Socket): Buffer | undefined {
  const member = members.get(socket);
  if (member === undefined || member.ws.readyState !== member.ws.OPEN) return undefined;
  const { name, unfinished } = member;
  return Buffer.from(JSON.stringify({ name, unfinished: unfinished.bytes().toString('base64') }));
}

const serving = serve(http, service, { handoff: path });
serving.server.on('handoff', (socket: Socket, bytes: Buffer) => {
  const { name, unfinished } = JSON.parse(bytes.toString());
  goOn(chat, socket, Buffer.from(unfinished, 'base64'), (ws) => join(socket, ws, name));
});

process.once('SIGTERM', async () => {
  const handed = await serving.handoff(path, { state }).catch((error: Error) => error.message);
  console.log('handed over:', handed);
  await serving.drain({ deadlineMs: 10_000 });
});

await serving.ready;
console.log(`ready: ws://${service}.svc/, process ${process.pid}`);
