export { type Lower, type PacketBatch, Signal, type TcbOptions, type TcpState } from './types.ts';
