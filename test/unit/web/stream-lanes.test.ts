// Lanes share one scale, and the labels of readers never cover each other.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StreamConsumer } from '../../../shared/schemas/stream.ts';
import {
  LABEL_ROWS_MAX,
  placeMarks,
  scaleOf,
  ticksOf,
  xOf,
} from '../../../web/features/streams/detail/lane-layout.ts';

const partition = (first: number, next: number, at = 0) => ({
  partition: at,
  first,
  next,
  bytes: 0,
  segments: 0,
});
const consumer = (processor: string, committed: number, lag = 0): StreamConsumer => ({
  processor,
  partition: 0,
  committed,
  lag,
});
const CHAR_PX = 7;

test('the scale goes from the oldest offset of all lanes to the end of the longest', () => {
  expect(scaleOf([partition(20, 50), partition(10, 30)], 100)).toEqual({
    from: 10,
    to: 50,
    widthPx: 100,
  });
});

test('a stream without events has a scale too', () => {
  const scale = scaleOf([partition(0, 0)], 100);
  expect(xOf(0, scale)).toBe(0);
  expect(ticksOf(scale)).toEqual([0, 1]);
});

test('an offset outside the scale is drawn at its end', () => {
  const scale = scaleOf([partition(10, 20)], 100);
  expect(xOf(0, scale)).toBe(0);
  expect(xOf(99, scale)).toBe(100);
});

test('ticks are round, in order, and apart', () => {
  fc.assert(
    fc.property(
      fc.nat(1e9),
      fc.integer({ min: 1, max: 1e9 }),
      fc.integer({ min: 200, max: 2000 }),
      (from, length, widthPx) => {
        const scale = { from, to: from + length, widthPx };
        const ticks = ticksOf(scale);
        for (const [at, tick] of ticks.entries()) {
          expect(Number.isInteger(tick)).toBe(true);
          expect(tick).toBeGreaterThanOrEqual(from);
          expect(tick).toBeLessThanOrEqual(scale.to);
          const before = ticks[at - 1];
          if (before === undefined) continue;
          // Neighbouring offsets cannot be nearer than one.
          const px = xOf(tick, scale) - xOf(before, scale);
          expect(px >= 95 || tick - before === 1).toBe(true);
        }
      },
    ),
  );
});

test('readers at the same place share a mark, which tells of the one furthest behind', () => {
  const marks = placeMarks(
    [consumer('b', 100), consumer('a', 100), consumer('c', 40, 60)],
    { from: 0, to: 100, widthPx: 1000 },
    CHAR_PX,
  );
  expect(marks.map(({ processors, lag }) => [processors, lag])).toEqual([
    [['a', 'b'], 0],
    [['c'], 60],
  ]);
  expect(marks[1]?.label).toBe('c · 60 behind');
});

test('a label near the end lies to the left of its mark', () => {
  const scale = { from: 0, to: 100, widthPx: 400 };
  expect(placeMarks([consumer('mailer', 100)], scale, CHAR_PX)[0]?.side).toBe('left');
  expect(placeMarks([consumer('mailer', 0, 100)], scale, CHAR_PX)[0]?.side).toBe('right');
});

test('no label covers another, and every reader has its mark', () => {
  const name = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(name, fc.nat(1000)), { maxLength: 20, selector: ([n]) => n }),
      (readers) => {
        const scale = { from: 0, to: 1000, widthPx: 600 };
        const marks = placeMarks(
          readers.map(([processor, committed]) => consumer(processor, committed, 1000 - committed)),
          scale,
          CHAR_PX,
        );
        expect(marks.flatMap(({ processors }) => processors).sort()).toEqual(
          readers.map(([processor]) => processor).sort(),
        );
        for (let row = 0; row < LABEL_ROWS_MAX; row++) {
          const spans = marks
            .filter((mark) => mark.row === row)
            .map(({ x, label, side }) =>
              side === 'right' ? [x, x + label.length * CHAR_PX] : [x - label.length * CHAR_PX, x],
            )
            .sort(([a = 0], [b = 0]) => a - b);
          for (const [at, span] of spans.entries())
            expect(span[0] ?? 0).toBeGreaterThanOrEqual(spans[at - 1]?.[1] ?? -Infinity);
        }
      },
    ),
  );
});
