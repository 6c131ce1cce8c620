// Base64 of bytes, for those that travel within JSON: tens of megabytes, in browsers and in isolates, where user code may
// have bent what strings and arrays can do. So by tables, over bytes.
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const RealUint8Array = Uint8Array;
const CHARS = encoder.encode(ALPHABET);
const PAD = 0x3d;
const NONE = 255;
/** The six bits of each character. */
const BITS = new RealUint8Array(256).fill(NONE);
for (let i = 0; i < CHARS.length; i++) BITS[CHARS[i] as number] = i;

export const base64Length = (bytes: number): number => Math.ceil(bytes / 3) * 4;

export function base64Of(bytes: Uint8Array): string {
  const text = new RealUint8Array((((bytes.length + 2) / 3) | 0) * 4);
  let to = 0;
  for (let at = 0; at < bytes.length; at += 3) {
    const three =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text[to++] = CHARS[three >> 18] as number;
    text[to++] = CHARS[(three >> 12) & 63] as number;
    text[to++] = CHARS[(three >> 6) & 63] as number;
    text[to++] = CHARS[three & 63] as number;
  }
  const missing = (3 - (bytes.length % 3)) % 3;
  for (let i = 1; i <= missing; i++) text[to - i] = PAD;
  return decoder.decode(text);
}

/** Throws on what is no base64. */
export function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(base64);
  let length = text.length;
  if (length % 4 !== 0) throw new RangeError('base64: it is cut off');
  for (let i = 0; i < 2 && text[length - 1] === PAD; i++) length--;
  const bytes = new RealUint8Array(((length * 3) / 4) | 0);
  let to = 0;
  for (let at = 0; at < length; at += 4) {
    let bits = 0;
    for (let i = 0; i < 4; i++) {
      const six = at + i < length ? (BITS[text[at + i] as number] as number) : 0;
      if (six === NONE) throw new RangeError('base64: a character that is none of it');
      bits = (bits << 6) | six;
    }
    // What lies past the end of the array is dropped.
    bytes[to++] = bits >> 16;
    bytes[to++] = (bits >> 8) & 255;
    bytes[to++] = bits & 255;
  }
  return bytes;
}
