// One instance of a chat that is redeployed: what a member says, a line, is told to all. What a connection is to the room
// is its member's half line; that travels when its process hands it over.

import { createServer, type Socket } from '../../../index.ts';
import { monotonicMs } from '../clock.ts';
import { report, serveCommands, workerOptions } from './commands.ts';
import type { HandedSeen } from './protocol.ts';

const { service, path } = workerOptions<{ service: string; path: string }>();
/** By member: the line that has not come whole. */
const halves = new Map<Socket, string>();

const server = createServer({ allowHalfOpen: false }, (socket) => join(socket, ''));
server.on('handoff', (socket: Socket, state: Buffer) => join(socket, state.toString()));
server.on('error', (error) => report({ kind: 'failed', error: error.message }));
server.listen({ service, handoff: path }, () => serveCommands({ handoff }));

function join(socket: Socket, half: string): void {
  halves.set(socket, half);
  socket.on('data', (bytes: Buffer) => hear(socket, bytes.toString('latin1')));
  socket.on('error', () => {});
  socket.on('close', () => halves.delete(socket));
}

function hear(socket: Socket, text: string): void {
  const lines = ((halves.get(socket) ?? '') + text).split('\n');
  halves.set(socket, lines.pop() ?? '');
  for (const line of lines) {
    const told = Buffer.from(`${line}\n`);
    for (const member of halves.keys()) member.write(told);
  }
}

async function handoff(): Promise<HandedSeen> {
  const fromMs = monotonicMs();
  const { moved, stayed } = await server.handoff(path, { state: (socket) => Buffer.from(halves.get(socket) ?? '') });
  return { fromMs, toMs: monotonicMs(), moved, stayed };
}
