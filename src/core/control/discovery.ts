import type { FlowId, Locator, Random, ServiceId } from '../base/index.ts';
import type { ExpiringMap, ServiceTable } from '../tables/index.ts';
import type { ControlMessage } from './messages.ts';

export interface Resolution {
  readonly service: ServiceId;
  readonly protocol: number;
  readonly transaction: number;
  readonly sinceUs: number;
  attempts: number;
  /** When the gathering of OFFERs ends; Infinity before the first. */
  gatherEndUs: number;
  deadlineUs: number;
}
export interface Discovery {
  /** OFFERs become forward targets here, owner `discovered`, until they expire. */
  readonly table: ServiceTable;
  readonly random: Random;
  readonly pending: Map<string, Resolution>;
  readonly offers: ExpiringMap<string, { readonly message: ControlMessage }>;
}
export declare function createDiscovery(table: ServiceTable, random: Random, maxOffers?: number): Discovery;
/** Starts a search for instances of `service` on the local network, or joins one under way. */
export declare function resolve(discovery: Discovery, service: ServiceId, protocol: number, nowUs: number): void;
/** True when the OFFER answered a pending search and was installed. */
export declare function handleOffer(
  discovery: Discovery,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
): boolean;
export declare function handleWithdraw(discovery: Discovery, message: ControlMessage, remote: Locator): boolean;
/** `solicit`: multicast the message in `out`. `resolved`, `failed` (NO_SUCH_SERVICE): the search for (service, protocol) ended. */
export type DiscoveryOutcome =
  | { readonly kind: 'solicit' }
  | { readonly kind: 'resolved' | 'failed'; readonly service: ServiceId; readonly protocol: number };
/** The next thing due, also expiring old offers; undefined when nothing is. Call until undefined. */
export declare function pollDiscovery(
  discovery: Discovery,
  nowUs: number,
  out: ControlMessage,
): DiscoveryOutcome | undefined;
export declare function discoveryDeadlineUs(discovery: Discovery): number;
/** The other side: fills `out` with the OFFER for a SOLICIT that names a service bound here (a demux target); false if none is. */
export declare function offerFor(
  table: ServiceTable,
  solicit: ControlMessage,
  instance: FlowId,
  ttlMs: number,
  out: ControlMessage,
): boolean;
