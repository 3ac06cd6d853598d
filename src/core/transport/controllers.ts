// Which congestion controller a connection has. Its options say so, not its congestion state: a connection without the
// option, which is nearly every one, holds nothing for there being a choice.

import { bbr } from './bbr.ts';
import type { CongestionControl } from './congestion.ts';
import { cubic } from './cubic.ts';
import type { TcbOptions } from './types.ts';

export function controlOf({ congestion }: Pick<TcbOptions, 'congestion'>): CongestionControl {
  return congestion === 'bbr' ? bbr : cubic;
}
