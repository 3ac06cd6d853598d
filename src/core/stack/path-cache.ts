// What the path MTU searches of flows have found, by remote: all flows between two stacks take the same way (one pair of
// UDP ports), so what one has found holds for the others, those under way and those to come (RFC 8899, section 5.3.3 allows
// to share). Few flows have enough to send at once for a search of their own. A black hole is forgotten, not shared: the
// others find out by themselves. Rejected: a cache by host, whose ports may be hashed to different ways.

import { formatLocator, type Locator } from '../base/index.ts';
import { deleteExpiring, getExpiring, setExpiring, takeExpired } from '../tables/index.ts';
import { adoptPathMtu, type PathFindings, type Tcb } from '../transport/index.ts';
import type { Connection, StackState } from './state.ts';

/** As long as a search rests before it tries again. */
const knownUs = 600_000_000;

/** Of the way to a remote by one link. */
export interface KnownPath extends PathFindings {
  readonly link: number;
}

/** The search of `tcb` has come to something; answers what is news to the others. */
export function learnPath(stack: StackState, { peer, link }: Connection, tcb: Tcb): KnownPath | undefined {
  const { currentBytes, refutedBytes, losses } = tcb.mtu;
  const key = formatLocator(peer);
  const known = getExpiring(stack.knownPaths, key, stack.nowUs);
  if (known?.link === link) {
    if (currentBytes < known.currentBytes) {
      deleteExpiring(stack.knownPaths, key);
      return undefined;
    }
    const doubted = losses > 0 && known.losses === 0;
    if (currentBytes === known.currentBytes && refutedBytes >= known.refutedBytes && !doubted) return undefined;
  }
  const path = { link, currentBytes, refutedBytes, losses };
  setExpiring(stack.knownPaths, key, path, stack.nowUs + knownUs);
  return path;
}

/** The flow goes to its peer by its link from here on. */
export function adoptPath(stack: StackState, { tcb, peer, link }: Connection): void {
  if (tcb === undefined || stack.knownPaths.slots.size === 0) return;
  const known = getExpiring(stack.knownPaths, formatLocator(peer), stack.nowUs);
  if (known?.link === link) adoptPathMtu(tcb, stack.nowUs, known);
}

/** The link says that less passes. */
export function forgetPath(stack: StackState, remote: Locator): void {
  deleteExpiring(stack.knownPaths, formatLocator(remote));
}

/** This host is elsewhere. */
export function forgetPaths({ knownPaths }: StackState): void {
  while (takeExpired(knownPaths, Number.POSITIVE_INFINITY) !== undefined);
}
