// A segment's bytes are its lines; its index finds every offset and every byte.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  blockAtByte,
  blockOf,
  buildSegment,
  cutPieces,
  decodeIndex,
  encodeIndex,
  placeAfter,
  placeNotAfter,
  rangeFrom,
} from '../../../worker/log/partition/segments.ts';

const BLOCK_BYTES = 40;
const bytesOf = (text: string) => new TextEncoder().encode(text).length;

interface Made {
  lines: string[];
  /** Where each line begins, and the end. */
  starts: number[];
  times: number[];
  built: ReturnType<typeof buildSegment>;
  first: number;
}

function make(first: number, appends: { lines: string[]; ms: number }[]): Made {
  const lines: string[] = [];
  const times: number[] = [];
  let atMs = 1_000;
  const rows = appends.map((append) => {
    const row = {
      first: first + lines.length,
      count: append.lines.length,
      bytes: bytesOf(append.lines.join('\n')) + 1,
      atMs: (atMs += append.ms),
    };
    lines.push(...append.lines);
    times.push(...append.lines.map(() => atMs));
    return row;
  });
  const starts = [0];
  for (const line of lines) starts.push((starts.at(-1) ?? 0) + bytesOf(line) + 1);
  const texts = appends.map((append) => append.lines.join('\n'));
  return { lines, starts, times, built: buildSegment(rows, texts, BLOCK_BYTES), first };
}

const line = fc
  .oneof(
    fc.string({ maxLength: 12, unit: 'grapheme' }),
    fc.string({ minLength: 60, maxLength: 90 }),
  )
  .map((text) => JSON.stringify({ text }));
const made: fc.Arbitrary<Made> = fc
  .record({
    first: fc.nat({ max: 1_000 }),
    appends: fc.array(
      fc.record({
        lines: fc.array(line, { minLength: 1, maxLength: 6 }),
        ms: fc.nat({ max: 2 }),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  })
  .map(({ first, appends }) => make(first, appends));

describe('a segment', () => {
  test('is its lines, each with a newline, and says when each was appended', () => {
    fc.assert(
      fc.property(made, ({ built, lines, times, starts, first }) => {
        const text = new TextDecoder().decode(built.content);
        expect(text).toBe(lines.map((one) => `${one}\n`).join(''));
        expect(built.bounds).toEqual({
          first,
          next: first + lines.length,
          bytes: starts.at(-1),
        });
        const { blocks, times: kept } = built.index;
        times.forEach((atMs, i) => {
          expect(kept.findLast(({ offset }) => offset <= first + i)?.atMs).toBe(atMs);
        });
        expect(blocks[0]).toEqual({ offset: first, byte: 0 });
        for (const { offset, byte } of blocks) expect(starts[offset - first]).toBe(byte);
        expect(decodeIndex(encodeIndex(built.index))).toEqual(built.index);
      }),
    );
  });

  test('finds the place of every offset and of every byte', () => {
    fc.assert(
      fc.property(made, ({ built, starts, first }) => {
        const { index, bounds, content } = built;
        starts.slice(0, -1).forEach((byte, i) => {
          const { start, end } = blockOf(index, bounds, first + i);
          const block = content.subarray(start.byte, end.byte);
          const lines = first + i - start.offset;
          expect(placeAfter(block, start, lines)).toEqual({ offset: first + i, byte });
        });
        for (let byte = 0; byte < bounds.bytes; byte++) {
          const { start, end } = blockAtByte(index, bounds, byte);
          const i = starts.findLastIndex((at) => at <= byte);
          expect(placeNotAfter(content.subarray(start.byte, end.byte), start, byte)).toEqual({
            offset: first + i,
            byte: starts[i],
          });
        }
      }),
    );
  });

  test('is read in whole blocks, bounded by events and by bytes', () => {
    const bounds = fc.record({
      at: fc.nat({ max: 80 }),
      maxEvents: fc.integer({ min: 1, max: 30 }),
      maxBytes: fc.integer({ min: 1, max: 400 }),
    });
    fc.assert(
      fc.property(made, bounds, ({ built, lines, starts, times, first }, { at, ...max }) => {
        const from = first + (at % lines.length);
        const { index } = built;
        const range = rangeFrom(index, built.bounds, from, max.maxEvents, max.maxBytes);
        const { start, end } = range;
        expect(starts[start.offset - first]).toBe(start.byte);
        expect(starts[end.offset - first]).toBe(end.byte);
        expect(start.offset).toBeLessThanOrEqual(from);
        expect(end.offset).toBeGreaterThan(from);
        const inside = index.blocks.filter(({ byte }) => byte > start.byte && byte < end.byte);
        // More than one block only within the bounds; and the next one would have broken them.
        if (inside.length > 0) {
          expect(end.byte - start.byte).toBeLessThanOrEqual(max.maxBytes);
          expect(inside.at(-1)?.offset).toBeLessThan(from + max.maxEvents);
        }
        if (end.offset < built.bounds.next && end.offset < from + max.maxEvents) {
          const after =
            index.blocks.find(({ byte }) => byte > end.byte)?.byte ?? built.bounds.bytes;
          expect(after - start.byte).toBeGreaterThan(max.maxBytes);
        }
        for (let offset = start.offset; offset < end.offset; offset++) {
          const time = range.times.findLast((entry) => entry.offset <= offset);
          expect(time?.atMs).toBe(times[offset - first]);
        }
      }),
    );
  });

  test('is cut into pieces that cover every line once', () => {
    fc.assert(
      fc.property(
        made,
        fc.nat({ max: 80 }),
        fc.nat({ max: 80 }),
        fc.integer({ min: 1, max: 300 }),
        ({ built, lines, starts, first }, a, b, pieceBytes) => {
          const [from, to] = [a % lines.length, b % (lines.length + 1)].toSorted((x, y) => x - y);
          if (from === undefined || to === undefined || from === to) return;
          const place = (i: number) => ({ offset: first + i, byte: starts[i] ?? 0 });
          const pieces = cutPieces(built.index, place(from), place(to), pieceBytes);
          let at = place(from);
          for (const { start, end } of pieces) {
            expect(start).toEqual(at);
            expect(starts[end.offset - first]).toBe(end.byte);
            at = end;
          }
          expect(at).toEqual(place(to));
          // Every piece but the last is as long as asked.
          for (const { start, end } of pieces.slice(0, -1)) {
            expect(end.byte - start.byte).toBeGreaterThanOrEqual(pieceBytes);
          }
        },
      ),
    );
  });

  test('is not made of rows that are not what they say', () => {
    const row = { first: 0, count: 1, bytes: 5, atMs: 0 };
    expect(() => buildSegment([row], ['{}'], 10)).toThrow('3 bytes instead of 5');
    expect(() => buildSegment([row], [], 10)).toThrow('got 0');
  });
});
