// The course of the demo: follows what the client reports, and does to it and to the instances what is to be survived, each
// as soon as it can be seen. First the client moves; half way one instance is stopped politely; then another is killed in
// the middle of an answer.

import type { Child } from '../child.ts';
import type { DemoFile } from './content.ts';
import type { ClientReport, UnderWay } from './report.ts';

export interface Instance {
  readonly name: string;
  readonly child: Child;
}

type Report<Kind extends ClientReport['kind']> = Extract<ClientReport, { kind: Kind }>;

/** What the client has reported, and what was done. */
export class Watch {
  readonly received = new Map<string, Report<'file'>>();
  readonly failed: Report<'failed'>[] = [];
  readonly moves: Report<'moved'>[] = [];
  readonly resumed: Report<'resumed'>[] = [];
  done: Report<'done'> | undefined;
  stopped: Instance | undefined;
  killed: Instance | undefined;
  /** Files that the stopped instance began after it had ended: at most what was under way. */
  afterStop = 0;
  #told = false;
  #stoppedEnded = false;
  readonly #files: readonly DemoFile[];
  readonly #instances: readonly Instance[];
  readonly #client: Child;
  readonly #say: (line: string) => void;

  constructor(files: readonly DemoFile[], instances: readonly Instance[], client: Child, say: (line: string) => void) {
    this.#files = files;
    this.#instances = instances;
    this.#client = client;
    this.#say = say;
  }

  take(report: ClientReport): void {
    switch (report.kind) {
      case 'file':
        this.received.set(report.name, report);
        if (this.#stoppedEnded && report.instance === this.stopped?.name) this.afterStop++;
        this.#stopOne();
        break;
      case 'progress':
        this.#interfere(report);
        break;
      case 'failed':
        this.failed.push(report);
        break;
      case 'moved':
        this.moves.push(report);
        break;
      case 'resumed':
        this.resumed.push(report);
        break;
      case 'done':
        this.done = report;
        break;
    }
  }

  /** Files whose answer each instance began, by its name. */
  countsText(): string {
    return this.#instances.map(({ name }) => `${this.#servedBy(name)} files from ${name}`).join(', ');
  }

  #servedBy(name: string): number {
    return [...this.received.values()].filter(({ instance }) => instance === name).length;
  }

  #interfere({ bytes, underWay }: Report<'progress'>): void {
    const totalBytes = this.#files.reduce((sum, file) => sum + file.bytes, 0);
    const middle = underWay.filter((transfer) => this.#isInTheMiddle(transfer));
    if (!this.#told && bytes > totalBytes / 8 && middle.length > 0) {
      this.#told = true;
      this.#say(`move      the client moves its ${middle.length} connections to another address`);
      this.#client.tell('move');
    } else if (this.stopped !== undefined && this.killed === undefined) {
      const victim = this.#instances.find(
        (instance) => instance !== this.stopped && middle.some((transfer) => transfer.instance === instance.name),
      );
      if (victim !== undefined) this.#kill(victim);
    }
  }

  /** Something is there already, and half of it is still to come. */
  #isInTheMiddle({ bytes }: UnderWay): boolean {
    return bytes > 0 && bytes < (this.#files[0]?.bytes ?? 0) / 2;
  }

  /** Half way, the one that has done most. */
  #stopOne(): void {
    if (this.stopped !== undefined || this.received.size < this.#files.length / 2) return;
    const [most] = [...this.#instances].sort((a, b) => this.#servedBy(b.name) - this.#servedBy(a.name));
    if (most === undefined) return;
    this.stopped = most;
    this.#say(`half way  ${this.countsText()}; instance ${most.name} is stopped politely (SIGTERM)`);
    most.child.stop();
    void most.child.ended.then(() => {
      this.#stoppedEnded = true;
    });
  }

  #kill(instance: Instance): void {
    this.killed = instance;
    this.#say(
      `kill      instance ${instance.name} is killed in the middle of an answer (kill -9 ${instance.child.pid})`,
    );
    instance.child.stop('SIGKILL');
  }
}
