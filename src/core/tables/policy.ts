import type { Rule, Target } from './service-table.ts';

/** Orders the forward targets of one priority: the lowest score is best. Pure, so that all routers agree. */
export interface Policy {
  readonly name: string;
  score(target: Target, hashHi: number, hashLo: number): number;
}
export declare const weightedPolicy: Policy;
/**
 * The target for one attempt. Rank 0 is the best; a higher rank is the next best, through the lower priorities, then
 * round again. Undefined only when no target serves `protocol`. Answers demux, delay and drop targets too: look at `action`.
 */
export declare function choose(
  rule: Rule,
  protocol: number,
  hashHi: number,
  hashLo: number,
  rank: number,
  policy?: Policy,
): Target | undefined;
