// Many connections at once, as many under way as a listener's backlog takes without losses.

import type { Connection, Transport } from './transport.ts';

const inFlight = 64;
/** A client has no more ports to one address (place.ts); ours has one for all its flows. */
const mostPorts = 60_000;
/** Of a process besides its connections. */
const otherDescriptors = 100;

/** Why a transport cannot have so many connections; undefined: it can. */
export function tooMany(transport: string, count: number): string | undefined {
  if (transport.startsWith('caracal')) return undefined;
  if (count > mostPorts) return `${count} connections need as many ports`;
  const most = mostDescriptors();
  return count + otherDescriptors > most
    ? `${count} connections need as many descriptors, of which a process has ${most}`
    : undefined;
}

/** Node raises its soft limit to the hard one. */
function mostDescriptors(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { hard: unknown } } };
  const hard = userLimits?.open_files?.hard;
  return typeof hard === 'number' ? hard : Infinity;
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
