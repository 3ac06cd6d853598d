// `stream` where neither end can open the kernel's fast paths: both use the fallback link, node:dgram alone (CARACAL_LINK), one
// packet of 1,200 bytes a call. Shown beside `net` and TLS, which go as ever.

import type { Bench } from './bench.ts';
import { stream } from './stream.ts';

export const dgram: Bench = {
  ...stream,
  transports: ['caracal-dgram', 'tls', 'caracal-insecure-dgram', 'net'],
  ratios: [
    ['caracal-dgram', 'net'],
    ['caracal-dgram', 'tls'],
    ['caracal-insecure-dgram', 'net'],
  ],
};
