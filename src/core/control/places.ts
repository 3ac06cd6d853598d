// Where what is registered is: how much comes from each address, which is limited, and what is at each locator, for which
// heartbeats speak.

import { formatLocator, type Locator } from '../base/index.ts';

interface Placed {
  readonly locator: Locator;
}

export interface Places<T extends Placed> {
  /** By address, whatever the port. */
  readonly perSender: Map<string, number>;
  /** By locator in text. */
  readonly perLocator: Map<string, Set<T>>;
}

export function createPlaces<T extends Placed>(): Places<T> {
  return { perSender: new Map(), perLocator: new Map() };
}

export function addPlaced<T extends Placed>(places: Places<T>, placed: T): void {
  const key = formatLocator(placed.locator);
  countSender(places, placed.locator, 1);
  const there = places.perLocator.get(key);
  if (there === undefined) places.perLocator.set(key, new Set([placed]));
  else there.add(placed);
}

/** Before it is elsewhere or gone; whether it was the last one there. */
export function removePlaced<T extends Placed>(places: Places<T>, placed: T): boolean {
  const key = formatLocator(placed.locator);
  countSender(places, placed.locator, -1);
  const there = places.perLocator.get(key);
  there?.delete(placed);
  return there?.size === 0 && places.perLocator.delete(key);
}

/** A copy: they may be removed meanwhile. */
export function placedAt<T extends Placed>({ perLocator }: Places<T>, locatorText: string): T[] {
  return [...(perLocator.get(locatorText) ?? [])];
}

export function countAt<T extends Placed>({ perLocator }: Places<T>, locator: Locator): number {
  return perLocator.get(formatLocator(locator))?.size ?? 0;
}

export function countFrom<T extends Placed>({ perSender }: Places<T>, locator: Locator): number {
  return perSender.get(senderOf(locator)) ?? 0;
}

export function senderOf({ address }: Locator): string {
  return address.join('.');
}

function countSender<T extends Placed>({ perSender }: Places<T>, locator: Locator, change: 1 | -1): void {
  const sender = senderOf(locator);
  const total = (perSender.get(sender) ?? 0) + change;
  if (total > 0) perSender.set(sender, total);
  else perSender.delete(sender);
}
