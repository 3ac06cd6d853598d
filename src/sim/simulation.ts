// One simulated run: a clock, a network and hosts, all drawn from one seed. `run` goes until nothing is left to happen,
// until a condition holds or until a deadline; which of them it was is the answer. Leases are refreshed for ever, so a
// run with registrations ends by condition or deadline, never by itself.

import type { Crypto } from '../core/base/index.ts';
import { type Clock, createClock, nextTimerUs, step } from './clock.ts';
import type { DrivenStack } from './driver.ts';
import { createHost, type HostOptions, type SimHost } from './host.ts';
import { followBytes, type Ledger } from './ledger.ts';
import type { Link, LinkOptions } from './link.ts';
import { addLink, createNetwork, type Network, setPath } from './network.ts';
import { followNetwork, type Trace } from './trace.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Of links that nobody laid. */
  readonly link?: Partial<LinkOptions>;
  /** Keep every packet. */
  readonly keepTrace?: boolean;
  /** Of all hosts; node:crypto unless given. Whose it is shows in no trace, since all give the same bytes. */
  readonly crypto?: Crypto;
}

export interface Simulation {
  readonly clock: Clock;
  readonly network: Network;
  readonly crypto: Crypto | undefined;
  readonly hosts: Map<string, SimHost>;
  readonly trace: Trace;
  /** Who sent how much to addresses that had proven nothing; to be empty of violations at the end of each run. */
  readonly ledger: Ledger;
}

/** `stuck`: so many events happened that the run cannot be making progress. */
export type Ending = 'quiescent' | 'condition' | 'deadline' | 'stuck';

const eventLimit = 50_000_000;

export function createSimulation(options: SimulationOptions): Simulation {
  const clock = createClock();
  const network = createNetwork(clock, options.seed, options.link);
  const trace = followNetwork(network, options.keepTrace ?? false);
  const { crypto } = options;
  return { clock, network, crypto, hosts: new Map(), trace, ledger: followBytes(network) };
}

export function addHost<S extends DrivenStack>(simulation: Simulation, options: HostOptions<S>): SimHost<S> {
  const host = createHost(simulation.network, options, simulation.crypto);
  simulation.hosts.set(host.name, host);
  return host;
}

/** Joins two hosts by a link each way and answers both: [a to b, b to a]. */
export function joinHosts(
  simulation: Simulation,
  a: SimHost,
  b: SimHost,
  forward: Partial<LinkOptions>,
  backward = forward,
): readonly [Link, Link] {
  const { network } = simulation;
  const links = [addLink(network, forward), addLink(network, backward)] as const;
  setPath(network, a.name, b.name, [links[0]]);
  setPath(network, b.name, a.name, [links[1]]);
  return links;
}

/** Runs up to and including `untilUs`; `condition` is asked after every event. */
export function run(simulation: Simulation, untilUs: number, condition?: () => boolean): Ending {
  const { clock } = simulation;
  for (let events = 0; events < eventLimit; events++) {
    if (condition?.()) return 'condition';
    const nextUs = nextTimerUs(clock);
    if (nextUs === Infinity) return 'quiescent';
    if (nextUs > untilUs) {
      clock.nowUs = untilUs;
      return 'deadline';
    }
    step(clock);
  }
  return 'stuck';
}
