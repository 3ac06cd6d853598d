// Fuzz target: a sequence of changes and look-ups of a service table, against a reference that is a plain list searched
// from end to end. Names differ in few bits and prefixes have any length, so that hashing, probing, removal and growth meet.

import { strict as assert } from 'node:assert';
import { type FlowId, makePrefix, type Prefix, prefixContains } from '../../../src/core/base/index.ts';
import {
  type Action,
  choose,
  createServiceTable,
  insertTarget,
  lookup,
  lookupLocal,
  lookupLocalRule,
  type Owner,
  type Rule,
  removeRule,
  removeTarget,
  resolveTarget,
  type ServiceTable,
  setPriority,
  type Target,
  weightedPolicy,
} from '../../../src/core/tables/index.ts';
import { below, createOperations, more, oneOf, open, u8 } from '../operations.ts';

export const maxBytes = 256;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const table = createServiceTable(u8(operations));
  const reference: Reference[] = [];
  while (more(operations)) {
    const operation = below(operations, 8);
    if (operation < 3) insert(table, reference);
    else if (operation < 5) remove(table, reference);
    else if (operation === 5) removeAll(table, reference);
    else if (operation === 6) checkLookup(table, reference, readId());
    else reprioritize(table, reference);
    assert.equal(table.size, reference.length);
  }
  for (const { prefix } of reference.slice(0, checkedAtEnd)) checkLookup(table, reference, prefix.id);
}

/** What a rule should be; its targets in the order that they came. */
interface Reference {
  readonly prefix: Prefix;
  readonly targets: Target[];
}

const operations = createOperations();
const owners: readonly Owner[] = ['static', 'local', 'registered'];
const actions: readonly Action[] = ['forward', 'forward', 'demux', 'drop', 'delay'];
const actionOrder: Record<Action, number> = { drop: 0, demux: 1, delay: 2, forward: 3 };
const protocols = [6, 17, 0, 41];
const askedProtocols = [6, 17, 41];
const lengths = [256, 224, 64, 0, 1, 31, 32, 33, 63, 65, 255];
const maxRanked = 16;
const checkedAtEnd = 8;

function readId(): Uint8Array {
  const id = new Uint8Array(32);
  id[below(operations, 32)] = u8(operations);
  return id;
}

function readPrefix(): Prefix {
  const id = readId();
  const length = u8(operations);
  return makePrefix(id, lengths[length] ?? length);
}

function readInstance(): FlowId {
  return { hi: 0, lo: below(operations, 24) };
}

function ruleAt(reference: readonly Reference[], { id, bits }: Prefix): number {
  return reference.findIndex(({ prefix }) => prefix.bits === bits && prefix.id.every((byte, i) => byte === id[i]));
}

function targetAt(targets: readonly Target[], owner: Owner, { lo }: FlowId, protocol: number): number {
  return targets.findIndex((t) => t.owner === owner && t.protocol === protocol && t.instance.lo === lo);
}

function insert(table: ServiceTable, reference: Reference[]): void {
  const prefix = readPrefix();
  const owner = oneOf(operations, owners);
  const instance = readInstance();
  const protocol = oneOf(operations, protocols);
  const action = oneOf(operations, actions);
  const priority = below(operations, 3);
  const weight = below(operations, 4) * 50;
  const target = insertTarget(table, prefix, { owner, instance, protocol, action, priority, weight });
  assert.ok(target.action === action && target.priority === priority && target.weight === weight);
  let at = ruleAt(reference, prefix);
  if (at < 0) at = reference.push({ prefix, targets: [] }) - 1;
  const targets = reference[at]!.targets;
  const known = targetAt(targets, owner, instance, protocol);
  if (known >= 0) assert.equal(targets.splice(known, 1)[0], target, 'a known target is changed in place');
  targets.push(target);
}

function remove(table: ServiceTable, reference: Reference[]): void {
  const prefix = readPrefix();
  const owner = oneOf(operations, owners);
  const instance = readInstance();
  const protocol = oneOf(operations, protocols);
  const at = ruleAt(reference, prefix);
  const targets = reference[at]?.targets ?? [];
  const known = targetAt(targets, owner, instance, protocol);
  assert.equal(removeTarget(table, prefix, owner, instance, protocol), known >= 0);
  if (known < 0) return;
  targets.splice(known, 1);
  if (targets.length === 0) reference.splice(at, 1);
}

function removeAll(table: ServiceTable, reference: Reference[]): void {
  const prefix = readPrefix();
  const owner = below(operations, 2) === 0 ? undefined : oneOf(operations, owners);
  const at = ruleAt(reference, prefix);
  const targets = reference[at]?.targets ?? [];
  const kept = owner === undefined ? [] : targets.filter((target) => target.owner !== owner);
  assert.equal(removeRule(table, prefix, owner), targets.length - kept.length);
  targets.splice(0, targets.length, ...kept);
  if (at >= 0 && kept.length === 0) reference.splice(at, 1);
}

/** Moves a target behind those of its new priority, as a new one would stand. */
function reprioritize(table: ServiceTable, reference: Reference[]): void {
  if (reference.length === 0) return;
  const { targets } = oneOf(operations, reference);
  const at = below(operations, targets.length);
  const target = targets[at]!;
  setPriority(table, target, below(operations, 4));
  targets.splice(at, 1);
  targets.push(target);
}

function checkLookup(table: ServiceTable, reference: readonly Reference[], id: Uint8Array): void {
  const protocol = oneOf(operations, askedProtocols);
  const rule = lookup(table, protocol, id, 0);
  const local = lookupLocalRule(table, protocol, id, 0);
  assert.equal(rule?.prefix.bits ?? -1, longest(reference, id, protocol, false));
  assert.equal(local?.prefix.bits ?? -1, longest(reference, id, protocol, true));
  assert.equal(lookupLocal(table, protocol, id, 0)?.action ?? 'none', local === undefined ? 'none' : 'demux');
  if (rule !== undefined) checkChoice(table, rule, reference, protocol);
}

/** Bits of the longest prefix that holds the name and has a target for the protocol; -1: none. */
function longest(reference: readonly Reference[], id: Uint8Array, protocol: number, local: boolean): number {
  let bits = -1;
  for (const { prefix, targets } of reference) {
    if (prefix.bits <= bits || !prefixContains(prefix, id)) continue;
    const serving = targets.some((target) => isServed(target, protocol) && (!local || target.action === 'demux'));
    if (serving) bits = prefix.bits;
  }
  return bits;
}

function isServed({ protocol: served }: Target, protocol: number): boolean {
  return served === protocol || served === 0;
}

/** The table's own order is by priority, then action, then age; `choose` must rank as a plain sort of it does. */
function checkChoice(table: ServiceTable, rule: Rule, reference: readonly Reference[], protocol: number): void {
  const targets = [...reference[ruleAt(reference, rule.prefix)]!.targets];
  targets.sort((a, b) => b.priority - a.priority || actionOrder[a.action] - actionOrder[b.action]);
  assert.equal(rule.targets.length, targets.length);
  for (let i = 0; i < targets.length; i++) assert.equal(rule.targets[i], targets[i]);
  const rank = u8(operations);
  const hash = u8(operations);
  const expected = expectedChoice(targets, protocol, hash, rank);
  assert.equal(choose(rule, protocol, hash, 1, rank), expected);
  // The name of a prefix may have a longer one, whose choice is not this rule's.
  const { id } = rule.prefix;
  if (lookup(table, protocol, id, 0) === rule)
    assert.equal(resolveTarget(table, protocol, id, 0, hash, 1, rank), expected);
}

function expectedChoice(targets: readonly Target[], protocol: number, hash: number, rank: number): Target | undefined {
  const serving = targets.filter((target) => isServed(target, protocol));
  const weighted = serving.filter(({ action, weight }) => action !== 'forward' || weight > 0);
  const eligible = weighted.length > 0 ? weighted : serving;
  const [first] = eligible;
  if (first === undefined || first.action !== 'forward') return first;
  const end = eligible.findIndex(({ action }) => action !== 'forward');
  const forwards = end < 0 ? eligible : eligible.slice(0, end);
  let left = rank % forwards.length;
  for (const priority of new Set(forwards.map((target) => target.priority))) {
    const group = forwards.filter((target) => target.priority === priority);
    if (left >= group.length) {
      left -= group.length;
      continue;
    }
    const score = (target: Target) => weightedPolicy.score(target, hash, 1);
    group.sort((a, b) => score(a) - score(b));
    return group[left % maxRanked];
  }
  return assert.fail('a rank below the number of targets');
}
