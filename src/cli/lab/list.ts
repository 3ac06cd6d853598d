// The experiments, in the order of the paper's evaluation.

import type { Experiment } from './experiment.ts';
import { failover } from './failover.ts';
import { handoff } from './handoff.ts';
import { migrate } from './migrate.ts';
import { multipath } from './multipath.ts';
import { shed } from './shed.ts';

export const experiments: readonly Experiment[] = [migrate, multipath, failover, shed, handoff];
