// The fields of a connection that count its bytes, made wide before there is one (base/wide.ts).

import { widen } from '../base/index.ts';
import { widenTransport } from '../transport/index.ts';
import { createCounters } from './counters.ts';
import { blankConnection } from './rest.ts';
import type { Connection, StackState } from './state.ts';

const sums = [
  'sentBytes',
  'receivedBytes',
  'demandBytes',
  'wireBytes',
  'bytesIn',
  'bytesOut',
] as const satisfies (keyof Connection)[];

/** Before the first connection of a process. */
export function widenConnections(stack: StackState): void {
  const connection = blankConnection(stack, true, 'cubic');
  if (connection.tcb !== undefined) widenTransport(connection.tcb);
  widen(connection, sums);
  widen(connection.liveness, ['movedBytes']);
  widen(createCounters(), ['bytesIn', 'bytesOut']);
}
