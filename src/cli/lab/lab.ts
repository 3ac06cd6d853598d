// The ground that experiments stand on: a folder, a topology with a router, and the processes that were started. All of it
// is gone when the run is over, however it ends.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, type ChildOptions, caracalCommand } from '../child.ts';
import { CliError } from '../errors.ts';
import { buildStar, type Host, type Star, type StarPlan } from './topology.ts';
import { Worker } from './worker.ts';

export interface LabOptions {
  /** A short version, for a look and for tests. */
  readonly quick: boolean;
  /** Told one line per step. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export class Lab {
  readonly quick: boolean;
  readonly say: (line: string) => void;
  readonly folder: string;
  /** Nothing of the person's own set-up reaches a child. */
  readonly env: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal;
  readonly #children: Child[] = [];
  #star: Star | undefined;
  #over = false;

  private constructor(folder: string, { quick, say, signal }: LabOptions) {
    this.folder = folder;
    this.quick = quick;
    this.say = say;
    this.#signal = signal;
    const { CARACAL_ROUTER, CARACAL_TRUST, CARACAL_KNOWN, CARACAL_ALIASES, CARACAL_IDENTITY, ...env } = process.env;
    this.env = { ...env, XDG_CONFIG_HOME: folder, XDG_RUNTIME_DIR: folder };
  }

  /** Runs `work`, and clears away what it has built. Rejects with CliError when the signal comes first. */
  static async with<T>(options: LabOptions, work: (lab: Lab) => Promise<T>): Promise<T> {
    const lab = new Lab(await mkdtemp(join(tmpdir(), 'caracal-lab-')), options);
    const working = work(lab);
    working.catch(() => {});
    try {
      return await Promise.race([working, lab.#interrupted()]);
    } finally {
      await lab.#end();
    }
  }

  /** A topology with a router in its middle, of which every process is told that is started from now on. */
  async build(plan: StarPlan): Promise<Star> {
    const star = await buildStar(plan, (child) => this.start(child));
    this.#star = star;
    if (this.#over) star.remove();
    const { where, rttMs, middle, middleAddress } = star;
    const args = ['router', '--host', middleAddress, '--port', '0', '--no-discovery', '--no-learning', '--json'];
    const router = this.caracal('router', args, middle);
    const address = /^router on (\S+)/.exec(await router.ready())?.[1];
    if (address === undefined) throw router.failure('did not say where it is');
    this.env['CARACAL_ROUTER'] = address;
    this.say(where === 'netns' ? `network namespaces, RTT ${rttMs} ms` : 'loopback (not root: nothing delays)');
    return star;
  }

  /** `caracal ARGS` on a host. */
  caracal(
    what: string,
    args: readonly string[],
    host: Pick<Host, 'prefix'>,
    options: Partial<ChildOptions> = {},
  ): Child {
    return this.run(what, caracalCommand(args), host, options);
  }

  /** A program of workers/, told `options` as one JSON argument. */
  worker(what: string, name: string, options: object, host: Pick<Host, 'prefix'>): Worker {
    const path = join(import.meta.dirname, 'workers', `${name}.js`);
    return new Worker(this.run(what, [process.execPath, path, JSON.stringify(options)], host));
  }

  run(
    what: string,
    command: readonly string[],
    { prefix }: Pick<Host, 'prefix'>,
    options: Partial<ChildOptions> = {},
  ): Child {
    return this.start(new Child(what, [...prefix, ...command], { env: this.env, ...options }));
  }

  start(child: Child): Child {
    this.#children.push(child);
    if (this.#over) child.stop('SIGKILL');
    return child;
  }

  #interrupted(): Promise<never> {
    return new Promise((_, reject) => {
      const reason = (): void => reject(new CliError('interrupted'));
      if (this.#signal.aborted) reason();
      else this.#signal.addEventListener('abort', reason, { once: true });
    });
  }

  async #end(): Promise<void> {
    this.#over = true;
    for (const child of this.#children) child.stop('SIGKILL');
    await Promise.all(this.#children.map(({ ended }) => ended));
    this.#star?.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}
