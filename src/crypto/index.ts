export { createCrypto } from './crypto.ts';
