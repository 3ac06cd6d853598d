// One process of the demo: started, watched line by line, ended by its own pid whatever happens. The demo's processes
// are the very commands that a user would type.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CliError } from '../errors.ts';
import { packageRoot } from '../package.ts';

export class DemoProcess {
  readonly what: string;
  readonly pid: number;
  /** The exit code, or 128 when a signal ended it. */
  readonly ended: Promise<number>;
  lastLine = '';
  onLine: (line: string) => void = () => {};
  #stderr = '';
  readonly #child: ChildProcess;
  readonly #ready: Promise<string>;

  constructor(what: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.what = what;
    this.#child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.pid = this.#child.pid ?? -1;
    this.ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve(127));
      this.#child.once('close', (code) => resolve(code ?? 128));
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-2000);
    });
    this.#ready = this.#readLines();
    // Whoever waits for it handles the failure; one that nobody waits for must not end the demo.
    this.#ready.catch(() => {});
  }

  /** The rest of the line that starts with `ready`. Throws CliError when it ends without one. */
  ready(): Promise<string> {
    return this.#ready;
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  failure(why: string): CliError {
    const said = this.#stderr.trim();
    return new CliError(`the ${this.what} ${why}${said === '' ? '' : `; it said:\n${said}`}`);
  }

  #readLines(): Promise<string> {
    return new Promise((resolve, reject) => {
      createInterface({ input: this.#child.stdout! }).on('line', (line) => {
        this.lastLine = line;
        if (line.startsWith('ready ')) resolve(line.slice(6));
        this.onLine(line);
      });
      this.ended.then((code) => reject(this.failure(`ended with ${code} before it was ready`)));
    });
  }
}

/** `caracal ARGS`, as a user would start it. */
export function startCaracal(what: string, args: readonly string[], env: NodeJS.ProcessEnv): DemoProcess {
  return new DemoProcess(what, [join(packageRoot, 'bin', 'caracal.js'), ...args], env);
}

export function startClient(service: string, manifestPath: string, env: NodeJS.ProcessEnv): DemoProcess {
  return new DemoProcess('client', [join(import.meta.dirname, 'client.js'), service, manifestPath], env);
}
