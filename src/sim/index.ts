export { type Clock, cancel, createClock, nextTimerUs, schedule, step, type Timer } from './clock.ts';
export { createDriver, type DrivenStack, type DriverCounters, type DriverOptions, type SimDriver } from './driver.ts';
export {
  createHost,
  createPrimitives,
  type HostOptions,
  linkHost,
  makeLocator,
  moveHost,
  type SimHost,
  simulatedEpochSeconds,
} from './host.ts';
export { type Account, followBytes, type Ledger, vouch } from './ledger.ts';
export {
  carry,
  createLink,
  type Fate,
  idealLink,
  type Link,
  type LinkCounters,
  type LinkOptions,
  type Packet,
} from './link.ts';
export {
  addLink,
  attachStation,
  createNetwork,
  detachStation,
  inject,
  moveStation,
  type Network,
  type Observer,
  pathBetween,
  probePort,
  rebind,
  type Station,
  send,
  setPath,
  setTap,
  setWay,
  type Tap,
  type Verdict,
} from './network.ts';
export {
  addHost,
  createSimulation,
  type Ending,
  joinHosts,
  run,
  type Simulation,
  type SimulationOptions,
} from './simulation.ts';
export { dumpTrace, followNetwork, formatTrace, type Trace, type TraceRecord, traceHash } from './trace.ts';
