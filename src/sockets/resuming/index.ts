export type { Resumed } from './carrier.ts';
export { connectResuming, ResumingSocket } from './socket.ts';
