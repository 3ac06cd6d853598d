// Datagrams by name. Unbound: no handshake, each message may meet another instance, and the answer goes to the
// sender's name. Connected: unreliable too, but every message meets the same instance.

import { once } from 'node:events';
import { createSocket, type DatagramSocket } from '../src/index.ts';

const clock = createSocket();
clock.on('message', (question, { service }) => clock.send(`${question}: ${new Date().toISOString()}`, service));
clock.bind('clock');
const counter = createSocket();
counter.on('connection', (flow: DatagramSocket) => {
  let count = 0;
  flow.on('message', () => flow.send(`message ${++count} of this flow`));
});
counter.listen('counter');
await Promise.all([once(clock, 'listening'), once(counter, 'listening')]);
console.log('ready: clock and counter');

const asker = createSocket();
asker.send('what time is it', 'clock');
console.log(String((await once(asker, 'message'))[0]));
const flow = createSocket().connect('counter');
for (let i = 0; i < 3; i++) {
  flow.send('count');
  console.log(String((await once(flow, 'message'))[0]));
}
asker.close();
flow.close();

if (process.argv.includes('--once')) {
  clock.close();
  counter.close();
}
