import type { Primitives, ServiceId } from '../base/index.ts';

/** Registrations and every other control message go to this name. */
export const controlLabel = 'caracal.control';
/** Name queries go to this one. */
export const directoryLabel = 'caracal.directory';
export declare function isLabel(label: string): boolean;
/** Throws TypeError ERR_INVALID_SERVICE_NAME. */
export declare function checkLabel(label: string): void;
/** ssID 0 | first 160 bits of SHA-256(label) | member 0. Throws TypeError ERR_INVALID_SERVICE_NAME. */
export declare function labelServiceId(primitives: Pick<Primitives, 'sha256'>, label: string): ServiceId;
/** The same service with its member field set (0..2^32-1). */
export declare function memberServiceId(service: ServiceId, member: number): ServiceId;
