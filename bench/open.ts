// Many connections at once, as many under way as a listener's backlog takes without losses.

import type { Connection, Transport } from './transport.ts';

const inFlight = 64;
/** A client has no more ports to one address (place.ts); ours has one for all its flows. */
const mostPorts = 60_000;

/** Why a transport cannot have so many connections; undefined: it can. */
export function missingPorts(transport: string, count: number): string | undefined {
  return transport.startsWith('caracal') || count <= mostPorts ? undefined : `${count} connections need as many ports`;
}

/** Rejects when one fails. */
export function openAll(transport: Transport, address: string, count: number): Promise<Connection[]> {
  const opened: Connection[] = [];
  return new Promise((resolve, reject) => {
    let established = 0;
    const next = (): void => {
      if (opened.length === count) return;
      const connection = transport.connect(address, () => {
        if (++established === count) resolve(opened);
        else next();
      });
      opened.push(connection);
      connection.on('error', reject).resume();
    };
    for (let i = 0; i < inFlight; i++) next();
  });
}
