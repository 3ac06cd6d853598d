// An instance of an echo service that hands its connections over and takes others' over, as it is told on standard input
// and by its options. It counts what it has echoed on each connection; that is what it gives along. Prints `ready`, a line of JSON for
// each command, and one for what it has been handed.

import { createInterface } from 'node:readline';
import { createServer, type HandoffOptions, type Socket } from '../../../src/index.ts';

export interface EchoOptions {
  readonly service: string;
  /** Where it takes connections over. */
  readonly at?: string | true;
  /** Whom it hands them to; absent: another instance of the service. */
  readonly to?: string;
  readonly identity?: string;
  /** Refuses every second connection; takes none; ends as soon as it is handed one. */
  readonly receiver?: 'half' | 'none' | 'dies';
  /** Bytes of state for each connection. */
  readonly stateBytes?: number;
  readonly together?: number;
  /** Milliseconds. */
  readonly timeoutMs?: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as EchoOptions;
const { service, at, to, identity, receiver } = options;
const echoed = new Map<Socket, number>();
let [handed, met] = [0, 0];

const server = createServer({ identity }, (socket) => echo(socket, 0));
if (receiver !== 'none')
  server.on('handoff', (socket: Socket, state: Buffer) => {
    if (receiver === 'dies') process.exit(3);
    if (receiver === 'half' && ++met % 2 === 0) socket.destroy();
    else {
      handed++;
      echo(socket, state.readUInt32BE());
    }
  });
server.on('error', fail);
server.listen({ service, handoff: at }, () => console.log('ready'));

function echo(socket: Socket, before: number): void {
  echoed.set(socket, before);
  socket.on('data', (bytes: Buffer) => {
    echoed.set(socket, (echoed.get(socket) ?? 0) + bytes.length);
    socket.write(bytes);
  });
  socket.on('error', fail);
  socket.on('close', () => echoed.delete(socket));
}

function state(socket: Socket): Buffer {
  const bytes = Buffer.alloc(options.stateBytes ?? 4);
  bytes.writeUInt32BE((echoed.get(socket) ?? 0) % 2 ** 32);
  return bytes;
}

createInterface({ input: process.stdin }).on('line', async (command) => {
  if (command === 'handoff') await hand();
  else tell({ handed, open: echoed.size, bytes: [...echoed.values()] });
});

async function hand(): Promise<void> {
  const { together, timeoutMs } = options;
  const handing: HandoffOptions = { state, together, timeoutMs };
  try {
    tell(await (to === undefined ? server.handoff(handing) : server.handoff(to, handing)));
  } catch (error) {
    const { code, message, syscall, moved, stayed } = error as NodeJS.ErrnoException & {
      moved?: number;
      stayed?: number;
    };
    tell({ code, message, syscall, moved, stayed });
  }
}

function fail(error: NodeJS.ErrnoException & { reason?: string }): void {
  tell({ failed: error.code, reason: error.reason, message: error.message });
}

function tell(what: object): void {
  console.log(JSON.stringify(what));
}
