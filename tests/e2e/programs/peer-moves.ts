// The part of peer.ts that moves connections and watches how that shows: pauses between what arrives, 'migrate' events; and
// the ways that a connection goes by.

import type { MigrateOptions, Path, Socket } from '../../../src/index.ts';

type Arguments = { [key: string]: unknown };

interface Watch {
  lastMs: number;
  longestMs: number;
  /** Bytes, by time, of what has arrived. */
  bytes: number;
  readonly fromMs: number;
  moves: number;
  readonly paths: string[];
}

const watches = new Map<Socket, Watch>();

/** `find` answers the socket that `connection`, or `server` and `index`, mean. */
export function moveCommands(find: (args: Arguments) => Socket): Record<string, (args: Arguments) => unknown> {
  return {
    migrate: async (args) => {
      const fromMs = performance.now();
      await find(args).migrate(args['to'] as MigrateOptions | undefined);
      return { ms: performance.now() - fromMs };
    },
    migrateOften: (args) => migrateOften(find(args), args),
    /** Pauses are counted from now on. */
    watch: (args) => watch(find(args)),
    watched: (args) => watched(find(args)),
    paths: (args) => find(args).paths(),
    /** What 'path' has told since `watch`, as `STATE INTERFACE`. */
    pathEvents: (args) => watches.get(find(args))?.paths,
  };
}

/** Begins a move to the next of `addresses` every so often, whatever became of the one before. */
async function migrateOften(socket: Socket, { addresses, times, everyMs }: Arguments): Promise<unknown> {
  const list = addresses as string[];
  const outcomes: Record<string, number> = {};
  const moves: Promise<void>[] = [];
  for (let i = 0; i < Number(times); i++) {
    const count = (outcome: string): void => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    };
    const moving = socket.migrate({ address: list[i % list.length] ?? '' });
    moves.push(
      moving.then(
        () => count('moved'),
        (error: NodeJS.ErrnoException) => count(error.code ?? error.message),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, Number(everyMs)));
  }
  await Promise.all(moves);
  return { outcomes };
}

function watch(socket: Socket): void {
  const nowMs = performance.now();
  const known = watches.get(socket);
  if (known !== undefined) {
    Object.assign(known, { lastMs: nowMs, longestMs: 0, bytes: 0, fromMs: nowMs });
    return;
  }
  const state: Watch = { lastMs: nowMs, longestMs: 0, bytes: 0, fromMs: nowMs, moves: 0, paths: [] };
  watches.set(socket, state);
  socket.on('migrate', () => state.moves++);
  socket.on('path', (path: Path) => state.paths.push(`${path.state} ${path.interface}`));
  socket.on('data', (chunk: Buffer) => {
    const arrivedMs = performance.now();
    state.longestMs = Math.max(state.longestMs, arrivedMs - state.lastMs);
    state.lastMs = arrivedMs;
    state.bytes += chunk.length;
  });
}

function watched(socket: Socket): unknown {
  const state = watches.get(socket);
  if (state === undefined) throw new Error('not watched');
  const { longestMs, bytes, fromMs, moves } = state;
  return { longestMs, bytes, ms: performance.now() - fromMs, moves };
}
