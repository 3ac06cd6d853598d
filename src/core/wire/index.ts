export {
  type Address,
  AddressFlag,
  addressBytes,
  createAddress,
  decodeAddresses,
  emitAddress,
  encodeAddresses,
  maxAddresses,
  parseAddress,
} from './address.ts';
export { copyBytes, readBytes, readUint53, skipZeros, writeUint53 } from './bytes.ts';
export { type Challenge, challengeBytes, createChallenge, emitChallenge, parseChallenge } from './challenge.ts';
export { internetChecksum, transportChecksum, verifyTransportChecksum } from './checksum.ts';
export {
  type Control,
  ControlFlag,
  ControlOption,
  controlBytes,
  createControl,
  emitControl,
  parseControl,
} from './control.ts';
export {
  type Cookie,
  cookieBytes,
  createCookie,
  Direction,
  emitCookie,
  maxCookieBytes,
  parseCookie,
} from './cookie.ts';
export { createDataSeq, type DataSeq, dataSeqBytes, emitDataSeq, parseDataSeq } from './data-seq.ts';
export {
  createDatagramHeader,
  type DatagramHeader,
  datagramHeaderBytes,
  emitDatagramHeader,
  parseDatagramHeader,
} from './datagram.ts';
export { criticalBit, Extension, extensionBytes, maxExtensionBytes, Present } from './extension.ts';
export { createFinal, emitFinal, type Final, finalBytes, parseFinal } from './final.ts';
export { createFlowIds, emitFlowIds, type FlowIds, flowIdsBytes, maxSpareFlowIds, parseFlowIds } from './flow-ids.ts';
export {
  createHandshake,
  emitHandshake,
  type Handshake,
  handshakeBytes,
  maxHandshakeBytes,
  parseHandshake,
} from './handshake.ts';
export { hasId, type IdList } from './id-list.ts';
export { createJoin, emitJoin, type Join, JoinFlag, joinBytes, parseJoin } from './join.ts';
export {
  createLineage,
  emitLineage,
  type Lineage,
  lineageBytes,
  lineageHas,
  maxLineageIds,
  parseLineage,
} from './lineage.ts';
export {
  entryIs,
  entryOffset,
  type LocatorEntry,
  type LocatorList,
  locatorEntryBytes,
  readEntryFlags,
  readEntryPriority,
  readLocator,
} from './locators.ts';
export { createMac, emitMac, type Mac, MacFlag, macBytes, macTagBytes, parseMac } from './mac.ts';
export {
  baseHeaderBytes,
  createPacket,
  emitBase,
  maxHeaderBytes,
  type Packet,
  PacketKind,
  padTo,
  parsePacket,
  synBytes,
  wireVersion,
} from './packet.ts';
export {
  branchBodyBytes,
  branchNumbers,
  createRecordHeader,
  emitBranch,
  emitRecordHeader,
  maxRecordBodyBytes,
  paddedLengthBytes,
  parseBranch,
  parseRecordHeader,
  type RecordHeader,
  RecordType,
  recordHeaderBytes,
  recordNumberEnd,
} from './record.ts';
export {
  createResume,
  decodeResume,
  emitResume,
  encodeResume,
  maxResumeTokenBytes,
  mostResumeBytes,
  parseResume,
  type Resume,
  type ResumePoint,
  resumeBytes,
} from './resume.ts';
export { createService, emitService, parseService, readServiceId, type Service, serviceBytes } from './service.ts';
export { createSignal, emitSignal, maxSignalBytes, parseSignal, type Signal, signalBytes } from './signal.ts';
export {
  appendSource,
  createSource,
  emitSource,
  maxSourceEntries,
  parseSource,
  type Source,
  SourceFlag,
  sourceBytes,
  sourceHasRouter,
  withoutSource,
} from './source.ts';
export {
  createSegment,
  emitSegment,
  maxSackBlocks,
  maxTcpHeaderBytes,
  maxWindowScale,
  parseSegment,
  type Segment,
  segmentHeaderBytes,
  segmentHeaderBytesAt,
  TcpFlag,
  tcpDataHeaderBytes,
  tcpHeaderBytes,
} from './tcp.ts';
export { countTwins } from './twins.ts';
