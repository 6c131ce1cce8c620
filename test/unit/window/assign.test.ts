// Which windows cover a time, and which sessions are one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  sessionSpan,
  spanOver,
  touches,
  tumblingSpans,
} from '../../../worker/processors/window/assign.ts';

describe('tumbling windows', () => {
  test('begin at multiples since 1970, and end before the next', () => {
    expect(tumblingSpans(0, 10, 10)).toEqual([{ startMs: 0, endMs: 10 }]);
    expect(tumblingSpans(9, 10, 10)).toEqual([{ startMs: 0, endMs: 10 }]);
    expect(tumblingSpans(10, 10, 10)).toEqual([{ startMs: 10, endMs: 20 }]);
    expect(tumblingSpans(-1, 10, 10)).toEqual([{ startMs: -10, endMs: 0 }]);
    expect(tumblingSpans(11, 10, 4).map(({ startMs }) => startMs)).toEqual([4, 8]);
  });

  test('are all that cover a time, and no other', () => {
    const sizes = fc
      .integer({ min: 1, max: 50 })
      .chain((sizeMs) =>
        fc.record({ sizeMs: fc.constant(sizeMs), slideMs: fc.integer({ min: 1, max: sizeMs }) }),
      );
    fc.assert(
      fc.property(fc.integer({ min: -200, max: 200 }), sizes, (timeMs, { sizeMs, slideMs }) => {
        const expected: number[] = [];
        for (let start = -300; start <= 300; start++) {
          if (start % slideMs === 0 && start <= timeMs && timeMs < start + sizeMs) {
            expected.push(start);
          }
        }
        expect(tumblingSpans(timeMs, sizeMs, slideMs).map(({ startMs }) => startMs)).toEqual(
          expected,
        );
      }),
    );
  });
});

describe('sessions', () => {
  test('are one when they overlap or touch', () => {
    const [a, b, c] = [sessionSpan(0, 10), sessionSpan(10, 10), sessionSpan(21, 10)] as const;
    expect(touches(a, b)).toBe(true);
    expect(touches(b, a)).toBe(true);
    expect(touches(b, c)).toBe(false);
    expect(spanOver([b, a])).toEqual({ startMs: 0, endMs: 20 });
  });
});
