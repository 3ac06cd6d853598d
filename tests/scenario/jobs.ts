// Seeds on several cores: processes that each play a hundred at a time and ask for the next, since some seeds take a hundred
// times as long as others. Run as a program, this file is such a process. Its answers are those of `playSeeds`, whatever the
// number of jobs: which seeds are repeated follows from the hundreds alone.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { playSeeds, type Tally } from './seeds.ts';

interface Share {
  readonly from: number;
  readonly count: number;
}

const shareSeeds = 100;
const program = fileURLToPath(import.meta.url);

/** Plays seeds `from` to `from + count - 1`; `onTally` hears of each hundred. Rejects if a process dies of its seeds. */
export async function playInJobs(
  from: number,
  count: number,
  jobs: number,
  onTally: (tally: Tally) => void,
): Promise<void> {
  const shares = cut(from, count);
  if (jobs === 1 || count <= shareSeeds) {
    for (const share of shares) onTally(playSeeds(share.from, share.count));
    return;
  }
  const children = Array.from({ length: jobs }, () => fork(program));
  try {
    await Promise.all(children.map((child) => employ(child, shares, onTally)));
  } finally {
    for (const child of children) child.kill();
  }
}

function* cut(from: number, count: number): Generator<Share, undefined> {
  for (let at = 0; at < count; at += shareSeeds) yield { from: from + at, count: Math.min(shareSeeds, count - at) };
}

async function employ(
  child: ChildProcess,
  shares: Iterator<Share, undefined>,
  onTally: (tally: Tally) => void,
): Promise<void> {
  for (let share = shares.next().value; share !== undefined; share = shares.next().value)
    onTally(await ask(child, share));
}

function ask(child: ChildProcess, share: Share): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const { from, count } = share;
    const died = (code: number | null, signal: string | null): void =>
      reject(new Error(`a process ended with ${signal ?? code} in seeds ${from} to ${from + count - 1}`));
    child.once('exit', died);
    child.once('message', (tally) => {
      child.off('exit', died);
      resolve(tally as Tally);
    });
    child.send(share);
  });
}

if (process.argv[1] === program)
  process.on('message', ({ from, count }: Share) => {
    process.send?.(playSeeds(from, count));
  });
