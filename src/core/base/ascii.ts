// Names are ASCII, and so is their case: String's own lower case takes letters of other scripts for ours (the Kelvin sign
// becomes k), so that a name that is none would pass for one.

/** The bytes of a text that is ASCII: a label, or what keeps uses of one key apart. */
export function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A to Z in lower case; everything else as it is. */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
