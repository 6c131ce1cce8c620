// Which fired window runs next, and what becomes of one that fails, is blocked, lapses or is redriven.
import { describe, expect, test } from 'vitest';
import { WINDOW_LEASE_MS } from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import {
  newRecord,
  Runs,
  type BatchRecord,
} from '../../../worker/processors/batch/batch-attempts.ts';

const RETRY = { maxAttempts: 3, baseMs: 100, maxMs: 1_000 };
const ERROR: TaskError = { code: 'program_threw', message: 'no' };
const failure = { error: ERROR, final: false };
const at = (nowMs: number, random = 0.5) => ({ nowMs, random });

function fired(...numbers: number[]): { runs: Runs; records: Map<number, BatchRecord> } {
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
  return { runs: new Runs(made), records: new Map(made.map((one) => [one.number, one])) };
}

function begun(runs: Runs, nowMs: number): BatchRecord {
  const record = runs.ready(nowMs);
  if (!record) throw new Error(`nothing is ready at ${nowMs}`);
  runs.begin(record, nowMs);
  return record;
}

describe('windows that have fired', () => {
  test('run in order, one at a time', () => {
    const { runs } = fired(3, 1, 2);
    const first = begun(runs, 10);
    expect(first.number).toBe(1);
    expect(runs.ready(10)).toBeNull();
    runs.done(first);
    expect(begun(runs, 10).number).toBe(2);
    expect(runs.inOrder).toBe(2);
  });

  test('wait behind one that is tried again, with full jitter, and go on when it is given up', () => {
    const { runs } = fired(1, 2);
    const first = begun(runs, 10);
    expect(runs.failed(first, failure, RETRY, at(20))).toBe(false);
    expect(first).toMatchObject({ state: 'waiting', readyAtMs: 70, attempts: 1 });
    expect(first.why).toBe('attempt 1 of 3 failed: no');
    expect(runs.nextMs()).toBe(70);
    expect(runs.ready(69)).toBeNull();
    runs.failed(begun(runs, 70), failure, RETRY, at(70));
    expect(first.readyAtMs).toBe(170);
    expect(runs.failed(begun(runs, 170), failure, RETRY, at(170))).toBe(true);
    expect(first).toMatchObject({ state: 'failed', attempts: 3, deadAtMs: 170, error: ERROR });
    expect(begun(runs, 170).number).toBe(2);
  });

  test('are given up at once when another try would end the same way', () => {
    const { runs } = fired(1);
    expect(runs.failed(begun(runs, 10), { error: ERROR, final: true }, RETRY, at(10))).toBe(true);
  });

  test('do not lose attempts to what is not their fault, and wait longer each time', () => {
    const { runs } = fired(1);
    const waits: number[] = [];
    let nowMs = 10;
    for (let tries = 0; tries < 8; tries++) {
      const record = begun(runs, nowMs);
      runs.blocked(record, 'the output is full', at(nowMs, 1));
      expect(record).toMatchObject({ state: 'waiting', attempts: 0, why: 'the output is full' });
      waits.push(record.readyAtMs - nowMs);
      nowMs = record.readyAtMs;
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('are fenced by the number of their run', () => {
    const { runs } = fired(1);
    const record = begun(runs, 10);
    expect(runs.leased(1, 1)).toBe(record);
    expect(runs.expired(10 + WINDOW_LEASE_MS - 1)).toBeNull();
    runs.alive(record, 20);
    expect(runs.expired(10 + WINDOW_LEASE_MS)).toBeNull();
    expect(runs.expired(20 + WINDOW_LEASE_MS)).toBe(record);
    runs.failed(record, failure, RETRY, at(100_000, 0));
    begun(runs, 100_000);
    expect(runs.leased(1, 1)).toBeNull();
    expect(runs.leased(1, 2)).toBe(record);
  });

  test('have no lease while they are a job', () => {
    const { runs } = fired(1, 2);
    const record = begun(runs, 10);
    runs.handOver(record, 'job_1');
    expect(runs.leased(1, 1)).toBeNull();
    expect(runs.expired(1e9)).toBeNull();
    expect(runs.ready(1e9)).toBeNull();
    expect(runs.running).toBe(record);
  });

  test('that are redriven run beside the order, and do not hold it up', () => {
    const { runs, records } = fired(1, 2, 3);
    runs.failed(begun(runs, 10), { error: ERROR, final: true }, RETRY, at(10));
    const first = records.get(1);
    if (!first) throw new Error('there is no window 1');
    runs.redrive(first, 500);
    expect(first).toMatchObject({ state: 'waiting', attempts: 0, redriven: 1 });
    expect(runs.inOrder).toBe(2);
    runs.done(begun(runs, 20)); // Window 2.
    expect(begun(runs, 500).number).toBe(1);
    runs.failed(first, failure, RETRY, at(500));
    expect(begun(runs, 500).number).toBe(3);
    expect(runs.redriven).toBe(1);
  });
});
