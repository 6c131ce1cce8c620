// Texts that break things: surrogate pairs beside U+E000 and above, byte order marks, NUL, every length of
// UTF-8, and the characters that formats are made of.
import fc from 'fast-check';

const AWKWARD = [
  '',
  '\0',
  'a',
  'é',
  '€',
  '\ud7ff',
  '\ue000',
  '\ufeff',
  '\ufffd',
  '\uffff',
  '😀',
  '𐀀',
  '\u{10ffff}',
];

export const wellFormed = (maxLength = 12): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.constantFrom(...AWKWARD), fc.string({ unit: 'binary', maxLength: 3 })), {
      maxLength,
    })
    .map((parts) => parts.join('').toWellFormed());

/** Bytes of anything: text with line ends of all kinds, and bytes that are not UTF-8. */
export const anyBytes = (pieces: string[], maxPieces = 60): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc
    .array(
      fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(...pieces).map((text) => Buffer.from(text)) },
        { weight: 1, arbitrary: wellFormed(3).map((text) => Buffer.from(text)) },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }).map((raw) => Buffer.from(raw)) },
      ),
      { maxLength: maxPieces },
    )
    .map((parts) => new Uint8Array(Buffer.concat(parts)));

/** Cuts bytes into chunks at arbitrary places. */
export const chunked = (bytes: Uint8Array): fc.Arbitrary<Uint8Array[]> =>
  fc
    .array(fc.nat({ max: Math.max(0, bytes.length) }), { maxLength: 12 })
    .map((cuts) => cut(bytes, cuts));

export function cut(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}
