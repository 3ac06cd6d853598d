// The part of peer.ts that speaks datagrams: unbound sockets that answer by name, and connected ones.

import { once } from 'node:events';
import { createSocket, type DatagramSocket } from '../../../src/index.ts';

interface Received {
  readonly text: string;
  readonly from: string | undefined;
}

const sockets: { socket: DatagramSocket; received: Received[] }[] = [];

type Arguments = { [key: string]: unknown };

export const datagramCommands: Record<string, (args: Arguments) => unknown> = {
  datagramBind,
  datagramConnect,
  datagramListen,
  datagramSend: ({ socket, text, to }) => send(Number(socket), String(text), to as string | undefined),
  /** From many sockets in one turn, before any answer can come. */
  datagramSendFrom: ({ sockets: indices, text, to }) =>
    Promise.all((indices as number[]).map((index) => send(index, String(text), String(to)))),
  datagramReceived: ({ socket }) => ({ received: sockets[Number(socket)]?.received ?? [] }),
  datagramClose: ({ socket }) => void sockets[Number(socket)]?.socket.close(),
};

/** With `echo`, each message goes back to the name that sent it, with the pid in front. */
async function datagramBind({ service, bits, echo }: Arguments): Promise<{ socket: number; address: unknown }> {
  const socket = createSocket();
  const index = keep(socket);
  if (echo) {
    socket.on('message', (message: Buffer, remote) => {
      if (remote.service) socket.send(`${process.pid} ${message}`, remote.service);
    });
  }
  if (service === undefined) socket.bind();
  else socket.bind({ service: String(service), ...(bits === undefined ? {} : { bits: Number(bits) }) });
  await once(socket, 'listening');
  return { socket: index, address: socket.address() };
}

async function datagramConnect({ service }: Arguments): Promise<{ socket: number; remoteService: unknown }> {
  const socket = createSocket();
  const index = keep(socket);
  socket.connect(String(service));
  await once(socket, 'connect');
  return { socket: index, remoteService: socket.remoteService };
}

/** Accepts flows and answers each message with the pid and the number of the flow. */
async function datagramListen({ service }: Arguments): Promise<{ socket: number }> {
  const socket = createSocket();
  const index = keep(socket);
  let flows = 0;
  socket.on('connection', (flow: DatagramSocket) => {
    const number = flows++;
    flow.on('error', () => {});
    flow.on('message', (message: Buffer) => flow.send(`${process.pid} ${number} ${message}`));
  });
  socket.listen(String(service));
  await once(socket, 'listening');
  return { socket: index };
}

function keep(socket: DatagramSocket): number {
  const received: Received[] = [];
  socket.on('error', () => {});
  socket.on('message', (message: Buffer, remote) => {
    received.push({ text: message.toString(), from: remote.service });
  });
  return sockets.push({ socket, received }) - 1;
}

function send(index: number, text: string, to: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => (error ? reject(error) : resolve());
    if (to === undefined) sockets[index]?.socket.send(text, done);
    else sockets[index]?.socket.send(text, to, done);
  });
}
