// Which functions allocate: V8's sampling of the heap, of what was collected meanwhile, too. `--sites` of bench:guard prints
// it, for whoever wants to know where heap bytes come from. Every 64th byte is looked at, on average.

import { type HeapProfiler, Session } from 'node:inspector';
import { root } from '../../tests/e2e/harness.ts';

const intervalBytes = 64;

export interface Site {
  /** Caller and, where it is not ours, callee: `store in core/transport/ingress.js > subarray`. */
  readonly site: string;
  readonly bytes: number;
}

/** From now until the call of what it answers: the most first. */
export function startSites(): () => Site[] {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.startSampling', {
    samplingInterval: intervalBytes,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  return () => {
    const bytes = new Map<string, number>();
    session.post('HeapProfiler.stopSampling', (_error, { profile }) => addUp(profile.head, '', bytes));
    session.disconnect();
    return [...bytes].map(([site, each]) => ({ site, bytes: each })).sort((a, b) => b.bytes - a.bytes);
  };
}

/** What foreign code allocates is counted where we call it. */
function addUp(
  { callFrame, selfSize, children }: HeapProfiler.SamplingHeapProfileNode,
  caller: string,
  bytes: Map<string, number>,
): void {
  const { functionName, url } = callFrame;
  const ours = url.startsWith(dist);
  const own = ours ? `${functionName || 'closure'} in ${url.slice(dist.length)}` : caller;
  const site = ours || caller === '' ? own : `${caller.split(' > ')[0]} > ${functionName}`;
  if (selfSize > 0) bytes.set(site, (bytes.get(site) ?? 0) + selfSize);
  for (const child of children) addUp(child, own, bytes);
}

const dist = `file://${root}/dist/`;
