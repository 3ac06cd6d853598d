// A server is found by its service's name: no port, no address. Run it, then echo-client.ts in another terminal.
// `--once` ends after one connection.

import { createServer } from '../src/index.ts';

const server = createServer((socket) => {
  console.log('a connection');
  socket.pipe(socket);
  if (process.argv.includes('--once')) server.close();
});

server.listen('echo', () => console.log(`ready: serving ${server.address()?.service}`));
