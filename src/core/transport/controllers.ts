// Which congestion controller a connection has. Its options say so, not its congestion state: a connection without the
// option, which is nearly every one, holds nothing for there being a choice.

import { bbr } from './bbr.ts';
import type { CongestionControl } from './congestion.ts';
import { cubic } from './cubic.ts';
import { setRate } from './pacing.ts';
import type { Tcb } from './tcb.ts';
import type { TcbOptions } from './types.ts';

/** Delayed ACKs make the round trip of a near peer look long; a pacer that believed them would strangle what follows. */
const inflationLimit = 4;

export function controlOf({ congestion }: Pick<TcbOptions, 'congestion'>): CongestionControl {
  return congestion === 'bbr' ? bbr : cubic;
}

/** The pacer follows what the controller says now. */
export function repace({ options, congestion, rtt, pacer }: Tcb): void {
  const pathUs = Math.min(rtt.srttUs, inflationLimit * rtt.minRttUs);
  setRate(pacer, controlOf(options).pace(congestion, pathUs), pathUs);
}
