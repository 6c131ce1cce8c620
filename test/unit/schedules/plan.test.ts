// What is due after a silence: the youngest time runs, the others are missed, listed and counted.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SCHEDULE_MISSED_COUNTED, SCHEDULE_MISSED_LISTED } from '../../../shared/limits.ts';
import { parseCron, type Times } from '../../../worker/schedules/cron.ts';
import { takeDue } from '../../../worker/schedules/plan.ts';

/** Every `stepMs`. */
const every = (stepMs: number): Times => ({
  next: (afterMs) => (Math.floor(afterMs / stepMs) + 1) * stepMs,
  before: (beforeMs, count) => {
    const last = (Math.ceil(beforeMs / stepMs) - 1) * stepMs;
    return Array.from({ length: count }, (_, i) => last - i * stepMs);
  },
});

describe('what is due', () => {
  it('is nothing before its time, or without a next time', () => {
    expect(takeDue(every(1000), 5000, 4999)).toBeNull();
    expect(takeDue(every(1000), null, 4999)).toBeNull();
  });

  it('is the time itself when somebody looks in time', () => {
    const due = { dueMs: 5000, missed: [], more: 0, moreAtLeast: false, nextMs: 6000 };
    expect(takeDue(every(1000), 5000, 5000)).toEqual(due);
    expect(takeDue(every(1000), 5000, 5999)).toEqual(due);
  });

  it('is the youngest of those that passed; the others are missed, oldest first', () => {
    expect(takeDue(every(1000), 5000, 8400)).toEqual({
      dueMs: 8000,
      missed: [5000, 6000, 7000],
      more: 0,
      moreAtLeast: false,
      nextMs: 9000,
    });
  });

  it('counts those that are too many to list, and stops counting', () => {
    expect(takeDue(every(1000), 5000, 20_000)).toEqual({
      dueMs: 20_000,
      missed: [15_000, 16_000, 17_000, 18_000, 19_000],
      more: 10,
      moreAtLeast: false,
      nextMs: 21_000,
    });
    const year = takeDue(every(1000), 5000, 365 * 24 * 3600_000);
    expect(year).toMatchObject({ more: SCHEDULE_MISSED_COUNTED, moreAtLeast: true });
    expect(year?.missed).toHaveLength(SCHEDULE_MISSED_LISTED);
  });

  it('is what was announced when the pattern has changed under it', () => {
    const parsed = parseCron('0 0 1 1 *', 'UTC');
    if (!parsed.ok) throw new Error(parsed.reason);
    const due = takeDue(parsed.times, 5000, 6000);
    expect(due).toMatchObject({ dueMs: 5000, missed: [] });
  });

  it('accounts for each time once, however the looks fall', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }).map((s) => s * 1000),
        fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 1, maxLength: 30 }),
        (stepMs, waits) => {
          const times = every(stepMs);
          let nextMs: number | null = stepMs;
          let nowMs = 0;
          const ran: number[] = [];
          let accounted = 0;
          for (const waitMs of waits) {
            nowMs += waitMs;
            const due = takeDue(times, nextMs, nowMs);
            if (!due) continue;
            ran.push(due.dueMs);
            accounted += 1 + due.missed.length + due.more;
            nextMs = due.nextMs;
            expect(nextMs).toBeGreaterThan(nowMs);
          }
          expect(new Set(ran).size).toBe(ran.length);
          expect(ran).toEqual([...ran].sort((a, b) => a - b));
          expect(accounted).toBe(nextMs === null ? -1 : nextMs / stepMs - 1);
        },
      ),
    );
  });
});
