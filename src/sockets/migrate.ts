// What `socket.migrate` asks of driver and stack, and how that ends (docs/protocol.md, "Moves"). The stack names no move in
// what it tells: all who wait hear how the newest one ended, and it took the place of those before. Addresses may be
// given here and are never shown (N3).

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Reason } from '../core/base/index.ts';
import type { Driver } from '../core/stack/index.ts';
import { misuse, serviceError } from './errors.ts';
import type { Carrier } from './flow.ts';

/** Where to; neither: the connection tells its peer where it is now. */
export interface MigrateOptions {
  /** A local address. The unspecified one (`0.0.0.0`, `::`) leaves the choice to this machine's routes, as at first. */
  readonly address?: string | undefined;
  /** An interface by name: one of its addresses, of the connection's IP version. */
  readonly interface?: string | undefined;
}

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/** The moves of one Socket that are under way. */
export class Moves {
  readonly #waiting = new Set<Waiting>();

  /** Resolves once the peer knows; rejects with a ServiceError, and the connection is where it was. */
  async begin(carrier: Carrier | undefined, service: string, options: MigrateOptions): Promise<void> {
    const addresses = addressesOf(options, service);
    if (!carrier?.open) throw serviceError('migrate', Reason.BAD_STATE, service);
    const { driver, id } = carrier;
    for (const address of addresses) {
      const link = address === undefined ? {} : { link: await openLink(driver, address, service) };
      if (driver.handle({ kind: 'migrate', socket: id, ...link }) === 1) return this.#outcome();
    }
    const detail = addresses[0] === undefined ? '' : 'it is ending, or its peer has the other IP version';
    throw serviceError('migrate', Reason.BAD_STATE, service, detail);
  }

  /** The newest move has ended. */
  settle(error?: Error): void {
    for (const { resolve, reject } of this.#waiting)
      if (error) reject(error);
      else resolve();
    this.#waiting.clear();
  }

  #outcome(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ resolve, reject });
    });
  }
}

function addressesOf({ address, interface: name }: MigrateOptions, service: string): (string | undefined)[] {
  if (address !== undefined) {
    if (typeof address === 'string' && isIP(address) !== 0) return [address];
    throw misuse('ERR_INVALID_ARG_VALUE', `a connection moves to an IP address of this machine, not to "${address}"`);
  }
  if (name === undefined) return [undefined];
  const addresses = (networkInterfaces()[name] ?? []).map((entry) => entry.address);
  if (addresses.length > 0) return addresses;
  throw serviceError('migrate', Reason.UNREACHABLE, service, `interface ${name}`);
}

async function openLink(driver: Driver, address: string, service: string): Promise<number> {
  if (driver.openLink === undefined)
    throw misuse('ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', 'this driver has one link and can open no other', 'state');
  try {
    return await driver.openLink(address);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw error;
    throw serviceError('migrate', Reason.UNREACHABLE, service, address);
  }
}
