// What every program of the lab shares: its options, commands as lines of JSON on standard input, answers and reports as
// lines on standard output. The end of standard input ends it: nothing outlives the lab.

import { createInterface } from 'node:readline';

interface Question {
  readonly id: number;
  readonly command: string;
  readonly args: never;
}

export interface Answer {
  /** The question's id; absent in a report. */
  readonly re?: number;
  readonly value?: unknown;
  readonly error?: string;
}

export function workerOptions<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

/** Says that it is ready, and carries out commands until standard input ends. */
export function serveCommands(commands: Readonly<Record<string, (args: never) => unknown>>): void {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => void answer(JSON.parse(line) as Question, commands));
  lines.on('close', () => process.exit(0));
  console.log('ready worker');
}

export function report(fields: object): void {
  console.log(JSON.stringify(fields));
}

async function answer(
  { id, command, args }: Question,
  commands: Record<string, (args: never) => unknown>,
): Promise<void> {
  try {
    const known = commands[command];
    if (known === undefined) throw new Error(`no command ${command}`);
    report({ re: id, value: await known(args) });
  } catch (error) {
    report({ re: id, error: error instanceof Error ? error.message : String(error) });
  }
}
