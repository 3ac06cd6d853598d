// An end of connections as the stack sees it, so that it can be copied: `listen SERVICE` echoes, `export ADDRESS:PORT` stops
// its connection and prints the state, `import HEX` goes on with one. A copy that does not go on prints the error that its
// program would have been given.

import { createInterface } from 'node:readline';
import { createDriver, labelId, type ServiceError } from '../../../src/index.ts';
import { serviceError } from '../../../src/sockets/index.ts';

type Input = Parameters<typeof driver.handle>[0];
type StackEvent = Parameters<Extract<Parameters<typeof driver.attach>[1], (...args: never[]) => void>>[0];

const [service = 'copied', at = '127.0.0.1'] = process.argv.slice(2);
const driver = createDriver({ address: at });
await driver.ready;

let connection: number | undefined;
/** Received, and not echoed yet. */
const waiting: Uint8Array[] = [];

const listener = driver.handle({ kind: 'listen', service: labelId(service), bits: 256, protocol: 6 } as Input);
driver.attach(listener, (event) => {
  if (event.kind === 'listening') console.log(`ready ${at}:${driver.locals()[0]?.port}`);
  if (event.kind === 'connection') goOn(event.connection);
});

function goOn(id: number): void {
  connection = id;
  driver.attach(id, onEvent);
  driver.handle({ kind: 'read', socket: id, bytes: 2 ** 40 });
}

function onEvent(event: StackEvent): void {
  if (event.kind === 'data') waiting.push(event.bytes);
  if (event.kind === 'data' || event.kind === 'writable') echo(event.socket);
  if (event.kind === 'end') driver.handle({ kind: 'end', socket: event.socket });
  if (event.kind === 'migrated') tell({ goesOn: true });
  if (event.kind === 'exported') tell({ state: Buffer.from(event.state).toString('hex'), waiting: waiting.length });
  if (event.kind === 'closed') onClosed(serviceError('read', event.reason, service), event.reason);
}

function onClosed({ code, reason, message }: ServiceError, stackReason: number): void {
  tell(stackReason === 0 ? { ended: true } : { code, reason, message });
}

function echo(socket: number): void {
  for (let bytes = waiting[0]; bytes !== undefined; bytes = waiting[0]) {
    const taken = driver.handle({ kind: 'write', socket, bytes, offset: 0 });
    if (taken < bytes.length) waiting[0] = bytes.subarray(taken);
    else waiting.shift();
    if (taken < bytes.length) return;
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command = '', argument = ''] = line.split(' ');
  if (command === 'export' && connection !== undefined) {
    const [host = '', port = ''] = argument.split(':');
    const to = { address: Uint8Array.from(host.split('.'), Number), port: Number(port) };
    driver.handle({ kind: 'export', socket: connection, to });
  } else if (command === 'import') {
    const id = driver.handle({ kind: 'import', state: Buffer.from(argument, 'hex'), listener });
    goOn(id);
    driver.handle({ kind: 'take', socket: id });
  }
});

function tell(what: object): void {
  console.log(JSON.stringify(what));
}
