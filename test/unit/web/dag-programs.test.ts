// What the product upload's programs read and write, as far as that needs no browser.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MOVING_PICTURES } from '../../../web/lib/dag/programs/moving-pictures.ts';
import { WEBM } from '../../../web/lib/dag/programs/webm.ts';
import { writeAnimation } from '../../../web/features/patterns/encoders/animated-webp.ts';
import { pack, writeGif } from '../../support/gif.ts';

interface Animation {
  kind: string;
  width: number;
  height: number;
  frames: { x: number; y: number; width: number; ms: number; clear: boolean; restore: boolean }[];
}
interface Program {
  animation(bytes: Uint8Array): Animation | null;
  unpack(data: Uint8Array, codeBits: number, size: number): Uint8Array;
  webm(
    codec: string,
    size: { width: number; height: number },
    blocks: { ms: number; key: boolean; data: Uint8Array }[],
    ms: number,
  ): Uint8Array;
}
const program = new Function(
  `${MOVING_PICTURES}\n${WEBM}\nreturn { animation, unpack, webm };`,
)() as Program;

test('LZW is unpacked to what was packed, over resets and with runs of itself', () => {
  const pixels = fc.oneof(
    fc.uint8Array({ max: 3, maxLength: 300 }),
    // Few colours in long runs: codes that are used before they are known.
    fc.tuple(fc.nat(3), fc.nat(9_000)).map(([tone, n]) => new Uint8Array(n).fill(tone)),
    fc.nat(2 ** 31 - 1).map((seed) => noise(seed, 20_000)),
  );
  fc.assert(
    fc.property(pixels, (given) => {
      expect(program.unpack(pack(given, 2), 2, given.length)).toEqual(given);
    }),
  );
});

function noise(seed: number, length: number): Uint8Array {
  let state = seed | 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 24) & 3;
  });
}

test('data that is cut off or broken gives what there was, and an end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5_000), (data, size) => {
      expect(program.unpack(data, 2, size)).toHaveLength(size);
    }),
  );
});

test('a GIF’s frames are found with their places and times', () => {
  const pixels = new Uint8Array(6).fill(1);
  const frame = { pixels, x: 1, y: 0, width: 3, height: 2, delayMs: 80 };
  const gif = writeGif(
    { width: 4, height: 2 },
    [
      [0, 0, 0],
      [255, 0, 0],
    ],
    [
      frame,
      { ...frame, x: 0, delayMs: 120, disposal: 2, clearIndex: 0 },
      { ...frame, disposal: 3 },
    ],
  );
  expect(program.animation(gif)).toMatchObject({
    kind: 'GIF',
    width: 4,
    height: 2,
    frames: [
      { x: 1, ms: 80, clear: false, restore: false },
      { x: 0, ms: 120, clear: true },
      { x: 1, restore: true },
    ],
  });
});

test('an animated WebP is taken apart as it was put together, and a still one is none', () => {
  const still = Uint8Array.from([
    ...Buffer.from('RIFF'),
    18,
    0,
    0,
    0,
    ...Buffer.from('WEBPVP8 '),
    5,
    0,
    0,
    0,
    1,
    2,
    3,
    4,
    5,
    0,
  ]);
  const frames = [60, 90].map((durationMs) => ({ webp: still, durationMs }));
  const animated = writeAnimation(frames, { width: 30, height: 20 });
  expect(program.animation(animated)).toMatchObject({
    kind: 'WebP',
    width: 30,
    height: 20,
    frames: [
      { ms: 60, width: 30 },
      { ms: 90, width: 30 },
    ],
  });
  expect(program.animation(still)).toBeNull();
  expect(program.animation(new Uint8Array(3))).toBeNull();
});

test('a WebM file has its frames in one cluster, each with its time', () => {
  const data = Uint8Array.of(9, 8, 7);
  const file = program.webm(
    'V_VP8',
    { width: 320, height: 240 },
    [
      { ms: 0, key: true, data },
      { ms: 300, key: false, data },
    ],
    400,
  );
  const hex = Buffer.from(file).toString('hex');
  expect(hex).toMatch(/^1a45dfa3/);
  expect(hex).toContain(Buffer.from('V_VP8').toString('hex'));
  // Block, its size, track 1, milliseconds, flags, the frame.
  expect(hex).toContain('a30800000007' + '81' + '0000' + '80' + '090807');
  expect(hex).toContain('a30800000007' + '81' + '012c' + '00' + '090807');
  expect(hex.endsWith('090807')).toBe(true);
});
