// The addresses that this machine can be reached at now. Node leaves out interfaces that are down or have no carrier;
// an IPv6 address that is still being probed for duplicates (RFC 4862) is there and cannot be bound, which only a file
// of Linux tells.

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { sameBytes } from '../core/base/index.ts';
import { parseAddress } from './socket-address.ts';

export interface UsableAddress {
  /** Of the interface. */
  readonly name: string;
  readonly text: string;
  readonly address: Uint8Array;
  readonly internal: boolean;
}

/** Link-local IPv6 ones are left out: they need a scope, which a Locator has not. */
export function usableAddresses(): UsableAddress[] {
  const usable: UsableAddress[] = [];
  let unusable6: ReadonlySet<string> | undefined;
  for (const [label, list = []] of Object.entries(networkInterfaces())) {
    // `eth0:1` is an address's label, not an interface.
    const [name = label] = label.split(':');
    for (const { address: text, internal } of list) {
      const address = parseAddress(text);
      if (address === undefined || text.startsWith('fe80:')) continue;
      if (address.length === 16) {
        unusable6 ??= unusableIpv6();
        if (unusable6.has(Buffer.from(address).toString('hex'))) continue;
      }
      usable.push({ name, text, address, internal });
    }
  }
  return usable;
}

/** Whether a socket at `address` can be used now; every address of 127.0.0.0/8 stands for loopback. */
export function isUsable(address: Uint8Array, usable: readonly UsableAddress[]): boolean {
  const loopback = address.length === 4 && address[0] === 127;
  return usable.some((one) => sameBytes(one.address, address) || (loopback && one.address[0] === 127 && one.internal));
}

/** IPv4 addresses of interfaces that are up; loopback last. */
export function ipv4Interfaces(): { address: string; internal: boolean }[] {
  return usableAddresses()
    .filter(({ address }) => address.length === 4)
    .map(({ text, internal }) => ({ address: text, internal }))
    .sort((a, b) => Number(a.internal) - Number(b.internal));
}

/** include/uapi/linux/if_addr.h */
const AddressFlag = { OPTIMISTIC: 0x04, DADFAILED: 0x08, TENTATIVE: 0x40 } as const;

/** Lines: address, interface index, prefix length, scope, flags, name; numbers in hexadecimal. */
function unusableIpv6(): ReadonlySet<string> {
  if (process.platform !== 'linux') return new Set();
  let text = '';
  try {
    text = readFileSync('/proc/net/if_inet6', 'utf8');
  } catch {
    // No IPv6, or no /proc: then nothing is known against any address.
  }
  const unusable = new Set<string>();
  for (const line of text.split('\n')) {
    const [address = '', , , , flagText = '0'] = line.trim().split(/\s+/);
    const flags = Number.parseInt(flagText, 16);
    const tentative = (flags & AddressFlag.TENTATIVE) !== 0 && (flags & AddressFlag.OPTIMISTIC) === 0;
    if (tentative || (flags & AddressFlag.DADFAILED) !== 0) unusable.add(address);
  }
  return unusable;
}
