// The watermark never goes back, is never ahead of a partition that may have more, and comes when it says.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  came,
  type EventClock,
  reachesAtMs,
  rested,
  roused,
  watermarkAt,
  withSources,
  withWatermark,
} from '../../../worker/processors/window/watermark.ts';

const IDLE_MS = 10;
const empty: EventClock = { watermarkMs: null, sources: [] };

type Step = { ms: number } & (
  | { kind: 'came'; source: number; maxMs: number | null }
  | { kind: 'rested'; source: number }
  | { kind: 'roused' }
  | { kind: 'look' }
);

const ms = fc.nat({ max: 15 });
const source = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('came' as const),
    ms,
    source,
    maxMs: fc.option(fc.integer({ min: -50, max: 100 })),
  }),
  fc.record({ kind: fc.constant('rested' as const), ms, source }),
  fc.record({ kind: fc.constant('roused' as const), ms }),
  fc.record({ kind: fc.constant('look' as const), ms }),
);

/** By the words of the rule, one source at a time. */
function expected(clock: EventClock, nowMs: number): number | null {
  const isIdle = ({ restedAtMs }: EventClock['sources'][number]) =>
    restedAtMs !== null && nowMs >= restedAtMs + IDLE_MS;
  const known = clock.sources.flatMap(({ maxMs }) => maxMs ?? []);
  const holding = clock.sources.filter((one) => !isIdle(one));
  let now: number | null = null;
  if (holding.length > 0) {
    const times = holding.map(({ maxMs }) => maxMs);
    now = times.includes(null) ? null : Math.min(...(times as number[]));
  } else if (known.length > 0) {
    const since = Math.max(...clock.sources.map(({ restedAtMs }) => (restedAtMs ?? 0) + IDLE_MS));
    now = Math.max(...known) + nowMs - since;
  }
  return now === null ? clock.watermarkMs : Math.max(now, clock.watermarkMs ?? -Infinity);
}

describe('the watermark', () => {
  test('follows the rule, never goes back once used, and comes when it says', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: -60, max: 160 }),
        (steps, targetMs) => {
          let clock = withSources(empty, 3);
          let nowMs = 1_000;
          let last = -Infinity;
          for (const one of steps) {
            nowMs += one.ms;
            const watermark = watermarkAt(clock, nowMs, IDLE_MS);
            expect(watermark).toBe(expected(clock, nowMs));
            expect(watermark ?? -Infinity).toBeGreaterThanOrEqual(last);
            last = watermark ?? -Infinity;
            clock = withWatermark(clock, watermark);
            if (one.kind === 'came') clock = came(clock, one.source, one.maxMs);
            if (one.kind === 'rested') clock = rested(clock, one.source, nowMs);
            if (one.kind === 'roused') clock = roused(clock, nowMs);
          }
          const atMs = reachesAtMs(clock, targetMs, IDLE_MS);
          const reached = (when: number) =>
            (watermarkAt(clock, when, IDLE_MS) ?? -Infinity) >= targetMs;
          if (atMs === null) expect(reached(nowMs + 1e9)).toBe(false);
          else {
            expect(reached(Math.max(atMs, nowMs))).toBe(true);
            if (atMs > nowMs) expect(reached(atMs - 1)).toBe(false);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('does not begin before every partition that has events has shown one', () => {
    let clock = rested(withSources(empty, 3), 2, 0);
    clock = came(clock, 0, 100);
    expect(watermarkAt(clock, 1e9, IDLE_MS)).toBeNull();
    expect(reachesAtMs(clock, 50, IDLE_MS)).toBeNull();
    clock = came(clock, 1, 70);
    expect(watermarkAt(clock, 1e9, IDLE_MS)).toBe(70);
  });

  test('keeps what it knows of its partitions when others are added', () => {
    const clock = came(withSources(empty, 1), 0, 100);
    expect(withSources(clock, 2).sources).toEqual([
      { maxMs: 100, restedAtMs: null },
      { maxMs: null, restedAtMs: null },
    ]);
  });
});
