// An operator's changes to the service table (row C1): static targets beside the registered ones. `set` also reweights a
// registered instance, until that instance registers anew with another weight.

import { sameFlow } from '../base/index.ts';
import { findRule, insertTarget, removeTarget, setPriority, setWeight, type Target } from '../tables/index.ts';
import type { StackState } from './state.ts';
import type { Input, RuleChange } from './types.ts';

/** Answers how many targets changed. */
export function changeRule(stack: StackState, { change }: Extract<Input, { kind: 'rule' }>): number {
  switch (change.verb) {
    case 'add':
      insertTarget(stack.services, change.prefix, { ...change.target, owner: 'static' });
      return 1;
    case 'set':
      return setTargets(stack, change);
    case 'remove':
      return removeTargets(stack, change);
  }
}

function matching(stack: StackState, change: Exclude<RuleChange, { verb: 'add' }>): Target[] {
  const { prefix, instance } = change;
  const targets = findRule(stack.services, prefix)?.targets ?? [];
  return targets.filter((target) => instance === undefined || sameFlow(target.instance, instance));
}

function setTargets(stack: StackState, change: Extract<RuleChange, { verb: 'set' }>): number {
  const targets = matching(stack, change);
  for (const target of targets) {
    if (change.weight !== undefined) setWeight(stack.services, target, change.weight);
    if (change.priority !== undefined) setPriority(stack.services, target, change.priority);
  }
  return targets.length;
}

function removeTargets(stack: StackState, change: Extract<RuleChange, { verb: 'remove' }>): number {
  const targets = matching(stack, change).filter((target) => target.owner === 'static');
  for (const { owner, instance, protocol } of targets)
    removeTarget(stack.services, change.prefix, owner, instance, protocol);
  return targets.length;
}
