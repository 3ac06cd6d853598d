// Planted for the engine's own tests: six conditions, one inside the other, that noise alone would meet once in 2^48
// inputs. Each that holds is a new edge, so a fuzzer that is led by coverage climbs them one by one.

export const maxBytes = 64;

export function fuzz(data: Uint8Array): void {
  if (data[0] === 0x63) {
    if (data[1] === 0x61) {
      if (data[2] === 0x72) {
        if (data[3] === 0x61) {
          if (data[4] === 0x63) {
            if (data[5] === 0x61) throw new Error('planted');
          }
        }
      }
    }
  }
}
