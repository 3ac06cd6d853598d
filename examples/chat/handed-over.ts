// WebSockets of the ws library in connections that change their process. What ws holds of one is the message that has
// not come whole: its bytes are kept here, travel as the connection's state, and are given to ws again as if they had just come.

import { IncomingMessage } from 'node:http';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Socket } from '../../src/index.ts';

/** Of one connection, from its first byte behind the upgrade on. */
export class Unfinished {
  /** Whole frames of a message whose last one has not come; then the beginning of a frame. */
  #frames: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    // Before ws has them, and a copy: it takes the mask off in place.
    socket.prependListener('data', (chunk: Buffer) => this.#take(Buffer.from(chunk)));
  }

  bytes(): Buffer {
    return Buffer.concat([...this.#frames, this.#rest]);
  }

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let bytes = frameBytes(this.#rest); bytes <= this.#rest.length; bytes = frameBytes(this.#rest)) {
      const frame = this.#rest.subarray(0, bytes);
      this.#rest = this.#rest.subarray(bytes);
      const [first = 0] = frame;
      // Pings and their like may stand between the frames of a message.
      if ((first & 0x0f) >= 8) continue;
      if (first & 0x80) this.#frames = [];
      else this.#frames.push(frame);
    }
  }
}

/** How long the first frame is (RFC 6455 section 5.2), or Infinity if its head is not there. */
function frameBytes(bytes: Buffer): number {
  if (bytes.length < 2) return Infinity;
  const short = bytes[1]! & 0x7f;
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
  if (bytes.length < 2 + lengthBytes) return Infinity;
  const long = lengthBytes === 8 ? Number(bytes.readBigUInt64BE(2)) : lengthBytes === 2 ? bytes.readUInt16BE(2) : short;
  return 2 + lengthBytes + (bytes[1]! & 0x80 ? 4 : 0) + long;
}

/** The WebSocket of a connection that another process has answered the upgrade of. */
export function goOn(
  server: WebSocketServer,
  socket: Socket,
  unfinished: Buffer,
  opened: (ws: WebSocket) => void,
): void {
  const request = Object.assign(new IncomingMessage(socket as never), { method: 'GET', url: '/', headers });
  // What ws answers here was answered there.
  socket.write = () => true;
  try {
    server.handleUpgrade(request, socket, unfinished, opened);
  } finally {
    Reflect.deleteProperty(socket, 'write');
  }
}

const headers = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};
