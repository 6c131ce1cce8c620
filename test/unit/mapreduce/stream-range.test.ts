// What a job's points in a stream mean in each partition, and what is refused.
import { describe, expect, test } from 'vitest';
import { MapReduceSpec, type StreamInput } from '../../../shared/schemas/job.ts';
import { resolveRanges } from '../../../worker/jobs/mapreduce/stream-range.ts';

/** Partition 0 holds 10 … 99, of which one came every second; partition 1 holds 0 … 4; partition 2 nothing. */
const HELD = [
  { partition: 0, first: 10, next: 100 },
  { partition: 1, first: 0, next: 5 },
  { partition: 2, first: 0, next: 0 },
];
const second = (n: number) => new Date(n * 1000).toISOString();
const offsetAt = (partition: number, timeMs: number) => {
  const held = HELD[partition];
  if (!held) throw new Error(`there is no partition ${partition}`);
  return Promise.resolve(Math.min(held.next, Math.max(held.first, Math.ceil(timeMs / 1000))));
};
const resolved = async (input: Omit<StreamInput, 'stream'>, held = HELD) => {
  const ranges = await resolveRanges({ stream: 's', ...input }, held, offsetAt);
  return ranges.map(({ from, to }) => [from, to]);
};
const problem = (input: Omit<StreamInput, 'stream'>, held = HELD) =>
  resolved(input, held).then(
    () => null,
    (error: unknown) => error,
  );

describe('a range of a stream', () => {
  test('is all of it when nothing else is said', async () => {
    expect(await resolved({})).toEqual([
      [10, 100],
      [0, 5],
      [0, 0],
    ]);
  });

  test('lies between times, whatever the partitions hold', async () => {
    expect(await resolved({ from: second(3), to: second(50) })).toEqual([
      [10, 50],
      [3, 5],
      [0, 0],
    ]);
  });

  test('has offsets that count in every partition, up to its end', async () => {
    expect(await resolved({ from: 20, to: 1_000 })).toEqual([
      [20, 100],
      [5, 5],
      [0, 0],
    ]);
  });

  test('is empty where points of different kinds cross', async () => {
    expect(await resolved({ from: 60, to: second(50) })).toEqual([
      [60, 60],
      [5, 5],
      [0, 0],
    ]);
  });

  test('is refused when it ends before it begins', async () => {
    const backwards: Omit<StreamInput, 'stream'>[] = [
      { from: 5, to: 4 },
      { from: second(5), to: second(4) },
      { from: 'latest', to: 'earliest' },
      { from: 'latest', to: second(4) },
      { from: second(4), to: 'earliest' },
    ];
    for (const input of backwards) {
      expect(await problem(input)).toMatchObject({
        code: 'invalid_request',
        errors: [{ path: 'input.to' }],
      });
    }
  });

  test('is gone when an offset is asked for that retention took, naming what there is', async () => {
    const gone = {
      code: 'gone',
      message: expect.stringContaining('first available is 10') as string,
    };
    expect(await problem({ from: 9 })).toMatchObject(gone);
    expect(await problem({ to: 9 })).toMatchObject(gone);
    const ranges = [{ partition: 0, from: 9, to: 12 }];
    expect(await problem({ ranges }, HELD.slice(0, 1))).toMatchObject({
      ...gone,
      errors: [{ path: 'input.ranges.0.from' }],
    });
  });

  test('may be said exactly, and then is just that', async () => {
    const ranges = [
      { partition: 1, from: 1, to: 3 },
      { partition: 0, from: 99, to: 400 },
    ];
    const held = [HELD[1], HELD[0]].flatMap((here) => here ?? []);
    expect(await resolved({ ranges, from: 'latest', to: 'earliest' }, held)).toEqual([
      [1, 3],
      [99, 100],
    ]);
  });

  test('since the last run is for schedules', async () => {
    expect(await problem({ from: 'lastRun' })).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'input.from' }],
    });
  });
});

describe('a stream as the input of a specification', () => {
  const issues = (input: unknown) => {
    const parsed = MapReduceSpec.safeParse({ kind: 'mapreduce', code: 'x', input });
    return parsed.success ? null : parsed.error.issues.length;
  };

  test('takes offsets, times and ends', () => {
    expect(issues({ stream: 's' })).toBeNull();
    expect(issues({ stream: 's', from: 'lastRun', to: 'latest' })).toBeNull();
    expect(issues({ stream: 's', from: 0, to: '2026-11-24T03:00:00+01:00' })).toBeNull();
  });

  test('takes no others, no format, and no partition twice', () => {
    const range = { partition: 0, from: 1, to: 2 };
    expect(issues({ stream: 's', from: -1 })).not.toBeNull();
    expect(issues({ stream: 's', to: 'lastRun' })).not.toBeNull();
    expect(issues({ stream: 's', format: 'ndjson' })).not.toBeNull();
    expect(issues({ stream: 's', ranges: [] })).not.toBeNull();
    expect(issues({ stream: 's', ranges: [range, range] })).not.toBeNull();
    expect(issues({ stream: 's', ranges: [{ ...range, to: 0 }] })).not.toBeNull();
  });
});
