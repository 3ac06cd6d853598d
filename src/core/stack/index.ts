export {
  type Driver,
  type Event,
  type FlowInfo,
  type Input,
  type Output,
  type OutputKind,
  Protocol,
  type SocketId,
  type StackOptions,
  type StreamOptions,
} from './types.ts';
