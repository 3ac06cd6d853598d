// All connections of a server go to another process: first those that it has, then it takes its name back, then those that
// came meanwhile. So a receiver that fails or refuses costs nothing: until everybody could go the server serves on.

import { misuse } from '../errors.ts';
import type { Socket } from '../socket.ts';
import { dialReceiver, type Traveller } from './carrier.ts';
import { Channel } from './channel.ts';
import { HandingOver, type HandoffOptions, type HandoffResult } from './hand-over.ts';

/** What it has to know of the server. */
export interface Origin {
  connections(): readonly Socket[];
  /** Resolves once no more can come. */
  close(): Promise<void>;
}

/** What clients sent to the old place has come there by then, and was passed on. */
const lingerMs = 100;

/** `to`: a path; undefined: another instance. An error says how many had `moved` and `stayed` by then. */
export async function handOff(
  to: string | undefined,
  whose: Traveller,
  options: HandoffOptions,
  origin: Origin,
): Promise<HandoffResult> {
  const { together = Number.POSITIVE_INFINITY } = options;
  if (!(together >= 1)) throw misuse('ERR_OUT_OF_RANGE', `together is at least 1, not ${together}`, 'range');
  const channel = new Channel(await dialReceiver(to, whose).catch(toldOf(0, 0)));
  const own = whose.driver.locals?.() ?? [];
  const handing = new HandingOver(channel, to ?? `svc://${whose.text}`, own, options);
  const seen = new Set<Socket>();
  try {
    await handAll(handing, origin, seen, together);
    if (handing.refusals.size === 0) {
      await origin.close();
      await handAll(handing, origin, seen, together);
    }
  } catch (error) {
    return toldOf(handing.moved, handing.stayed)(error);
  } finally {
    channel.end();
  }
  if (handing.moved > 0) await new Promise((resolve) => setTimeout(resolve, lingerMs));
  return { moved: handing.moved, stayed: handing.stayed, refusals: [...handing.refusals] };
}

function toldOf(moved: number, stayed: number): (error: unknown) => never {
  return (error) => {
    throw Object.assign(error as Error, { moved, stayed });
  };
}

/** Those that were not tried before. */
async function handAll(handing: HandingOver, origin: Origin, seen: Set<Socket>, together: number): Promise<void> {
  for (;;) {
    const next = origin.connections().filter((socket) => !seen.has(socket));
    if (next.length === 0) return;
    const batch = next.slice(0, Math.min(together, next.length));
    for (const socket of batch) seen.add(socket);
    await handing.batch(batch);
  }
}
