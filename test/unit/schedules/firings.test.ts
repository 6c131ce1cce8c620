// What may happen to a run next, what is said of it, and how far "lastRun" has read.
import { describe, expect, it } from 'vitest';
import {
  IDEMPOTENCY_MS,
  SCHEDULE_ASK_MAX_MS,
  SCHEDULE_ASK_MIN_MS,
  SCHEDULE_ATTEMPTS_MAX,
  SCHEDULE_JOBS_MAX,
  SCHEDULE_RETRY_MAX_MS,
} from '../../../shared/limits.ts';
import { coveredBy, goOn } from '../../../worker/schedules/last-run.ts';
import {
  isTooOldToTry,
  newFiring,
  nextToStart,
  type ScheduleFiring,
  troubled,
  wakeAtMs,
} from '../../../worker/schedules/firings.ts';
import {
  gaveWayReason,
  inWords,
  lateness,
  missedReason,
  firingView,
} from '../../../worker/schedules/view.ts';

const firing = (seq: number, more: Partial<ScheduleFiring> = {}): ScheduleFiring => ({
  ...newFiring(seq, {
    dueMs: seq * 1000,
    takenMs: seq * 1000,
    manual: false,
    state: 'queued',
    reason: '',
  }),
  ...more,
});
const going = (seq: number, more: Partial<ScheduleFiring> = {}) =>
  firing(seq, { state: 'mapping', job: `job_${seq}`, startedMs: seq * 1000, ...more });
const done = (seq: number) => going(seq, { state: 'done' });

describe('which run may start', () => {
  it('is the oldest that waits', () => {
    expect(nextToStart([done(1), firing(2), firing(3)], false, 0)?.seq).toBe(2);
    expect(nextToStart([done(1), firing(2, { state: 'missed' })], false, 0)).toBeNull();
  });

  it('is none while another goes on, when it must read on from that one', () => {
    expect(nextToStart([going(1), firing(2)], true, 0)).toBeNull();
    expect(nextToStart([going(1), firing(2)], false, 0)?.seq).toBe(2);
    // A job that was submitted and waits for mappers goes on, too.
    expect(nextToStart([going(1, { state: 'queued' }), firing(2)], true, 0)).toBeNull();
    expect(nextToStart([going(1, { state: 'failed' }), firing(2)], true, 0)?.seq).toBe(2);
  });

  it('is none past so many jobs at once', () => {
    const many = Array.from({ length: SCHEDULE_JOBS_MAX }, (_, i) => going(i + 1));
    expect(nextToStart([...many, firing(99)], false, 0)).toBeNull();
    expect(nextToStart([...many.slice(1), firing(99)], false, 0)?.seq).toBe(99);
  });

  it('is one that was tried, not before its wait is over, and none overtakes it', () => {
    const tried = firing(2, { attempts: 1, retryMs: 5000 });
    expect(nextToStart([tried, firing(3)], false, 4999)).toBeNull();
    expect(nextToStart([tried, firing(3)], false, 5000)?.seq).toBe(2);
  });
});

describe('trouble', () => {
  const passing = { message: 'no answer', final: false };
  const tried = (attempts: number) => firing(1, { attempts });

  it('is met again with longer waits, and not for ever', () => {
    expect(troubled(tried(1), passing, 5000, 1)).toMatchObject({ state: 'queued', retryMs: 6000 });
    expect(troubled(tried(3), passing, 5000, 0.5)).toMatchObject({ retryMs: 7000 });
    const last = troubled(tried(SCHEDULE_ATTEMPTS_MAX - 1), passing, 0, 1);
    expect(last.retryMs).toBeLessThanOrEqual(SCHEDULE_RETRY_MAX_MS);
    expect(last.reason).toMatch(/another one follows: no answer$/);
    expect(troubled(tried(SCHEDULE_ATTEMPTS_MAX), passing, 0, 1)).toMatchObject({
      state: 'refused',
      reason: `given up after ${SCHEDULE_ATTEMPTS_MAX} tries: no answer`,
    });
  });

  it('that will not pass refuses the run at once', () => {
    const failure = { message: 'there is no stream s', final: true };
    expect(troubled(tried(1), failure, 0, 1)).toMatchObject({
      state: 'refused',
      reason: 'there is no stream s',
    });
  });

  it('is not tried again once the key of the submission may be forgotten', () => {
    expect(isTooOldToTry(firing(1, { attempts: 1, triedMs: 1000 }), 60_000)).toBe(false);
    expect(isTooOldToTry(firing(1, { attempts: 1, triedMs: 1000 }), IDEMPOTENCY_MS)).toBe(true);
    expect(isTooOldToTry(firing(1), IDEMPOTENCY_MS)).toBe(false);
  });
});

describe('when to look again', () => {
  it('is at the next time, the next try, or the next question, whichever comes first', () => {
    expect(wakeAtMs(null, [done(1)], 0, 10)).toBeNull();
    expect(wakeAtMs(70_000, [done(1)], 0, 10)).toBe(70_000);
    expect(wakeAtMs(70_000, [firing(2, { attempts: 1, retryMs: 9000 })], 0, 10)).toBe(9000);
    expect(wakeAtMs(70_000, [going(1)], 1000, 1000)).toBe(1000 + SCHEDULE_ASK_MIN_MS);
  });

  it('is later for a job that has run for long, but never past the bound', () => {
    const nowMs = 1000 + 80_000;
    expect(wakeAtMs(null, [going(1)], nowMs, nowMs)).toBe(nowMs + 10_000);
    expect(wakeAtMs(null, [going(1)], 1e9, 1e9)).toBe(1e9 + SCHEDULE_ASK_MAX_MS);
  });

  it('is never in the past, and does not turn in circles for a run that waits for another', () => {
    expect(wakeAtMs(5, [], 0, 1000)).toBe(1000);
    expect(wakeAtMs(null, [going(1), firing(2)], 1000, 1000)).toBe(1000 + SCHEDULE_ASK_MIN_MS);
  });
});

describe('what is said', () => {
  it('of a run that starts late: how late, and why', () => {
    expect(lateness(firing(1), 61_000)).toBeNull();
    expect(lateness(firing(1), 61_001)).toBe('started 1 min late: it waited for the run before');
    expect(lateness(firing(1, { attempts: 3 }), 301_000)).toBe(
      'started 5 min late: it took 3 tries',
    );
    expect(lateness(firing(1, { takenMs: 7_501_000 }), 7_501_000)).toBe(
      'started 2 h 5 min late: nobody was there at its time (the edge was down or busy)',
    );
  });

  it('of missed runs: how many more there were', () => {
    expect(missedReason(0, false)).not.toMatch(/\d/);
    expect(missedReason(7, false)).toMatch(/; 7 before it, too$/);
    expect(missedReason(1000, true)).toMatch(/; at least 1000 before it, too$/);
  });

  it('of a run that made room for the next: that one went on, or nobody was there', () => {
    expect(gaveWayReason([going(1), firing(2)])).toMatch(/still going on/);
    expect(gaveWayReason([done(1), firing(2)])).toMatch(/nobody was there/);
  });

  it('of a run that waits: for which', () => {
    const firings = [going(1), firing(2, { notes: ['a note'] })];
    expect(firingView(firings[1] ?? firing(0), firings)).toEqual({
      job: null,
      state: 'queued',
      at: '1970-01-01T00:00:02.000Z',
      startedAt: null,
      manual: false,
      reason: 'a note; waits for the run of 1970-01-01T00:00:01.000Z, which is still going on',
    });
  });

  it('in the two largest units', () => {
    expect([0, 999, 1000, 61_000, 3600_000, 26 * 3600_000 + 59_000].map(inWords)).toEqual([
      '0 s',
      '0 s',
      '1 s',
      '1 min 1 s',
      '1 h',
      '1 d 2 h',
    ]);
  });
});

describe('"lastRun"', () => {
  const everything = [
    { partition: 0, from: 0, to: 10 },
    { partition: 1, from: 5, to: 8 },
  ];

  it('reads everything at first, then what came since', () => {
    expect(goOn(everything, null)).toEqual({ ranges: everything, lost: 0 });
    const covered = coveredBy(1, 'stream_1', everything);
    expect(covered).toEqual({ seq: 1, streamUid: 'stream_1', ends: { 0: 10, 1: 8 } });
    expect(
      goOn(
        [
          { partition: 0, from: 0, to: 12 },
          { partition: 1, from: 5, to: 8 },
        ],
        covered,
      ),
    ).toEqual({
      ranges: [
        { partition: 0, from: 10, to: 12 },
        { partition: 1, from: 8, to: 8 },
      ],
      lost: 0,
    });
  });

  it('says what retention took, and never goes back', () => {
    expect(goOn(everything, { ends: { 0: 20, 1: 2 } })).toEqual({
      ranges: [
        { partition: 0, from: 20, to: 20 },
        { partition: 1, from: 5, to: 8 },
      ],
      lost: 3,
    });
  });

  it('is not moved by jobs that read no stream', () => {
    expect(coveredBy(1, null, undefined)).toBeNull();
    expect(coveredBy(1, null, everything)).toBeNull();
  });
});
