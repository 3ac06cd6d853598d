// Which target of a rule takes a flow: weighted rendezvous hashing, ranked (docs/protocol-control.md, "Service table").
// Every router that holds the same targets makes the same choice without keeping state, a retransmission meets the
// same instance, the next attempt another, and a target that leaves moves only its own flows. Sorting all scores was
// rejected: rank 0, nearly every packet, needs only the minimum.

import { firstChoice, inlineBallots, mixFlow, mixInstance, variate } from './ballots.ts';
import { lookupEntry, type Rule, type ServiceTable, serves, type Target } from './service-table.ts';

/** Orders the forward targets of one priority: the lowest score is best. Pure, so that all routers agree. */
export interface Policy {
  readonly name: string;
  score(target: Target, hashHi: number, hashLo: number): number;
}

/** Shares by weight. */
export const weightedPolicy: Policy = {
  name: 'weighted',
  score({ instance, weight }, hashHi, hashLo) {
    return variate(mixInstance(mixFlow(hashHi, hashLo), instance.hi, instance.lo), weight);
  },
};

/** Deeper ranks than this repeat: bounds what a packet with a high attempt number may cost. */
const maxRanked = 16;
const bestScores = new Float64Array(maxRanked);
const bestIndices = new Int32Array(maxRanked);

/** What one call of `choose` asks; reused, since it never outlives the call. */
const query = { protocol: 0, minWeight: 1, hashHi: 0, hashLo: 0, policy: weightedPolicy };

/** What the longest rule for the name at `offset` chooses; undefined when there is no rule, or none of its targets serves. */
export function resolveTarget(
  table: ServiceTable,
  protocol: number,
  bytes: Uint8Array,
  offset: number,
  hashHi: number,
  hashLo: number,
  rank: number,
): Target | undefined {
  const entry = lookupEntry(table, protocol, bytes, offset);
  if (entry < 0) return undefined;
  const from = entry * inlineBallots;
  // Looked at before the entry has come from memory, so that both come at once.
  if (rank === 0 && table.first[from] !== undefined) {
    const chosen = firstChoice(table.ballots, table.prefixes, entry, protocol, hashHi, hashLo);
    if (chosen >= 0) return chosen < inlineBallots ? table.first[from + chosen] : table.rules[entry]!.targets[chosen];
  }
  return choose(table.rules[entry]!, protocol, hashHi, hashLo, rank);
}

/**
 * The target for one attempt of a flow. Rank 0 is the best; a higher rank the next best, then the lower priorities,
 * then round again. Weight 0 counts only when nothing else is left. A drop, demux or delay target answers every rank
 * when it stands first, and ends the ranking when it does not. Undefined when no target serves `protocol`.
 */
export function choose(
  rule: Rule,
  protocol: number,
  hashHi: number,
  hashLo: number,
  rank: number,
  policy: Policy = weightedPolicy,
): Target | undefined {
  const { targets } = rule;
  query.protocol = protocol;
  query.minWeight = 1;
  query.hashHi = hashHi;
  query.hashLo = hashLo;
  query.policy = policy;
  let start = nextEligible(targets, 0);
  if (start === targets.length) {
    query.minWeight = 0;
    start = nextEligible(targets, 0);
  }
  const first = targets[start];
  if (first === undefined || first.action !== 'forward') return first;
  return rank === 0 ? bestOf(targets, start) : rankedOf(targets, start, rank % countForwards(targets, start, false));
}

/** The lowest score in the group that begins at `start`; no score is computed for a group of one. */
function bestOf(targets: readonly Target[], start: number): Target {
  let best = targets[start]!;
  let bestScore = -1;
  const { priority } = best;
  const { hashHi, hashLo, policy } = query;
  for (let i = start + 1; i < targets.length; i++) {
    const target = targets[i]!;
    if (target.priority !== priority) break;
    if (!isEligible(target)) continue;
    if (bestScore < 0) bestScore = policy.score(best, hashHi, hashLo);
    const score = policy.score(target, hashHi, hashLo);
    if (score >= bestScore) continue;
    bestScore = score;
    best = target;
  }
  return best;
}

/** The target at `rank`, which is below the number of forward targets, counted from the group at `start`. */
function rankedOf(targets: readonly Target[], start: number, rank: number): Target {
  for (;;) {
    const size = countForwards(targets, start, true);
    if (rank < size) break;
    rank -= size;
    const { priority } = targets[start]!;
    while (targets[start]!.priority === priority) start = nextEligible(targets, start + 1);
  }
  return rankedInGroup(targets, start, rank % maxRanked);
}

/** The target with `rank` lower scores before it in its group: insertion into a short sorted list. */
function rankedInGroup(targets: readonly Target[], start: number, rank: number): Target {
  const { priority } = targets[start]!;
  const { hashHi, hashLo, policy } = query;
  let held = 0;
  for (let i = start; i < targets.length; i++) {
    const target = targets[i]!;
    if (target.priority !== priority) break;
    if (!isEligible(target)) continue;
    const score = policy.score(target, hashHi, hashLo);
    if (held > rank && score >= bestScores[rank]!) continue;
    let at = held > rank ? rank : held++;
    for (; at > 0 && bestScores[at - 1]! > score; at--) {
      bestScores[at] = bestScores[at - 1]!;
      bestIndices[at] = bestIndices[at - 1]!;
    }
    bestScores[at] = score;
    bestIndices[at] = i;
  }
  return targets[bestIndices[rank]!]!;
}

function isEligible(target: Target): boolean {
  return serves(target, query.protocol) && (target.weight >= query.minWeight || target.action !== 'forward');
}

/** The first position from `from` whose target may be answered; the length when there is none. */
function nextEligible(targets: readonly Target[], from: number): number {
  while (from < targets.length && !isEligible(targets[from]!)) from++;
  return from;
}

/** Eligible forward targets from `start` up to the first other one: of its group alone, or of all priorities. */
function countForwards(targets: readonly Target[], start: number, inGroup: boolean): number {
  const { priority } = targets[start]!;
  let count = 0;
  for (let i = start; i < targets.length; i++) {
    const target = targets[i]!;
    if (inGroup && target.priority !== priority) break;
    if (!isEligible(target)) continue;
    if (target.action !== 'forward') break;
    count++;
  }
  return count;
}
