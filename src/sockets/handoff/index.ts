export { dialReceiver, openReceiver, type Receiver, type Traveller } from './carrier.ts';
export { Channel } from './channel.ts';
export { handOff } from './hand-off.ts';
export { type HandoffOptions, type HandoffResult, maxBlobBytes } from './hand-over.ts';
export { type Host, type Imported, TakingOver } from './take-over.ts';
