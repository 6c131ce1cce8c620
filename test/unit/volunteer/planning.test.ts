// What the pool decides.
import { describe, expect, test } from 'vitest';
import {
  inputBytes,
  inputsHeldMax,
  mayDownload,
  nextToRun,
  overdue,
  type Shown,
  workerViews,
} from '../../../web/volunteer/planning.ts';

describe('the next task of an idle worker', () => {
  const ready = [
    { programHash: 'a', readyAtMs: 0 },
    { programHash: 'b', readyAtMs: 10 },
    { programHash: 'a', readyAtMs: 20 },
  ];

  test('is none when none is ready', () => {
    expect(nextToRun([], 'a', 100)).toBe(-1);
  });

  test('is the oldest for a worker that knows no program', () => {
    expect(nextToRun(ready, null, 100)).toBe(0);
  });

  test('is the oldest of its own program, before older ones of others', () => {
    expect(nextToRun(ready, 'b', 100)).toBe(1);
    expect(nextToRun(ready, 'a', 100)).toBe(0);
  });

  test("is another's when it has none of its own", () => {
    expect(nextToRun(ready, 'c', 100)).toBe(0);
  });

  test('is the oldest of all once that has waited too long: no program starves another', () => {
    expect(nextToRun(ready, 'b', 1_000)).toBe(1);
    expect(nextToRun(ready, 'b', 1_001)).toBe(0);
  });
});

describe('a lease', () => {
  const held = { sinceMs: 0, deadlineMs: 60_000 };

  test('is good until its deadline', () => {
    expect(overdue({ ...held, stage: 'running' }, 59_999)).toBeNull();
    expect(overdue({ ...held, stage: 'waiting' }, 59_999)).toBeNull();
  });

  test('past its deadline fails what runs and gives back what does not', () => {
    expect(overdue({ ...held, stage: 'running' }, 60_000)).toBe('fail');
    for (const stage of ['waiting', 'downloading', 'ready', 'uploading'] as const) {
      expect(overdue({ ...held, stage }, 60_000)).toBe('give-back');
    }
  });

  test('is given back when a transfer does not end, however often it was renewed', () => {
    const renewed = { sinceMs: 0, deadlineMs: 400_000 };
    expect(overdue({ ...renewed, stage: 'uploading' }, 299_000)).toBeNull();
    expect(overdue({ ...renewed, stage: 'uploading' }, 301_000)).toBe('give-back');
    expect(overdue({ ...renewed, stage: 'running' }, 301_000)).toBeNull();
  });
});

describe('the view of the workers', () => {
  const shown = (task: number): Shown => ({
    job: 'j',
    jobName: 'J',
    task,
    fraction: 0.5,
    startedAtMs: 7,
  });

  test('shows what runs, then the transfers that keep the others waiting', () => {
    const views = workerViews([null, shown(1), null, null], [shown(2)], [shown(3)]);
    expect(views.map(({ index, state, task }) => [index, state, task])).toEqual([
      [0, 'uploading', 2],
      [1, 'running', 1],
      [2, 'downloading', 3],
      [3, 'idle', null],
    ]);
  });

  test('has as many rows as there are workers', () => {
    expect(workerViews([null], [shown(1), shown(2)], [shown(3)])).toHaveLength(1);
    expect(workerViews([], [shown(1)], [])).toEqual([]);
  });
});

test('one input a worker and two to spare are held', () => {
  expect(inputsHeldMax(1)).toBe(3);
  expect(inputsHeldMax(8)).toBe(10);
});

describe('downloads at once', () => {
  const MIB = 1024 * 1024;

  test('large inputs come one after the other for one worker', () => {
    expect(mayDownload(0, 8 * MIB, 1)).toBe(true);
    expect(mayDownload(8 * MIB, 8 * MIB, 1)).toBe(false);
    expect(mayDownload(4 * MIB, 4 * MIB, 1)).toBe(false);
  });

  test('small inputs come together, and more of them for more workers', () => {
    expect(mayDownload(MIB, MIB, 1)).toBe(true);
    expect(mayDownload(8 * MIB, 8 * MIB, 4)).toBe(true);
    expect(mayDownload(16 * MIB, MIB, 4)).toBe(false);
  });

  test('integers have no input to wait for', () => {
    expect(inputBytes({ kind: 'integers', from: 0, to: 1e9 })).toBe(0);
    expect(inputBytes({ kind: 'bytes', start: 10, end: 25 })).toBe(15);
  });
});
