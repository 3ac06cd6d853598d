// The lab's side of a program below workers/: questions and answers as lines of JSON, and reports that nobody asked for.
// A program that ends leaves no question unanswered: it rejects.

import type { Child } from '../child.ts';
import type { Answer } from './workers/commands.ts';

interface Pending {
  resolve(value: never): void;
  reject(error: Error): void;
}

export class Worker {
  readonly child: Child;
  /** Of lines that answer nothing. */
  onReport: (report: never) => void = () => {};
  readonly #pending = new Map<number, Pending>();
  #asked = 0;

  constructor(child: Child) {
    this.child = child;
    child.onLine = (line) => this.#onLine(line);
    void child.ended.then((code) => {
      for (const { reject } of this.#pending.values()) reject(child.failure(`ended with ${code}`));
      this.#pending.clear();
    });
  }

  /** Rejects with CliError when it fails there. */
  ask<T>(command: string, args: object = {}): Promise<T> {
    const id = ++this.#asked;
    const answered = new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.child.tell(JSON.stringify({ id, command, args }));
    });
    // The answer may be waited for much later than it comes.
    answered.catch(() => {});
    return answered;
  }

  #onLine(line: string): void {
    if (!line.startsWith('{')) return;
    const answer = JSON.parse(line) as Answer;
    const pending = answer.re === undefined ? undefined : this.#pending.get(answer.re);
    if (pending === undefined) return this.onReport(answer as never);
    this.#pending.delete(answer.re ?? 0);
    if (answer.error === undefined) pending.resolve(answer.value as never);
    else pending.reject(this.child.failure(`failed: ${answer.error}`));
  }
}
