// Names are ASCII, and so is their case: String's own lower case takes letters of other scripts for ours (the Kelvin sign
// becomes k), so that a name that is none would pass for one.

/** A to Z in lower case; everything else as it is. */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
