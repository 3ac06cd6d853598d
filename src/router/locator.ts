// Locators in text, as rules name next hops: addresses only. A host name would have to be looked up again whenever it
// changes, and a rule must not depend on that.

import type { Locator } from '../core/base/index.ts';
import { parseAddress } from '../io/index.ts';

/** `192.0.2.7:40000` or `[2001:db8::7]:40000`; undefined for anything else. */
export function parseLocator(text: string): Locator | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3]);
  if (address === undefined || !(port >= 1 && port <= 65535)) return undefined;
  return { address, port };
}
