export { asciiBytes, lowerCase } from './ascii.ts';
export { sameBytes } from './bytes.ts';
export { type Aead, aeadKeyBytes, aeadTagBytes, type Crypto, type KeyIndex, type Mac } from './crypto.ts';
export { type FlowId, formatFlowId, noFlow, randomId, sameFlow } from './flow-id.ts';
export {
  formatLocator,
  isLoopback,
  isPrivate,
  type Locator,
  multicastLocator,
  noLocator,
  sameLocator,
} from './locator.ts';
export type { Primitives } from './primitives.ts';
export { type Random, randomBelow, randomBytes, randomFraction, seededRandom } from './random.ts';
export { Reason, reasonName } from './reason.ts';
export { unwrap32, wrap32 } from './serial.ts';
export {
  formatPrefix,
  formatServiceId,
  isServiceIdText,
  makePrefix,
  memberBits,
  memberOffset,
  type Prefix,
  parsePrefix,
  parseServiceId,
  prefixContains,
  prefixWithin,
  type ServiceId,
  serviceBits,
  serviceIdBytes,
  ssIdBytes,
} from './service-id.ts';
export { widen } from './wide.ts';
