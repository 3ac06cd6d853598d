// The process ends: whoever would wait for it is told as far as one packet each can tell it. Names are taken back, flows are
// reset. A flow whose application has ended it, and all of which has been sent, is left alone: its bytes are on the way,
// and an RST behind them would take them from who has not read them yet.

import { Reason } from '../base/index.ts';
import { unsentBytes } from '../transport/index.ts';
import { abort } from './close.ts';
import { closeBinding } from './names.ts';
import { connectionsOf } from './rest.ts';
import type { Connection, StackState } from './state.ts';

export function shutDown(stack: StackState): void {
  for (const socket of [...stack.sockets.values()]) {
    if (socket.kind === 'connection' || socket.kind === 'resting') continue;
    closeBinding(stack, socket);
    // Nobody will be here to let in who is half open.
    socket.drainUntilUs = stack.nowUs;
  }
  for (const connection of connectionsOf(stack))
    if (isCutShort(connection)) abort(stack, connection, Reason.CLOSED, 'this process ends');
}

function isCutShort({ state, arriving, localEnd, tcb }: Connection): boolean {
  if (state !== 'ESTABLISHED' || arriving !== undefined) return false;
  return !localEnd || tcb === undefined || unsentBytes(tcb) > 0;
}
