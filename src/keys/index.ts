export {
  describeCertificate,
  fingerprint,
  formatCertificateFile,
  formatTime,
  parseCertificateText,
  parseSerial,
  readCertificateFile,
  writeCertificateFile,
} from './certificate-file.ts';
export { KeysError, type KeysErrorCode } from './errors.ts';
export { besideFile } from './files.ts';
export { type IdentityOptions, loadIdentity, type WatchOptions, watchIdentity, whyNot } from './identity.ts';
export {
  formatKeyFile,
  formatPublicKeyFile,
  generateKey,
  type InstanceKey,
  isPrivateKeyText,
  isReadableByOthers,
  type Key,
  type KeyKind,
  keyName,
  keyText,
  type PublicKey,
  parseKeyText,
  readKeyFile,
  readPublicKeyFile,
  type SigningKey,
  writeKeyFiles,
} from './key-file.ts';
export { primitives, unixSeconds } from './primitives.ts';
export { type RevocationFile, readRevocationFile, writeRevocationFile } from './revocation-file.ts';
export { addPin, addSystem, pinOnFirstUse, removeTrust } from './trust-edit.ts';
export {
  configFolder,
  currentTrust,
  knownPath,
  type PinEntry,
  pinEntry,
  readTrust,
  type SystemEntry,
  systemEntry,
  type TrustFile,
  type TrustFiles,
  trustPath,
} from './trust-file.ts';
