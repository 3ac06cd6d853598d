// The service table (docs/protocol.md, "Service table"): which rule serves a name, and the targets under it. Longest
// prefix first; inside a rule the targets stand by priority, and `choose` (policy.ts) picks among them.
// Every rule lives in one open-addressing hash table over (prefix bits, prefix length), probed once per length that is
// present; names are compared as eight 32-bit words in one arena, so that a lookup touches no string and allocates
// nothing. A trie was rejected: at 256 bits it is a chain of cache misses, and real tables hold 3 or 4 lengths.

import { type FlowId, formatFlowId, formatLocator, formatPrefix, type Locator, type Prefix } from '../base/index.ts';

/** What is done with a first packet. Only `forward` targets share load; the others answer alone. */
export type Action = 'forward' | 'demux' | 'delay' | 'drop';

/** Who put a target there, and so who may take it away. */
export type Owner = 'static' | 'local' | 'registered' | 'discovered' | 'default';

export interface TargetOptions {
  readonly owner: Owner;
  /** Tells targets of one owner apart, and is what rendezvous hashing mixes: equal on every router. */
  readonly instance: FlowId;
  /** IANA number, or 0 for every protocol. */
  readonly protocol: number;
  readonly action: Action;
  /** Next hop of `forward`. */
  readonly locator?: Locator;
  /** Socket of `demux`. */
  readonly socket?: number;
  /** 0..65535; higher goes first. */
  readonly priority?: number;
  /** 0..65535; 0 is chosen only when every target of the rule has 0. Default 100. */
  readonly weight?: number;
}

export interface Target {
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
  /** First packets resolved by this rule, their bytes, and those it made the stack drop. */
  resolved: number;
  bytes: number;
  dropped: number;
  /** Index in the table's arrays. */
  readonly index: number;
}

export interface ServiceTable {
  /** Number of rules. */
  size: number;
  /** By rule index; `free` lists the indices given back. */
  readonly rules: (Rule | undefined)[];
  readonly freeIndices: number[];
  /** Open addressing, at most half full: rule index + 1, or 0; and the full hash beside it. */
  slots: Int32Array;
  slotHashes: Int32Array;
  /** Eight words of each rule's prefix, its length, and the protocols it serves (see `protocolBit`). */
  words: Int32Array;
  lengths: Uint16Array;
  protocols: Uint8Array;
  /** Prefix lengths present, longest first, and how many rules have each. */
  readonly levels: number[];
  readonly levelCounts: Uint32Array;
  /** Keeps an attacker from choosing names that collide. */
  readonly seed: number;
  /** Working room of one lookup: the name's words, and the hash after each of them. */
  readonly nameWords: Int32Array;
  readonly nameHashes: Int32Array;
}

export declare function createServiceTable(seed?: number): ServiceTable;
/** The longest rule that has a target for `protocol`; the name is 32 bytes at `offset`. */
export declare function lookup(
  table: ServiceTable,
  protocol: number,
  bytes: Uint8Array,
  offset: number,
): Rule | undefined;
/** The local socket with the longest matching bind, whatever forwards or drops stand beside it. */
export declare function lookupLocal(
  table: ServiceTable,
  protocol: number,
  bytes: Uint8Array,
  offset: number,
): Target | undefined;
/** Adds a target, or changes the one with the same (owner, instance, protocol) in place, keeping its counters. */
export declare function insertTarget(table: ServiceTable, prefix: Prefix, options: TargetOptions): Target;
/** False if there was none. A rule left without targets goes too. */
export declare function removeTarget(
  table: ServiceTable,
  prefix: Prefix,
  owner: Owner,
  instance: FlowId,
  protocol: number,
): boolean;
/** Removes every target of the rule, or only those of `owner`; answers how many. */
export declare function removeRule(table: ServiceTable, prefix: Prefix, owner?: Owner): number;
export declare function findRule(table: ServiceTable, prefix: Prefix): Rule | undefined;
export declare function findTarget(rule: Rule, owner: Owner, instance: FlowId, protocol: number): Target | undefined;
export declare function setWeight(target: Target, weight: number): void;
export declare function setPriority(rule: Rule, target: Target, priority: number): void;
/** An instance key for a target that has none of its own (static next hops): a hash of its locator. */
export declare function locatorKey(locator: Locator): FlowId;
export declare function countResolved(rule: Rule, target: Target, bytes: number): void;
export declare function countDropped(rule: Rule, target?: Target): void;

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
export declare function dump(table: ServiceTable): RuleInfo[];
