// `stream` on a long path that loses packets without being full: what is measured is loss detection, recovery and
// congestion control, and hardly the cost of a byte. `net` is the kernel's TCP with CUBIC on the very same link
// (impairing-link.ts): the draws of the k-th packet of each way are the same for all.

import type { Bench } from './bench.ts';
import { stream } from './stream.ts';

export const lossy: Bench = {
  ...stream,
  unit: 'Mbit/s',
  impaired: true,
  transports: ['caracal', 'caracal-bbr', 'caracal-insecure', 'net'],
  ratios: [
    ['caracal', 'net'],
    ['caracal-insecure', 'net'],
    ['caracal-bbr', 'net'],
  ],
};
