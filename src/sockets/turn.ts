// Small writes of one turn of the event loop go as one: the first two at once, what follows them when the turn ends, in one
// record. It is the stream's own cork, so `end`, `cork` and write callbacks are as anywhere. Rejected: to let
// the first wait too (a tick more for each message), and to hold every write back until the driver polls (a copy of
// each, and an order of its own beside the stream's).

import type { Duplex } from 'node:stream';

/** A larger one pays for its record by itself. */
const smallBytes = 4096;

let turn = 0;
let counted = false;

/** What a socket has to remember of the turn. */
export interface Turn {
  /** Of its last small write. */
  lastTurn: number;
  held: boolean;
}

/** To be called for what was just written. */
export function noteWrite(socket: Duplex, state: Turn, bytes: number): void {
  if (bytes > smallBytes || state.held) return;
  if (state.lastTurn !== turnNumber()) {
    state.lastTurn = turn;
    return;
  }
  state.held = true;
  socket.cork();
  process.nextTick(letGo, socket, state);
}

/** What the turn has held so far is written. */
export function letGo(socket: Duplex, state: Turn): void {
  if (!state.held) return;
  state.held = false;
  socket.uncork();
}

/** One tick a turn counts for all sockets. */
function turnNumber(): number {
  if (!counted) {
    counted = true;
    process.nextTick(endTurn);
  }
  return turn;
}

function endTurn(): void {
  counted = false;
  turn++;
}
