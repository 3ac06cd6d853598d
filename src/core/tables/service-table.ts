// The service table (docs/protocol-control.md, "Service table"): which rule serves a name, and the targets under it.
// Longest prefix first (prefix-index.ts); inside a rule the targets stand by priority, and `choose` (policy.ts) picks
// one. A target carries its own action and protocol, so that a drop, a local bind and next hops may share one prefix,
// and taking one away uncovers the others. Invariant: a rule without targets does not exist, hence a lookup falls
// through to a shorter prefix when the longer one has nobody left who speaks the protocol.

import { type FlowId, formatFlowId, formatLocator, formatServiceId, type Locator, type Prefix } from '../base/index.ts';
import { type Ballots, createBallots, inlineBallots, setBallots } from './ballots.ts';
import { finishHash, mixWord } from './hash.ts';
import {
  createPrefixIndex,
  deletePrefix,
  exactMatch,
  insertPrefix,
  longestMatch,
  type PrefixIndex,
  setMask,
} from './prefix-index.ts';

/** What is done with a first packet. Only `forward` targets share load; the others answer alone. */
export type Action = 'forward' | 'demux' | 'delay' | 'drop';

/** Who put a target there, and so who may take it away. */
export type Owner = 'static' | 'local' | 'registered' | 'discovered' | 'default';

export interface TargetOptions {
  readonly owner: Owner;
  /** Tells the targets of one owner apart, and is what rendezvous hashing mixes: the same on every router. */
  readonly instance: FlowId;
  /** IANA number, or 0 for every protocol. */
  readonly protocol: number;
  readonly action: Action;
  /** Next hop of `forward`. */
  readonly locator?: Locator;
  /** Socket of `demux`. */
  readonly socket?: number;
  /** 0..65535, default 0; higher goes first. */
  readonly priority?: number;
  /** 0..65535, default 100; 0 is chosen only when nothing else is left. */
  readonly weight?: number;
}

export interface Target {
  readonly rule: Rule;
  readonly owner: Owner;
  readonly instance: FlowId;
  readonly protocol: number;
  action: Action;
  locator: Locator | undefined;
  /** 0 unless `demux`. */
  socket: number;
  priority: number;
  weight: number;
  resolved: number;
  bytes: number;
  dropped: number;
}

export interface Rule {
  readonly prefix: Prefix;
  /** Highest priority first; at equal priority drop, demux, delay, then forward. Never empty. */
  readonly targets: Target[];
  /** First packets resolved by this rule, their bytes, and packets dropped on its account. */
  resolved: number;
  bytes: number;
  dropped: number;
  /** The entry in `ServiceTable.prefixes`. */
  readonly entry: number;
}

export interface ServiceTable {
  /** Number of rules. */
  size: number;
  readonly prefixes: PrefixIndex;
  readonly ballots: Ballots;
  /** By entry of `prefixes`. */
  readonly rules: (Rule | undefined)[];
  /** Of each entry the targets of its ballots, `inlineBallots` places: asked for together with the entry, not after it. */
  readonly first: (Target | undefined)[];
}

const defaultWeight = 100;
const actionOrder: Record<Action, number> = { drop: 0, demux: 1, delay: 2, forward: 3 };
/** How far the mask bits of demux targets lie above those of all targets. */
const localShift = 3;

/** `seed`: 32 random bits, so that nobody outside can prepare names that collide. */
export function createServiceTable(seed = 0): ServiceTable {
  return {
    size: 0,
    prefixes: createPrefixIndex(seed),
    ballots: createBallots(),
    rules: [],
    first: [],
  };
}

/** The longest rule with a target for `protocol`; the name is the 32 bytes at `offset`. */
export function lookup(table: ServiceTable, protocol: number, bytes: Uint8Array, offset: number): Rule | undefined {
  const entry = lookupEntry(table, protocol, bytes, offset);
  return entry < 0 ? undefined : table.rules[entry];
}

/** The entry of that rule in `prefixes`, or -1. */
export function lookupEntry(table: ServiceTable, protocol: number, bytes: Uint8Array, offset: number): number {
  return longestMatch(table.prefixes, bytes, offset, protocolBit(protocol));
}

/** The local socket whose bind is the longest match, whatever forwards and drops stand beside it. */
export function lookupLocal(
  table: ServiceTable,
  protocol: number,
  bytes: Uint8Array,
  offset: number,
): Target | undefined {
  const rule = lookupLocalRule(table, protocol, bytes, offset);
  return rule && localTarget(rule, protocol);
}

/** The longest rule with a demux target for `protocol`. */
export function lookupLocalRule(
  table: ServiceTable,
  protocol: number,
  bytes: Uint8Array,
  offset: number,
): Rule | undefined {
  const entry = longestMatch(table.prefixes, bytes, offset, protocolBit(protocol) << localShift);
  return entry < 0 ? undefined : table.rules[entry];
}

/** The demux target of a rule for `protocol`. */
export function localTarget(rule: Rule, protocol: number): Target | undefined {
  for (const target of rule.targets) if (target.action === 'demux' && serves(target, protocol)) return target;
  return undefined;
}

/** Whether a target takes packets of this protocol. */
export function serves(target: Target, protocol: number): boolean {
  return target.protocol === protocol || target.protocol === 0;
}

/** Adds a target, or changes the one of the same (owner, instance, protocol) in place, keeping its counters. */
export function insertTarget(table: ServiceTable, prefix: Prefix, options: TargetOptions): Target {
  const { owner, instance, protocol, action } = options;
  const rule = findRule(table, prefix) ?? insertRule(table, prefix);
  const known = findTarget(rule, owner, instance, protocol);
  const target = known ?? createTarget(rule, options);
  if (known) rule.targets.splice(rule.targets.indexOf(known), 1);
  target.action = action;
  target.locator = options.locator;
  target.socket = options.socket ?? 0;
  target.priority = options.priority ?? 0;
  target.weight = options.weight ?? defaultWeight;
  placeTarget(rule, target);
  update(table, rule);
  return target;
}

/** False if there was none. The rule goes with its last target. */
export function removeTarget(
  table: ServiceTable,
  prefix: Prefix,
  owner: Owner,
  instance: FlowId,
  protocol: number,
): boolean {
  const rule = findRule(table, prefix);
  const target = rule && findTarget(rule, owner, instance, protocol);
  if (!rule || !target) return false;
  rule.targets.splice(rule.targets.indexOf(target), 1);
  update(table, rule);
  return true;
}

/** Removes every target of the rule, or only those of `owner`; answers how many. */
export function removeRule(table: ServiceTable, prefix: Prefix, owner?: Owner): number {
  const rule = findRule(table, prefix);
  if (!rule) return 0;
  const kept = owner === undefined ? [] : rule.targets.filter((target) => target.owner !== owner);
  const removed = rule.targets.length - kept.length;
  rule.targets.splice(0, rule.targets.length, ...kept);
  update(table, rule);
  return removed;
}

export function findRule(table: ServiceTable, prefix: Prefix): Rule | undefined {
  const entry = exactMatch(table.prefixes, prefix.id, prefix.bits);
  return entry < 0 ? undefined : table.rules[entry];
}

export function findTarget(rule: Rule, owner: Owner, instance: FlowId, protocol: number): Target | undefined {
  for (const target of rule.targets) {
    if (target.instance.lo !== instance.lo || target.instance.hi !== instance.hi) continue;
    if (target.owner === owner && target.protocol === protocol) return target;
  }
  return undefined;
}

export function setWeight(table: ServiceTable, target: Target, weight: number): void {
  target.weight = weight;
  updateBallots(table, target.rule);
}

export function setPriority(table: ServiceTable, target: Target, priority: number): void {
  const { rule } = target;
  rule.targets.splice(rule.targets.indexOf(target), 1);
  target.priority = priority;
  placeTarget(rule, target);
  updateBallots(table, rule);
}

/** An instance key for a next hop that has no instance id: a hash of its locator. */
export function locatorKey(locator: Locator): FlowId {
  let hi = mixWord(0, locator.port);
  let lo = mixWord(1, locator.port);
  for (const byte of locator.address) {
    hi = mixWord(hi, byte);
    lo = mixWord(lo, byte);
  }
  return { hi: finishHash(hi) >>> 0, lo: finishHash(lo) >>> 0 };
}

export function countResolved(target: Target, bytes: number): void {
  const { rule } = target;
  rule.resolved++;
  rule.bytes += bytes;
  target.resolved++;
  target.bytes += bytes;
}

export function countDropped(rule: Rule, target?: Target): void {
  rule.dropped++;
  if (target) target.dropped++;
}

export interface TargetInfo {
  readonly owner: Owner;
  readonly instance: string;
  readonly protocol: number;
  readonly action: Action;
  readonly locator?: string;
  readonly socket?: number;
  readonly priority: number;
  readonly weight: number;
  readonly resolved: number;
  readonly bytes: number;
  readonly dropped: number;
}

/** One line of `caracal rules`; plain JSON. */
export interface RuleInfo {
  readonly service: string;
  readonly bits: number;
  readonly resolved: number;
  readonly bytes: number;
  readonly dropped: number;
  readonly targets: readonly TargetInfo[];
}

/** Every rule, longest prefix first. */
export function dump(table: ServiceTable): RuleInfo[] {
  const rules = table.rules.filter((rule) => rule !== undefined);
  return rules.sort((a, b) => b.prefix.bits - a.prefix.bits).map(describeRule);
}

function describeRule(rule: Rule): RuleInfo {
  const { prefix, targets, resolved, bytes, dropped } = rule;
  const service = formatServiceId(prefix.id);
  return { service, bits: prefix.bits, resolved, bytes, dropped, targets: targets.map(describeTarget) };
}

function describeTarget(target: Target): TargetInfo {
  const { rule, locator, socket, instance, ...rest } = target;
  return {
    ...rest,
    instance: formatFlowId(instance),
    ...(locator && { locator: formatLocator(locator) }),
    ...(target.action === 'demux' && { socket }),
  };
}

/** Written out: a literal that spreads another is a dictionary, four times as large. */
function createTarget(rule: Rule, { owner, instance, protocol }: TargetOptions): Target {
  return {
    rule,
    owner,
    instance,
    protocol,
    action: 'forward',
    locator: undefined,
    socket: 0,
    priority: 0,
    weight: 0,
    resolved: 0,
    bytes: 0,
    dropped: 0,
  };
}

function insertRule(table: ServiceTable, prefix: Prefix): Rule {
  const entry = insertPrefix(table.prefixes, prefix.id, prefix.bits);
  const rule: Rule = {
    prefix,
    targets: [],
    resolved: 0,
    bytes: 0,
    dropped: 0,
    entry,
  };
  table.rules[entry] = rule;
  table.size++;
  return rule;
}

function placeTarget(rule: Rule, target: Target): void {
  const after = rule.targets.findIndex((other) => goesBefore(target, other));
  rule.targets.splice(after < 0 ? rule.targets.length : after, 0, target);
}

function goesBefore(a: Target, b: Target): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return actionOrder[a.action] < actionOrder[b.action];
}

function update(table: ServiceTable, rule: Rule): void {
  updateBallots(table, rule);
  updateMask(table, rule);
}

function updateBallots({ ballots, prefixes, first }: ServiceTable, { entry, targets }: Rule): void {
  const count = countFirstForwards(targets);
  setBallots(ballots, prefixes, entry, targets, count);
  for (let i = 0; i < inlineBallots; i++) first[entry * inlineBallots + i] = i < count ? targets[i] : undefined;
}

/** Targets of the best priority, if they forward, all of them. */
function countFirstForwards(targets: readonly Target[]): number {
  let count = 0;
  for (const { priority, action } of targets) {
    if (priority !== targets[0]!.priority) break;
    if (action !== 'forward') return 0;
    count++;
  }
  return count;
}

/** Tells the index which protocols the rule serves now; a rule that serves none goes. */
function updateMask(table: ServiceTable, rule: Rule): void {
  let mask = 0;
  for (const { action, protocol } of rule.targets) {
    const bit = protocol === 0 ? 7 : protocolBit(protocol);
    mask |= action === 'demux' ? bit | (bit << localShift) : bit;
  }
  setMask(table.prefixes, rule.entry, mask);
  if (rule.targets.length > 0) return;
  deletePrefix(table.prefixes, rule.prefix.id, rule.prefix.bits);
  table.rules[rule.entry] = undefined;
  table.size--;
}

/** Streams, datagrams and everything else; the last class is coarse, and `choose` looks at the number itself. */
function protocolBit(protocol: number): number {
  return protocol === 6 ? 1 : protocol === 17 ? 2 : 4;
}
