// Somebody in the chat: prints what is said, and says what is typed. Knows nothing of redeploys.

import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { Agent } from '../../src/index.ts';

const [name = 'somebody', service = 'chat'] = process.argv.slice(2).filter((word) => word !== '--once');
const agent = new Agent();
const ws = new WebSocket(`ws://${service}.svc/${name}`, { agent });

ws.on('open', () => console.log('ready'));
ws.on('message', (text) => console.log(String(text)));
ws.on('error', (error) => console.error(error.message));
ws.on('close', () => process.exit());

createInterface({ input: process.stdin })
  .on('line', (line) => ws.send(line))
  .on('close', () => ws.close());
