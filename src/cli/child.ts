// A process that the demo or the lab has started: watched line by line, told things by lines, ended by its own pid
// whatever happens. They are the very commands that a user would type, and small programs beside them.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CliError } from './errors.ts';
import { packageRoot } from './package.ts';

export interface ChildOptions {
  readonly env: NodeJS.ProcessEnv;
  /** What it prints is content, not lines. */
  readonly onBytes?: (bytes: Buffer) => void;
}

export class Child {
  readonly what: string;
  readonly pid: number;
  /** The exit code, or 128 when a signal ended it. */
  readonly ended: Promise<number>;
  lastLine = '';
  onLine: (line: string) => void = () => {};
  #stderr = '';
  readonly #child: ChildProcess;
  readonly #ready: Promise<string>;

  constructor(what: string, command: readonly string[], { env, onBytes }: ChildOptions) {
    this.what = what;
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.#child.pid ?? -1;
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#stderr += error.message;
        resolve(127);
      });
      this.#child.once('close', (code) => resolve(code ?? 128));
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-2000);
    });
    if (onBytes !== undefined) this.#child.stdout?.on('data', onBytes);
    this.#ready = onBytes === undefined ? this.#readLines() : Promise.resolve('');
    // Whoever waits for it handles the failure; one that nobody waits for must not end the run.
    this.#ready.catch(() => {});
  }

  /** The rest of the line that starts with `ready`. Throws CliError when it ends without one. */
  ready(): Promise<string> {
    return this.#ready;
  }

  /** One line to its standard input. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
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
export function caracalCommand(args: readonly string[]): string[] {
  return [process.execPath, join(packageRoot, 'bin', 'caracal.js'), ...args];
}
