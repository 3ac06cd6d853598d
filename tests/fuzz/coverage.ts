// What instrumented code reports to while it runs (instrument.ts puts the calls in): an edge map in the manner of AFL, one
// counter per pair of places that followed each other, and a budget of steps that turns an endless loop into an exception.
// Edges and not places, because the way into a branch tells more than the branch. Clearing the whole map after every
// input was rejected: the list of counters that were touched is short, and the map is not.

/** Numbers of one target's code, and texts that it compares with: what mutations try besides noise. */
export interface Dictionary {
  readonly numbers: Set<number>;
  readonly texts: Set<string>;
}

/** The code under test ran more steps than its target allows for one input. */
export class StepLimit extends Error {}

const mapSize = 1 << 16;
const mostHits = 255;
/** How often an edge was taken counts by its order of magnitude: one bit of `seen` each. */
const bucketOf = Uint8Array.from({ length: mostHits + 1 }, (_, hits) => bucketBit(hits));
/** Deep enough to show where a loop was entered, which is what tells two of them apart. */
const stackFrames = 60;
/** For what runs outside of an execution; a small integer to V8. */
const unlimited = 2 ** 31 - 1;

const hits = new Uint8Array(mapSize);
const touched = new Int32Array(mapSize);
const dictionaries = new Map<string, Dictionary>();
let touchedEdges = 0;
let previous = 0;
let stepsLeft = unlimited;

/** Called by instrumented code at each place; `place` is a 32-bit hash. */
export function hit(place: number): void {
  const edge = (place ^ previous) & (mapSize - 1);
  previous = place >>> 1;
  const count = hits[edge]!;
  if (count === 0) touched[touchedEdges++] = edge;
  if (count < mostHits) hits[edge] = count + 1;
  if (--stepsLeft < 0) exceed();
}

/** Called by instrumented modules as they load: what their code compares with. */
export function note(target: string, numbers: readonly number[], texts: readonly string[]): void {
  const dictionary = dictionaryOf(target);
  for (const number of numbers) dictionary.numbers.add(number);
  for (const text of texts) dictionary.texts.add(text);
}

export function dictionaryOf(target: string): Dictionary {
  let dictionary = dictionaries.get(target);
  if (dictionary === undefined) {
    dictionary = { numbers: new Set(), texts: new Set() };
    dictionaries.set(target, dictionary);
  }
  return dictionary;
}

/** By edge, a bit for each bucket of hits that some input reached. */
export function createSeen(): Uint8Array {
  return new Uint8Array(mapSize);
}

/** Distinct edges. */
export function countEdges(seen: Uint8Array): number {
  let edges = 0;
  for (const buckets of seen) if (buckets !== 0) edges++;
  return edges;
}

/** Begins one execution of at most `steps` steps. */
export function begin(steps: number): void {
  clear();
  previous = 0;
  stepsLeft = steps;
}

/** Instrumented code may run freely: a module is being loaded. */
export function suspend(): void {
  begin(unlimited);
}

/** Whether the execution ran out of steps, also when it swallowed the exception. */
export function exceeded(): boolean {
  return stepsLeft < 0;
}

/** Adds what the execution reached to `seen`, and answers how many buckets were new. */
export function collect(seen: Uint8Array): number {
  let fresh = 0;
  for (let i = 0; i < touchedEdges; i++) {
    const edge = touched[i]!;
    const bucket = bucketOf[hits[edge]!]!;
    const known = seen[edge]!;
    if ((known & bucket) !== 0) continue;
    seen[edge] = known | bucket;
    fresh++;
  }
  return fresh;
}

/** What the execution reached, as numbers: edge and bucket in one. */
export function features(): number[] {
  return Array.from(touched.subarray(0, touchedEdges), (edge) => edge * 256 + bucketOf[hits[edge]!]!);
}

function clear(): void {
  for (let i = 0; i < touchedEdges; i++) hits[touched[i]!] = 0;
  touchedEdges = 0;
}

/** Out of `hit`, so that `hit` stays small enough to be inlined. */
function exceed(): never {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = stackFrames;
  const error = new StepLimit('more steps than one input may take');
  Error.captureStackTrace(error, hit);
  Error.stackTraceLimit = stackTraceLimit;
  throw error;
}

function bucketBit(count: number): number {
  if (count === 0) return 0;
  if (count <= 3) return 1 << (count - 1);
  if (count < 8) return 8;
  if (count < 16) return 16;
  if (count < 32) return 32;
  return count < 128 ? 64 : 128;
}
