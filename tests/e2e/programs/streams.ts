// An instance of a plain byte-stream service: `streams SERVICE feed|echo [failover]`. A feed sends as much content as the first
// line of its client asks for; an echo sends back what it gets. With `failover` it goes on where another instance stopped:
// a feed reads the line again, an echo wants what the client has not got back. Prints a line for each connection.

import { Readable } from 'node:stream';
import { createServer, type LostConnection, type Socket } from '../../../src/index.ts';
import { makeContent } from '../content.ts';

const [service = '', kind = '', failover = ''] = process.argv.slice(2);
/** Of what clients ask for. */
const seed = 61;

/** The first line again, from the first byte on; or what has not come back. */
function takeOver({ bytesWritten, firstByte }: LostConnection): number | undefined {
  const wanted = kind === 'feed' ? 0 : bytesWritten;
  return wanted >= firstByte ? wanted : undefined;
}

function* contentFrom(offset: number, bytes: number): Generator<Buffer> {
  let at = 0;
  for (const block of makeContent(bytes, seed)) {
    if (at + block.length > offset) yield block.subarray(Math.max(0, offset - at));
    at += block.length;
  }
}

function onConnection(socket: Socket): void {
  console.log(`serving ${JSON.stringify(socket.resumed ?? null)}`);
  socket.on('error', (error: NodeJS.ErrnoException) => console.log(`broken ${error.code}`));
  if (kind === 'echo') socket.pipe(socket);
  else
    socket.once('data', (line) => {
      Readable.from(contentFrom(socket.bytesWritten, Number(line))).pipe(socket);
    });
}

createServer(failover === 'failover' ? { failover: takeOver } : {}, onConnection).listen(service, () =>
  console.log('ready'),
);
