export { type AddressWatchReport, addressWatchReport } from './address-watch.ts';
export { type CryptoReport, createCrypto, cryptoReport } from './choose-crypto.ts';
export { createLink, linkReport } from './choose-link.ts';
export { nowUs } from './clock.ts';
export {
  createDriver,
  type DrivenStack,
  type DriverCounters,
  IoDriver,
  type IoDriverOptions,
  type IoReport,
} from './driver.ts';
export { Multicast, type MulticastOptions, type MulticastReport } from './multicast.ts';
export { createPrimitives, systemRandom } from './primitives.ts';
export { addressText, parseAddress } from './socket-address.ts';
export { askStack, type Operate, readStatuses, runtimeDirectory, type Status, serveStatus } from './status.ts';
export { openTun, type Tun } from './tun.ts';
export {
  type LinkCallbacks,
  type LinkCounters,
  type LinkOptions,
  type LinkReport,
  maxBatchBytes,
  type SendResult,
  safePacketBytes,
  type UdpLink,
} from './udp-link.ts';
