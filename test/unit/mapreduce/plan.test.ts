// The planner and the alignment at their bounds; test/property/splits.test.ts holds the laws.
import { describe, expect, test } from 'vitest';
import {
  GZIP_MAX_BYTES,
  RECORD_MAX_BYTES,
  SPLIT_MAX_BYTES,
  TASKS_MAX,
} from '../../../shared/limits.ts';
import type { JobInput } from '../../../shared/schemas/job.ts';
import { nextRecordStart, RecordTooLongError } from '../../../worker/jobs/mapreduce/align.ts';
import {
  pieceOf,
  planSplits,
  recordFormat,
  splitCount,
  splitOf,
} from '../../../worker/jobs/mapreduce/plan.ts';

const lines: JobInput = { dataset: 'd', format: 'lines' };
const csv: JobInput = { dataset: 'd', format: 'csv' };
const plain = (bytes: number) => ({ bytes, gzip: false });

describe('a plan', () => {
  test('of nothing has no splits', () => {
    expect(planSplits(lines, plain(0), 10)).toMatchObject({ ok: true, plan: { splits: 0 } });
    expect(planSplits(csv, plain(0), 10)).toMatchObject({ ok: true, plan: { splits: 0 } });
    const range = { range: { from: 5, to: 5 }, splitItems: 3 };
    expect(planSplits(range, plain(0), 10)).toMatchObject({ ok: true, plan: { splits: 0 } });
  });

  test('has as many splits as there may be, and refuses one more, naming the bound', () => {
    expect(planSplits(lines, plain(TASKS_MAX * 7), 7)).toMatchObject({
      plan: { splits: TASKS_MAX },
    });
    expect(planSplits(lines, plain(TASKS_MAX * 7 + 1), 7)).toEqual({
      ok: false,
      reason: `the input would have ${TASKS_MAX + 1} splits, the most is ${TASKS_MAX}; use a larger splitBytes`,
    });
    const range = (items: number) => ({ range: { from: -5, to: items - 5 }, splitItems: 1 });
    expect(planSplits(range(TASKS_MAX), plain(0), 1)).toMatchObject({ ok: true });
    expect(planSplits(range(TASKS_MAX + 1), plain(0), 1)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('splitItems') as string,
    });
    const huge = {
      range: { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER },
      splitItems: 1e8,
    };
    expect(planSplits(huge, plain(0), 1).ok).toBe(false);
  });

  test('of a gzip file is one split of bounded size, but of its bytes it is not', () => {
    const gzip = (bytes: number) => ({ bytes, gzip: true });
    expect(planSplits(lines, gzip(GZIP_MAX_BYTES), 10)).toMatchObject({
      plan: { boundaries: [0, GZIP_MAX_BYTES], splits: 1 },
    });
    expect(planSplits(lines, gzip(GZIP_MAX_BYTES + 1), 10).ok).toBe(false);
    const bytes: JobInput = { dataset: 'd', format: 'bytes' };
    expect(planSplits(bytes, gzip(30), 10)).toMatchObject({ plan: { kind: 'bytes', splits: 3 } });
  });

  test('of a CSV that is more than one split needs a scan', () => {
    expect(planSplits(csv, plain(10), 10)).toMatchObject({ plan: { kind: 'bytes', splits: 1 } });
    const scan = planSplits(csv, plain(11), 10);
    expect(scan).toMatchObject({ plan: { kind: 'scan', bytes: 11, splitBytes: 10 } });
    if (!scan.ok) throw new Error(scan.reason);
    expect(splitCount(scan.plan)).toBe(0);
    expect(() => splitOf(scan.plan, 0)).toThrow(/has not been scanned/);
  });

  test('has no splits larger than a mapper can hold', () => {
    expect(planSplits(lines, plain(10), SPLIT_MAX_BYTES + 1)).toMatchObject({ ok: false });
  });

  test('of a stream is the pieces of its log, which may lie in many objects', () => {
    const stream: JobInput = { stream: 's' };
    const pieces = [
      { key: 'a', start: 0, end: 5 },
      { key: 'a', start: 5, end: 9 },
      { key: 'b', start: 2, end: 4 },
    ];
    const planned = planSplits(stream, { ...plain(11), pieces }, 4);
    if (!planned.ok || planned.plan.kind !== 'pieces') throw new Error('not planned');
    const { plan } = planned;
    expect(plan.objects).toEqual(['a', 'b']);
    expect(splitCount(plan)).toBe(3);
    expect(pieces.map((_, task) => pieceOf(plan, task))).toEqual(pieces);
    expect(splitOf(plan, 2)).toEqual({ kind: 'bytes', start: 2, end: 4 });
    expect(() => splitOf(plan, 3)).toThrow(/no split 3/);
    expect(recordFormat(stream)).toBe('ndjson');
    expect(planSplits(stream, plain(0), 4)).toMatchObject({ ok: true, plan: { splits: 0 } });
    const many = Array.from({ length: TASKS_MAX + 1 }, (_, i) => ({
      key: 'a',
      start: i,
      end: i + 1,
    }));
    expect(planSplits(stream, { ...plain(0), pieces: many }, 1).ok).toBe(false);
  });

  test('has no split that it does not have', () => {
    const plan = { kind: 'boundaries', boundaries: [0, 4], splits: 1 } as const;
    expect(() => splitOf({ ...plan, boundaries: [0, 4] }, 1)).toThrow(/no split 1/);
  });
});

describe('the next record', () => {
  const reader = (bytes: Uint8Array) => {
    const reads: [number, number][] = [];
    const read = async (start: number, end: number) => {
      reads.push([start, end]);
      return bytes.subarray(start, end);
    };
    return { reads, read };
  };

  test('needs no reading at the ends of the input', async () => {
    const { reads, read } = reader(new Uint8Array(10));
    expect(await nextRecordStart(0, 10, read)).toBe(0);
    expect(await nextRecordStart(10, 10, read)).toBe(10);
    expect(reads).toEqual([]);
  });

  test('is found in one small read, mostly', async () => {
    const bytes = new Uint8Array(1_000_000).fill(97);
    bytes[500_100] = 10;
    const { reads, read } = reader(bytes);
    expect(await nextRecordStart(500_000, bytes.length, read)).toBe(500_101);
    expect(reads).toHaveLength(1);
    expect(reads[0]?.[1]).toBeLessThan(520_000);
  });

  test('is found far away, up to the longest record there may be', async () => {
    const bytes = new Uint8Array(RECORD_MAX_BYTES + 4_000_000).fill(97);
    bytes[RECORD_MAX_BYTES - 1] = 10;
    const { reads, read } = reader(bytes);
    expect(await nextRecordStart(5, bytes.length, read)).toBe(RECORD_MAX_BYTES);
    for (const [start, end] of reads) expect(end - start).toBeLessThanOrEqual(1024 * 1024);
    bytes[RECORD_MAX_BYTES - 1] = 97;
    await expect(nextRecordStart(5, bytes.length, read)).rejects.toThrow(RecordTooLongError);
  });
});
