// Wake-ups of the edge over a queue that loses, repeats and delays: there are never more mappers than there may
// be, and while there is work, some mapper is awake or will be woken.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EDGE_MAPPERS_MAX, EDGE_RING_AGAIN_MS, EDGE_UNANSWERED_MS } from '../../shared/limits.ts';
import { EdgeWakeUps } from '../../worker/jobs/mapreduce/edge-wake-ups.ts';

type Step =
  | { kind: 'work'; work: number }
  | { kind: 'seen'; pick: number }
  | { kind: 'left'; pick: number }
  | { kind: 'pass'; ms: number };

const pick = fc.nat({ max: 20 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('work'), work: fc.nat({ max: 9 }) }),
  fc.record({ kind: fc.constant('seen'), pick }),
  fc.record({ kind: fc.constant('left'), pick }),
  fc.record({
    kind: fc.constant('pass'),
    ms: fc.constantFrom(1, EDGE_UNANSWERED_MS, EDGE_RING_AGAIN_MS),
  }),
);

describe('wake-ups of the edge', () => {
  test('never have more mappers out than there may be, and no number twice', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let nowMs = 0;
        const wakeUps = new EdgeWakeUps(7);
        const rung: number[] = [];
        /** By a second bookkeeping: when each wake-up that is out is given up. */
        const out = new Map<number, number>();
        for (const one of steps) {
          for (const [ring, lostMs] of out) if (lostMs <= nowMs) out.delete(ring);
          const ring = 'pick' in one ? (rung[one.pick % (rung.length || 1)] ?? 8) : 0;
          if (one.kind === 'work') {
            const rings = wakeUps.ring(one.work, nowMs);
            expect(rings).toHaveLength(
              Math.max(0, Math.min(one.work, EDGE_MAPPERS_MAX) - out.size),
            );
            for (const fresh of rings) {
              expect(fresh).toBeGreaterThan(rung.at(-1) ?? 7);
              rung.push(fresh);
              out.set(fresh, nowMs + EDGE_UNANSWERED_MS);
            }
            expect(wakeUps.lastRing).toBe(rung.at(-1) ?? 7);
          } else if (one.kind === 'seen') {
            const welcome = out.has(ring) || out.size < EDGE_MAPPERS_MAX;
            expect(wakeUps.seen(ring, nowMs)).toBe(welcome);
            if (welcome) out.set(ring, nowMs + EDGE_RING_AGAIN_MS);
          } else if (one.kind === 'left') {
            wakeUps.left(ring);
            out.delete(ring);
          } else {
            nowMs += one.ms;
          }
          expect(out.size).toBeLessThanOrEqual(EDGE_MAPPERS_MAX);
          const next = wakeUps.nextCheckMs();
          if (out.size > 0) expect(next).toBeLessThanOrEqual(Math.min(...out.values()));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('are rung again until somebody comes', () => {
    const wakeUps = new EdgeWakeUps(0);
    expect(wakeUps.ring(1, 0)).toEqual([1]);
    expect(wakeUps.nextCheckMs()).toBe(EDGE_UNANSWERED_MS);
    expect(wakeUps.ring(1, EDGE_UNANSWERED_MS - 1)).toEqual([]);
    expect(wakeUps.ring(1, EDGE_UNANSWERED_MS)).toEqual([2]);
    // The first one was only late; both may map.
    expect(wakeUps.seen(1, EDGE_UNANSWERED_MS)).toBe(true);
    wakeUps.left(1);
    wakeUps.left(2);
    expect(wakeUps.nextCheckMs()).toBeNull();
  });
});
