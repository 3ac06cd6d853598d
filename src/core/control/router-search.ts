import type { FlowId, Locator, Random } from '../base/index.ts';
import type { ControlMessage } from './messages.ts';

/** Looks for a router by SOLICIT without a service: quickly at start, then slowly for ever, until one answers. */
export interface RouterSearch {
  state: 'searching' | 'found';
  transaction: number;
  attempts: number;
  deadlineUs: number;
  router: Locator | undefined;
  routerBoot: FlowId | undefined;
  leaseMs: number;
  /** ADVERT flags. */
  flags: number;
}
export declare function createRouterSearch(random: Random, nowUs: number): RouterSearch;
/** Search again from the quick schedule (router lost, network changed). */
export declare function restartRouterSearch(search: RouterSearch, random: Random, nowUs: number): void;
/** True when this ADVERT ended the search: `router` and `routerBoot` are set. */
export declare function handleAdvert(search: RouterSearch, message: ControlMessage, remote: Locator): boolean;
/** Fills a SOLICIT that is due, for the multicast group and each router candidate; false when none is. */
export declare function pollRouterSearch(search: RouterSearch, nowUs: number, out: ControlMessage): boolean;
export declare function routerSearchDeadlineUs(search: RouterSearch): number;
