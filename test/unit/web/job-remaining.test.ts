// How long it may still take: honest, never negative.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addSample,
  remaining,
  type Sample,
} from '../../../web/features/jobs/mapreduce/remaining.ts';

const run = (speeds: number[], stepMs = 1_000): Sample[] => {
  let samples: Sample[] = [{ atMs: 0, done: 0 }];
  let done = 0;
  speeds.forEach((speed, i) => {
    done += speed;
    samples = addSample(samples, { atMs: (i + 1) * stepMs, done });
  });
  return samples;
};

describe('remaining', () => {
  test('says nothing while it is too early, or nothing moves', () => {
    expect(remaining([], 10)).toBeNull();
    expect(remaining(run([5, 5]), 100)).toBeNull();
    expect(remaining(run([0, 0, 0, 0, 0, 0, 0, 0]), 100)).toBeNull();
  });

  test('a steady job has a narrow range around the truth', () => {
    const left = remaining(run(new Array<number>(20).fill(10)), 400);
    expect(left?.perSecond).toBeCloseTo(10);
    expect(left?.fastMs).toBe(20_000);
    expect(left?.slowMs).toBe(20_000);
  });

  test('an uneven job has a wide one', () => {
    const left = remaining(run([30, 30, 2, 2, 30, 30, 2, 2, 30, 30, 2, 2]), 1_000);
    expect(left?.slowMs ?? 0).toBeGreaterThan(1.5 * (left?.fastMs ?? Infinity));
  });

  test('is zero at the end and never negative, never the wrong way round', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 100 }),
        fc.nat({ max: 2_000 }),
        (speeds, total) => {
          const samples = run(speeds);
          const left = remaining(samples, total);
          if ((samples.at(-1)?.done ?? 0) >= total)
            expect(left).toMatchObject({ fastMs: 0, slowMs: 0 });
          else if (left) {
            expect(left.fastMs).toBeGreaterThan(0);
            expect(left.slowMs).toBeGreaterThanOrEqual(left.fastMs);
            expect(Number.isFinite(left.slowMs)).toBe(true);
          }
        },
      ),
    );
  });

  test('a retry starts the samples over, and they stay bounded', () => {
    const samples = run(new Array<number>(500).fill(1));
    expect(samples.length).toBeLessThanOrEqual(60);
    expect(addSample(samples, { atMs: 10_000_000, done: 3 })).toEqual([
      { atMs: 10_000_000, done: 3 },
    ]);
    expect(addSample(samples, { atMs: 0, done: 500 })).toEqual(samples);
  });
});
