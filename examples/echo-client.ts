// Connects to whoever serves `echo`, on this machine or this network, says what the arguments say and prints the echo.

import { connect } from '../src/index.ts';

const words = process.argv.slice(2).filter((word) => word !== '--once');
const socket = connect('echo', () => console.log(`connected to ${socket.remoteService}`));
socket.setEncoding('utf8');
socket.on('data', (text) => console.log(`echo: ${text}`));
socket.on('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
socket.end(words.join(' ') || 'hello, service');
