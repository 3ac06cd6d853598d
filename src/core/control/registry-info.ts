// What people and tools may see of a registry: one plain line for each registration.

import { formatFlowId, formatLocator, formatServiceId } from '../base/index.ts';
import { expiringEntries } from '../tables/index.ts';
import { silentMs } from './presence.ts';
import type { Registry } from './registry.ts';

/** One line of `caracal ls`; plain JSON. */
export interface RegistrationInfo {
  readonly service: string;
  readonly bits: number;
  readonly protocol: number;
  readonly instance: string;
  readonly locator: string;
  readonly weight: number;
  readonly priority: number;
  readonly ageMs: number;
  /** What is left of the lease. */
  readonly leaseMs: number;
  /** Since its stack's last heartbeat; null: it sends none. */
  readonly silentMs: number | null;
  /** A key vouched for it. */
  readonly authenticated: boolean;
  /** The serviceID of that key; null: nobody vouched. */
  readonly key: string | null;
}

export function listRegistry(registry: Registry, nowUs: number): RegistrationInfo[] {
  const lines: RegistrationInfo[] = [];
  for (const registration of expiringEntries(registry.registrations)) {
    const { prefix, protocol, instance, locator, weight, priority, sinceUs, expiresUs, authority } = registration;
    if (expiresUs <= nowUs) continue;
    lines.push({
      service: formatServiceId(prefix.id),
      bits: prefix.bits,
      protocol,
      instance: formatFlowId(instance),
      locator: formatLocator(locator),
      weight,
      priority,
      ageMs: Math.round((nowUs - sinceUs) / 1000),
      leaseMs: Math.round((expiresUs - nowUs) / 1000),
      silentMs: silentMs(registry.presences, locator, nowUs),
      authenticated: authority !== undefined,
      key: authority?.key ?? null,
    });
  }
  return lines;
}
