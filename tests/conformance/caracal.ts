// Ours, behind the suite's interface: servers on one stack and clients on another, with real packets between them.

import type { Driver } from '../../src/core/stack/index.ts';
import { createDriver } from '../../src/index.ts';
import { Agent, connect, createServer, type Server, Socket, serve } from '../../src/sockets/index.ts';
import type { Address, AnyServer, AnySocket, Implementation } from './implementation.ts';

let names = 0;

/** A real driver whose discovery nothing else on this machine takes part in. */
export function lonelyDriver(): Driver {
  return createDriver({ discovery: `239.255.67.68:${20_000 + (process.pid % 20_000)}` });
}

/** A new name, so that cases do not meet each other or another process. */
export function freeName(): string {
  return `conformance-${process.pid}-${++names}`;
}

export function caracalOver(name: string, serverDriver: Driver, clientDriver: Driver): Implementation {
  return {
    name,
    createServer: (options, listener) =>
      createServer(
        { ...options, driver: serverDriver },
        listener as ((socket: Socket) => void) | undefined,
      ) as unknown as AnyServer,
    freeAddress: async () => freeName(),
    listen(server, address, options) {
      (server as unknown as Server).listen({ service: text(address), ...options });
    },
    connect: (address, options, listener) =>
      connect({ service: text(address), driver: clientDriver, ...options }, listener) as AnySocket,
    createSocket: (options) => new Socket({ driver: clientDriver, ...options }) as AnySocket,
    connectSocket(socket, address, listener) {
      (socket as unknown as Socket).connect(text(address), listener);
    },
    createAgent: (options) => new Agent({ driver: clientDriver, ...options }),
    async serve(server) {
      const service = freeName();
      const serving = serve(server, service, { driver: serverDriver });
      await serving.ready;
      return { address: service, request: { host: `${service}.svc` }, close: () => serving.close() };
    },
    skips: new Map(),
    async close() {
      await Promise.all([...new Set([serverDriver, clientDriver])].map((driver) => driver.close()));
    },
  };
}

function text(address: Address): string {
  if (typeof address !== 'string') throw new TypeError('an address of ours is a name');
  return address;
}
