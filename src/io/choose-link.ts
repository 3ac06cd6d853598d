// Which link a process uses. The choice is made once, at start, and never silently: `report` says which and why. A link
// that fell back in mid-life would change the path MTU under every flow.

import { createDgramLink } from './dgram-link.ts';
import { loadLibc } from './libc.ts';
import { createOffloadLink } from './offload-link.ts';
import type { LinkOptions, LinkReport, UdpLink } from './udp-link.ts';

/** Unreferenced from the start. Throws when the kind asked for cannot be had. */
export function createLink(options: LinkOptions): UdpLink {
  const asked = options.kind ?? kindFromEnvironment();
  const forced = asked !== undefined;
  if (asked === 'dgram') return createDgramLink(options, { why: 'asked for', forced });
  const libc = options.libc ?? loadLibc();
  if (typeof libc !== 'string') {
    const why = forced ? 'asked for' : 'segmentation offload is there';
    const link = createOffloadLink(options, libc, { why, forced });
    if (typeof link !== 'string') return link;
    return fallBack(options, forced, link);
  }
  return fallBack(options, forced, libc);
}

/** Opens a link on a free port, asks it, closes it: for `caracal doctor`. */
export async function linkReport(kind?: 'offload' | 'dgram'): Promise<LinkReport> {
  const callbacks = { received() {}, drained() {}, writable() {}, unreachable() {} };
  const link = createLink({ callbacks, ...(kind === undefined ? {} : { kind }) });
  link.ref();
  try {
    await link.ready;
    return link.report();
  } finally {
    await link.close();
  }
}

function fallBack(options: LinkOptions, forced: boolean, reason: string): UdpLink {
  if (!forced) return createDgramLink(options, { why: reason, forced });
  throw Object.assign(new Error(`CARACAL_LINK=offload, but ${reason}`), { code: 'ERR_CARACAL_LINK' });
}

function kindFromEnvironment(): 'offload' | 'dgram' | undefined {
  const kind = process.env['CARACAL_LINK'];
  if (kind === undefined || kind === '' || kind === 'auto') return undefined;
  if (kind === 'offload' || kind === 'dgram') return kind;
  const message = `CARACAL_LINK is "offload", "dgram" or "auto", not "${kind}"`;
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
