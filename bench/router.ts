import type { Bench } from './bench.ts';
export const router = {} as unknown as Bench;
