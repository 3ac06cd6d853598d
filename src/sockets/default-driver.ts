// The driver that sockets use when none is given. Sockets import core only, so the package's entry point (src/index.ts)
// says how to make one; it is made at the first socket and shared by the process: one link, one timer.

import type { Driver } from '../core/stack/index.ts';

let make: (() => Driver) | undefined;
let shared: Driver | undefined;

/** How the default driver is made. A driver made before stays in use until it is closed. */
export function setDefaultDriver(factory: () => Driver): void {
  make = factory;
}

export function defaultDriver(): Driver {
  if (!shared) {
    if (!make) throw new Error('no default driver: import caracal, not one of its parts, or pass { driver }');
    shared = make();
  }
  return shared;
}

/** Closes the default driver if there is one; the next socket makes another. */
export async function closeDefaultDriver(): Promise<void> {
  const driver = shared;
  shared = undefined;
  await driver?.close();
}
