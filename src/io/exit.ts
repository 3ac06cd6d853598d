// Drivers whose process may end before they are closed: on 'exit' each may still send what can be sent at once. One listener
// for all of them. A signal that nobody handles ends a process without 'exit'; then the peers find out by themselves.

/** To be told, synchronously. */
export interface Ending {
  endNow(): void;
}

const living = new Set<Ending>();

export function followExit(ending: Ending): void {
  // Before the sockets are closed (libc.ts).
  if (living.size === 0) process.prependListener('exit', endAll);
  living.add(ending);
}

export function unfollowExit(ending: Ending): void {
  if (living.delete(ending) && living.size === 0) process.off('exit', endAll);
}

function endAll(): void {
  for (const ending of [...living]) ending.endNow();
}
