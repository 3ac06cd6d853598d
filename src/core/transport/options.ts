// What an application may change on a live connection. Buffer limits only move the bounds of the automatic tuning; the
// receive buffer cannot outgrow the window scale agreed in the SYN.

import type { Tcb } from './tcb.ts';
import type { EngineOptions, KeepAlive } from './types.ts';

export interface TcbChanges {
  readonly nagle?: boolean;
  /** `null` turns it off. */
  readonly keepAlive?: KeepAlive | null;
  readonly timeoutUs?: number;
  readonly sendBufferBytes?: number;
  readonly receiveBufferBytes?: number;
}

/** Takes effect with the next `endBatch` or `egress`. */
export function setOptions(tcb: Tcb, changes: TcbChanges): void {
  const { keepAlive, ...others } = changes;
  const options: { -readonly [K in keyof EngineOptions]: EngineOptions[K] } = { ...tcb.options, ...others };
  if (keepAlive === null) delete options.keepAlive;
  else if (keepAlive !== undefined) options.keepAlive = keepAlive;
  if (keepAlive !== undefined) tcb.timers.keepAliveUs = Infinity;
  tcb.options = options;
}
