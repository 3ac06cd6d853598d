// Planted for the engine's own tests: a list whose entries say how long they are is walked, and an entry of length 0 stops
// the walk from going on, as in many a real parser. The loop sits where the exception is caught, too.

export const maxBytes = 64;
export const stepLimit = 5_000;

export function fuzz(data: Uint8Array): void {
  let entries = 0;
  for (let at = 1; at < data.length; at += data[at]!) entries++;
  if (data[0] === 0xff) swallow(data, entries);
}

function swallow(data: Uint8Array, entries: number): void {
  try {
    while (entries > 3 && data[1] === 1);
  } catch {
    return;
  }
}
