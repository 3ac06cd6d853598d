export type { CongestionName } from '../transport/index.ts';
export type { CountersInfo } from './counters.ts';
export { encodeHandoff, type HandoffState, parseHandoff } from './handoff-state.ts';
export type { ListenerInfo, StackInfo } from './inspect.ts';
export { createOutput } from './poll.ts';
export { createStack, type Stack } from './stack.ts';
export {
  type Driver,
  defaultLeaseUs,
  type Event,
  type EventListener,
  type FlowInfo,
  type Input,
  type InterfaceAddress,
  type Limits,
  type LinkInfo,
  type Nearness,
  type Output,
  type OutputKind,
  type PathInfo,
  type PathPolicy,
  type PeerProof,
  Protocol,
  type ResumePoint,
  type RuleChange,
  type SecurityOptions,
  type SocketId,
  type StackOptions,
  type StreamOptions,
  tellListener,
} from './types.ts';
