// Which fired window runs next, and what becomes of one that fails, is blocked, expires or is redriven.
import { describe, expect, test } from 'vitest';
import { WINDOW_LEASE_MS } from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import {
  newRecord,
  BatchAttempts,
  type BatchRecord,
} from '../../../worker/processors/batch/batch-attempts.ts';

const RETRY = { maxAttempts: 3, baseMs: 100, maxMs: 1_000 };
const ERROR: TaskError = { code: 'program_threw', message: 'no' };
const failure = { error: ERROR, final: false };
const at = (nowMs: number, random = 0.5) => ({ nowMs, random });

function fired(...numbers: number[]): {
  attempts: BatchAttempts;
  records: Map<number, BatchRecord>;
} {
  const made = numbers.map((number) =>
    newRecord({
      number,
      reason: 'events',
      openedAtMs: 0,
      firedAtMs: 10,
      events: 1,
      bytes: 1,
      ranges: [],
    }),
  );
  return {
    attempts: new BatchAttempts(made),
    records: new Map(made.map((one) => [one.number, one])),
  };
}

function begun(attempts: BatchAttempts, nowMs: number): BatchRecord {
  const record = attempts.ready(nowMs);
  if (!record) throw new Error(`nothing is ready at ${nowMs}`);
  attempts.begin(record, nowMs);
  return record;
}

describe('windows that have fired', () => {
  test('run in order, one at a time', () => {
    const { attempts } = fired(3, 1, 2);
    const first = begun(attempts, 10);
    expect(first.number).toBe(1);
    expect(attempts.ready(10)).toBeNull();
    attempts.done(first);
    expect(begun(attempts, 10).number).toBe(2);
    expect(attempts.inOrder).toBe(2);
  });

  test('wait behind one that is tried again, with full jitter, and go on when it is given up', () => {
    const { attempts } = fired(1, 2);
    const first = begun(attempts, 10);
    expect(attempts.failed(first, failure, RETRY, at(20))).toBe(false);
    expect(first).toMatchObject({ state: 'waiting', readyAtMs: 70, attempts: 1 });
    expect(first.why).toBe('attempt 1 of 3 failed: no');
    expect(attempts.nextMs()).toBe(70);
    expect(attempts.ready(69)).toBeNull();
    attempts.failed(begun(attempts, 70), failure, RETRY, at(70));
    expect(first.readyAtMs).toBe(170);
    expect(attempts.failed(begun(attempts, 170), failure, RETRY, at(170))).toBe(true);
    expect(first).toMatchObject({ state: 'failed', attempts: 3, deadAtMs: 170, error: ERROR });
    expect(begun(attempts, 170).number).toBe(2);
  });

  test('are given up at once when another try would end the same way', () => {
    const { attempts } = fired(1);
    expect(attempts.failed(begun(attempts, 10), { error: ERROR, final: true }, RETRY, at(10))).toBe(
      true,
    );
  });

  test('do not lose attempts to what is not their fault, and wait longer each time', () => {
    const { attempts } = fired(1);
    const waits: number[] = [];
    let nowMs = 10;
    for (let tries = 0; tries < 8; tries++) {
      const record = begun(attempts, nowMs);
      attempts.blocked(record, 'the output is full', at(nowMs, 1));
      expect(record).toMatchObject({ state: 'waiting', attempts: 0, why: 'the output is full' });
      waits.push(record.readyAtMs - nowMs);
      nowMs = record.readyAtMs;
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('are fenced by the number of their run', () => {
    const { attempts } = fired(1);
    const record = begun(attempts, 10);
    expect(attempts.leased(1, 1)).toBe(record);
    expect(attempts.expired(10 + WINDOW_LEASE_MS - 1)).toBeNull();
    attempts.alive(record, 20);
    expect(attempts.expired(10 + WINDOW_LEASE_MS)).toBeNull();
    expect(attempts.expired(20 + WINDOW_LEASE_MS)).toBe(record);
    attempts.failed(record, failure, RETRY, at(100_000, 0));
    begun(attempts, 100_000);
    expect(attempts.leased(1, 1)).toBeNull();
    expect(attempts.leased(1, 2)).toBe(record);
  });

  test('have no lease while they are a job', () => {
    const { attempts } = fired(1, 2);
    const record = begun(attempts, 10);
    attempts.handOver(record, 'job_1');
    expect(attempts.leased(1, 1)).toBeNull();
    expect(attempts.expired(1e9)).toBeNull();
    expect(attempts.ready(1e9)).toBeNull();
    expect(attempts.running).toBe(record);
  });

  test('that are redriven run beside the order, and do not hold it up', () => {
    const { attempts, records } = fired(1, 2, 3);
    attempts.failed(begun(attempts, 10), { error: ERROR, final: true }, RETRY, at(10));
    const first = records.get(1);
    if (!first) throw new Error('there is no window 1');
    attempts.redrive(first, 500);
    expect(first).toMatchObject({ state: 'waiting', attempts: 0, redriven: 1 });
    expect(attempts.inOrder).toBe(2);
    attempts.done(begun(attempts, 20)); // Window 2.
    expect(begun(attempts, 500).number).toBe(1);
    attempts.failed(first, failure, RETRY, at(500));
    expect(begun(attempts, 500).number).toBe(3);
    expect(attempts.redriven).toBe(1);
  });
});
