// Puts still WebP pictures of one size into one animated WebP: RIFF chunks VP8X, ANIM, and an ANMF for each frame
// around that frame's own chunks. Pure. https://developers.google.com/speed/webp/docs/riff_container
import type { Size } from './sizes.ts';

export interface Frame {
  webp: Uint8Array;
  durationMs: number;
}

const ANIMATED = 0x02;
/** The chunks of a still picture that are its picture. */
const PICTURE_CHUNKS: ReadonlySet<string> = new Set(['ALPH', 'VP8 ', 'VP8L']);

/** Throws when a frame is no WebP. */
export function writeAnimation(
  frames: readonly Frame[],
  { width, height }: Size,
): Uint8Array<ArrayBuffer> {
  const chunks = [
    chunk('VP8X', [[ANIMATED, 0, 0, 0], uint24(width - 1), uint24(height - 1)]),
    // No background colour, endless.
    chunk('ANIM', [[0, 0, 0, 0, 0, 0]]),
    ...frames.map(({ webp, durationMs }) =>
      chunk('ANMF', [
        uint24(0),
        uint24(0),
        uint24(width - 1),
        uint24(height - 1),
        uint24(Math.round(durationMs)),
        [0],
        ...pictureOf(webp),
      ]),
    ),
  ];
  return chunk('RIFF', [ascii('WEBP'), ...chunks]);
}

function pictureOf(webp: Uint8Array): Uint8Array[] {
  if (nameAt(webp, 0) !== 'RIFF' || nameAt(webp, 8) !== 'WEBP') throw new Error('no WebP picture');
  const view = new DataView(webp.buffer, webp.byteOffset, webp.byteLength);
  const found: Uint8Array[] = [];
  for (let at = 12; at + 8 <= webp.length;) {
    const size = view.getUint32(at + 4, true);
    const next = at + 8 + size + (size % 2);
    if (PICTURE_CHUNKS.has(nameAt(webp, at))) found.push(webp.subarray(at, next));
    at = next;
  }
  if (found.length === 0) throw new Error('a WebP without a picture');
  return found;
}

function chunk(
  name: string,
  parts: readonly (readonly number[] | Uint8Array)[],
): Uint8Array<ArrayBuffer> {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(8 + size + (size % 2));
  bytes.set(ascii(name));
  new DataView(bytes.buffer).setUint32(4, size, true);
  let at = 8;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const ascii = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
const nameAt = (bytes: Uint8Array, at: number) =>
  String.fromCharCode(...bytes.subarray(at, at + 4));
const uint24 = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff];
