// Every order of events between two ends that move, and a copy of one: breadth first through all states, on a network on which
// whatever was ever sent may arrive at any time, any number of times or never. Each step is made by `moves.ts` and by a plain
// reference, which knows nothing of lists: an id has a parent, and a lineage is the way to the root. What must hold are the
// assertions of `models/ends.pml`. Time, timers and addresses are not here: the scenarios have them.

import assert from 'node:assert/strict';
import { type FlowId, noFlow, type Random } from '../../src/core/base/index.ts';
import {
  acknowledgeMove,
  commitMove,
  createMoves,
  currentMove,
  isSuperseded,
  judgeMove,
  lineageOf,
  type Moves,
  mintMove,
  untoldMoves,
} from '../../src/core/stack/testing/moves.ts';
import type { Lineage } from '../../src/core/wire/index.ts';

/** How often each end moves: A, its copy B (0: there is none) and S on the other side. */
export interface Counts {
  readonly a: number;
  readonly b: number;
  readonly s: number;
}

type Name = 'A' | 'B' | 'S';
const names: readonly Name[] = ['A', 'B', 'S'];
/** Ids are numbers, from here on. */
const firstId = { A: 1, B: 11, S: 21 } as const;

interface End {
  readonly moves: Moves;
  alive: boolean;
  left: number;
  /** The reference: where it is, what of that is known to be committed, what it has committed of the peer. */
  at: number;
  known: number;
  peer: number;
}

interface Packet {
  readonly kind: 'rsyn' | 'ack' | 'fail';
  readonly toS: boolean;
  /** The sender's last move. */
  readonly from: number;
  readonly lineage: Lineage;
  /** `rsyn`: the echo; `ack`, `fail`: the move that is committed. */
  readonly committed: number;
  /** `fail`: the move that is refused. */
  readonly refused: number;
}

interface State {
  readonly ends: Record<Name, End>;
  readonly told: Map<string, Packet>;
  /** The last move of both copies; -1: there is no copy. */
  fork: number;
  /** S has committed a move that this copy alone has made. */
  won: Name | undefined;
}

export interface Outcome {
  readonly states: number;
  /** How often an RSYN was worth what. */
  readonly judged: Record<'same' | 'commit' | 'refused', number>;
  /** How often a copy was told that it has lost. */
  superseded: number;
}

/** Goes through all; throws at the first step that the reference, or what must hold, contradicts. */
export function exploreMoves({ a, b, s }: Counts): Outcome {
  const outcome = { states: 0, judged: { same: 0, commit: 0, refused: 0 }, superseded: 0 };
  const seen = new Set<string>();
  let level = [createState(a, b, s)];
  while (level.length > 0) {
    const next: State[] = [];
    for (const state of level) {
      const key = keyOf(state);
      if (seen.has(key)) continue;
      seen.add(key);
      outcome.states++;
      expand(state, next, outcome);
    }
    level = next;
  }
  return outcome;
}

function createState(a: number, b: number, s: number): State {
  const end = (left: number, alive: boolean): End => ({ moves: createMoves(), alive, left, at: 0, known: 0, peer: 0 });
  return { ends: { A: end(a, true), B: end(b, false), S: end(s, true) }, told: new Map(), fork: -1, won: undefined };
}

function expand(state: State, next: State[], outcome: Outcome): void {
  const step = (act: (state: State) => void): void => {
    const after = cloneState(state);
    act(after);
    tellAll(after);
    judgeState(after);
    next.push(after);
  };
  for (const name of names) if (state.ends[name].alive && state.ends[name].left > 0) step((after) => move(after, name));
  if (state.fork < 0 && state.ends.B.left > 0 && state.ends.A.alive) step(copy);
  for (const packet of state.told.values())
    for (const name of receiversOf(state, packet)) step((after) => receive(after, name, packet, outcome));
}

/** The same id in every run: both halves are the number. */
function idOf(number: number): FlowId {
  return number === 0 ? noFlow : { hi: number, lo: number };
}

function move({ ends }: State, name: Name): void {
  const end = ends[name];
  end.left--;
  const id = end.at < firstId[name] || end.at > firstId[name] + 9 ? firstId[name] : end.at + 1;
  const random: Random = { uint32: () => id };
  assert.ok(mintMove(end.moves, random));
  assert.deepEqual(currentMove(end.moves), idOf(id));
  end.at = id;
}

/** The copy notices that it is at another place, and moves. */
function copy(state: State): void {
  const { A, B } = state.ends;
  state.fork = A.at;
  state.ends.B = { ...cloneEnd(A), left: B.left };
  move(state, 'B');
}

/** An id's ancestors and itself. */
function isAncestor({ fork }: State, ancestor: number, of: number): boolean {
  for (let id = of; ; id = parentOf(id, fork)) {
    if (id === ancestor) return true;
    if (id === 0) return false;
  }
}

function parentOf(id: number, fork: number): number {
  if (id === firstId.B) return fork;
  return id === firstId.S ? 0 : id - 1;
}

function tellAll(state: State): void {
  for (const name of names) {
    const { moves, alive, at, known, peer } = state.ends[name];
    assert.equal(untoldMoves(moves) > 0, at !== known, `${name} waits`);
    if (alive && at !== known) tell(state, name, 'rsyn', peer, 0);
  }
}

function tell({ ends, told }: State, name: Name, kind: Packet['kind'], committed: number, refused: number): void {
  const { moves, at } = ends[name];
  const toS = name !== 'S';
  told.set(`${kind} ${toS} ${at} ${committed} ${refused}`, {
    kind,
    toS,
    from: at,
    lineage: lineageOf(moves),
    committed,
    refused,
  });
}

/** An RSYN finds every end; what answers it, only where that was. */
function receiversOf({ ends }: State, { kind, toS, committed, refused }: Packet): Name[] {
  const side: readonly Name[] = toS ? ['S'] : ['A', 'B'];
  const place = kind === 'fail' ? refused : committed;
  return side.filter((name) => ends[name].alive && (kind === 'rsyn' || ends[name].at === place));
}

function receive(state: State, name: Name, packet: Packet, outcome: Outcome): void {
  if (packet.kind === 'rsyn') receiveRsyn(state, name, packet, outcome);
  else if (packet.kind === 'fail') receiveFail(state, name, packet, outcome);
  else {
    const end = state.ends[name];
    // From elsewhere than where the peer has said to be: dropped.
    if (end.peer === 0 || packet.from === end.peer) acknowledge(state, end, packet.committed);
  }
}

function receiveRsyn(state: State, name: Name, { from, lineage, committed: echo }: Packet, outcome: Outcome): void {
  const end = state.ends[name];
  const judgement = judgeMove(end.moves, lineage, idOf(echo));
  assert.equal(judgement, judge(state, end, from, echo), `${name} hears ${from} with ${echo}`);
  outcome.judged[judgement]++;
  if (judgement === 'refused') {
    if (untoldMoves(end.moves) === 0) tell(state, name, 'fail', end.peer, from);
    return;
  }
  if (judgement === 'commit') {
    commitMove(end.moves, lineage, idOf(echo));
    judgeCommit(state, name, from);
    end.peer = from;
    end.known = echo;
  }
  acknowledge(state, end, echo);
  tell(state, name, 'ack', from, 0);
}

/** The rule, as docs/protocol.md has it. */
function judge(state: State, { at, peer }: End, id: number, echo: number): 'same' | 'commit' | 'refused' {
  if (id === peer) return 'same';
  return isAncestor(state, peer, id) && isAncestor(state, echo, at) ? 'commit' : 'refused';
}

function acknowledge(state: State, end: End, id: number): void {
  acknowledgeMove(end.moves, idOf(id));
  if (isAncestor(state, id, end.at) && isAncestor(state, end.known, id)) end.known = id;
}

function receiveFail(state: State, name: Name, { from, lineage, committed, refused }: Packet, outcome: Outcome): void {
  const end = state.ends[name];
  const superseded = isSuperseded(end.moves, idOf(refused), lineage, idOf(committed));
  const expected = refused === end.at && isAncestor(state, end.peer, from) && !isAncestor(state, committed, end.at);
  assert.equal(superseded, expected, `${name} is refused by ${from}, which has ${committed}`);
  if (!superseded) return;
  outcome.superseded++;
  assert.ok(state.won !== undefined && state.won !== name && name !== 'S', `${name} has not lost`);
  end.alive = false;
}

/** Never back to an older move, nor from one copy to the other. */
function judgeCommit(state: State, name: Name, id: number): void {
  const { fork, ends } = state;
  assert.ok(id > ends[name].peer, `${name} goes back from ${ends[name].peer} to ${id}`);
  if (name !== 'S' || fork < 0) return;
  const by = id >= firstId.B ? 'B' : 'A';
  assert.ok(state.won === undefined || state.won === by, `S goes over from ${state.won} to ${by}`);
  if (by === 'B' || id > fork) state.won = by;
}

function judgeState({ ends, fork, won }: State): void {
  for (const name of names) {
    const { moves, at, known, peer } = ends[name];
    assert.deepEqual(moves.peerMove, idOf(peer));
    assert.deepEqual(moves.own[moves.known], idOf(known));
    assert.deepEqual(currentMove(moves), idOf(at));
  }
  if (fork < 0) return;
  assert.ok(!(ends.A.known > fork && ends.B.known >= firstId.B), 'both copies are accepted');
  if (won !== undefined) assert.ok(ends[won].alive, `${won} has won and is gone`);
}

function cloneState({ ends, told, fork, won }: State): State {
  const { A, B, S } = ends;
  return { ends: { A: cloneEnd(A), B: cloneEnd(B), S: cloneEnd(S) }, told: new Map(told), fork, won };
}

function cloneEnd(end: End): End {
  const { own, known, peerMove } = end.moves;
  return { ...end, moves: { own: [...own], known, peerMove } };
}

function keyOf({ ends, told, fork }: State): string {
  const parts = names.map((name) => {
    const { alive, left, at, known, peer } = ends[name];
    return `${alive} ${left} ${at} ${known} ${peer}`;
  });
  return `${parts.join('|')}|${fork}|${[...told.keys()].sort().join()}`;
}
