export { createCrypto } from './crypto.ts';
export { KeySlab } from './key-slab.ts';
