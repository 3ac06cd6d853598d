// What others may use of the command line: its plots, which the benchmarks draw their curves with. The program itself is
// started by bin/caracal.js, and nothing of it is part of the public API.

export { type Chart, type Panel, renderChart } from './lab/plot.ts';
