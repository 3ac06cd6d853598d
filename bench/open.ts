// Many connections at once, as many under way as a listener's backlog takes without losses.

import type { Connection, Transport } from './transport.ts';

const inFlight = 64;

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
