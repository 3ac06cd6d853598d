// A service that sends bytes without end, an AES-CTR key stream that can be known again, until its client has had enough;
// then it says how many there were and their hash. Bytes that come before are sent back: a client measures the round trip.

import { createCipheriv, createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from '../../../index.ts';
import { report, serveCommands, workerOptions } from './commands.ts';
import { beginByte, type SourceReport } from './protocol.ts';

/** Of one write, and so of a record at most: what is delivered waits for a whole one. */
const chunkBytes = 16 * 1024;

const { service } = workerOptions<{ service: string }>();
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', (error) => report({ kind: 'failed', error: error.message }));
  void serveOne(socket);
});
/** Of the newest stream. */
let newest: Socket | undefined;
server.listen(service, () => serveCommands({ paths: () => newest?.paths() ?? [] }));

async function serveOne(socket: Socket): Promise<void> {
  newest = socket;
  let ended = false;
  socket.once('end', () => {
    ended = true;
  });
  await untilBegun(socket);
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'caracal'), Buffer.alloc(16));
  const zeros = Buffer.alloc(chunkBytes);
  const hash: Hash = createHash('sha256');
  let bytes = 0;
  while (!ended && !socket.destroyed) {
    const chunk = stream.update(zeros);
    hash.update(chunk);
    bytes += chunk.length;
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  socket.end();
  report({ kind: 'sent', bytes, sha256: hash.digest('hex') } satisfies SourceReport);
}

function untilBegun(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('data', (bytes: Buffer) => {
      if (bytes.includes(beginByte)) resolve();
      else socket.write(bytes);
    });
  });
}
