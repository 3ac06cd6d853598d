// Who waits for a name to be found on the local network: openings and unbound datagrams, by name and protocol. The
// search itself is core/control's; it ends with an OFFER, with a router, or with nothing.

import { formatServiceId, type ServiceId } from '../base/index.ts';
import type { StackState } from './state.ts';
import type { SocketId } from './types.ts';

export interface HeldDatagram {
  readonly socket: SocketId;
  readonly bytes: Uint8Array;
  readonly to: ServiceId;
}

export interface Search {
  readonly service: ServiceId;
  readonly protocol: number;
  readonly sockets: Set<SocketId>;
  readonly datagrams: HeldDatagram[];
}

function searchKey(service: ServiceId, protocol: number): string {
  return `${formatServiceId(service)} ${protocol}`;
}

export function joinSearch(stack: StackState, service: ServiceId, protocol: number): Search {
  const key = searchKey(service, protocol);
  let search = stack.searches.get(key);
  if (search === undefined) {
    search = { service, protocol, sockets: new Set(), datagrams: [] };
    stack.searches.set(key, search);
  }
  return search;
}

/** Takes the search out, so that those who wait may join another one while they are told. */
export function takeSearch(stack: StackState, service: ServiceId, protocol: number): Search | undefined {
  const key = searchKey(service, protocol);
  const search = stack.searches.get(key);
  stack.searches.delete(key);
  return search;
}
