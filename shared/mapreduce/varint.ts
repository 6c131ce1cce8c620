// Unsigned LEB128 varints up to 32 bits: at most 5 bytes, so that hostile input cannot run on.
export class SpillFormatError extends Error {
  override name = 'SpillFormatError';
}

/** Where the next byte is read; shared by the readers of one buffer. */
export interface Cursor {
  at: number;
}

export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

/** Writes at `at` and returns the place behind it. */
export function writeVarint(into: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest > 0x7f) {
    into[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[at] = rest;
  return at + 1;
}

/** Throws when the buffer ends within it, or when it is not in its one shortest form. */
export function readVarint(bytes: Uint8Array, cursor: Cursor): number {
  const value = tryReadVarint(bytes, cursor);
  if (value === null) throw new SpillFormatError('a length is cut off');
  return value;
}

/** Null: more bytes are needed, and the cursor has not moved. */
export function tryReadVarint(bytes: Uint8Array, cursor: Cursor): number | null {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[cursor.at + i];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (byte === 0 && i > 0) throw new SpillFormatError('a length is not in its shortest form');
      if (value > 0xffffffff) break;
      cursor.at += i + 1;
      return value;
    }
  }
  throw new SpillFormatError('a length has more than 32 bits');
}
