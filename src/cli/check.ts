// One finding of `caracal doctor`: what was looked at, how it stands, what to do about it.

import { paint } from './output.ts';

export interface Check {
  readonly name: string;
  /** `warn`: works, less well. `fail`: something will not work. */
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  readonly advice?: string;
}

export function formatCheck({ name, status, detail, advice }: Check): string {
  const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  const mark = paint(colours[status], status.padEnd(4));
  return `${mark}  ${name.padEnd(10)}  ${detail}${advice === undefined ? '' : `\n${' '.repeat(18)}try: ${advice}`}`;
}
