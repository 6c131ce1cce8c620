// The list on the screen stays whole while its first page changes under it.
import { expect, test } from 'vitest';
import type { JobSummary } from '../../../shared/schemas/job.ts';
import type { AnyJobSummary } from '../../../shared/schemas/jobs.ts';
import {
  appendPage,
  mergeFirstPage,
  replaceJobs,
} from '../../../web/features/jobs/list/merge-pages.ts';
import { elapsedMs, sizeText, stageShare, statusLine } from '../../../web/lib/jobs/job-figures.ts';

function job(second: number, change: Partial<JobSummary> = {}): JobSummary {
  return {
    id: `job-${second}`,
    kind: 'mapreduce',
    name: 'page hits',
    state: 'done',
    reason: '',
    createdAt: new Date(second * 1000).toISOString(),
    startedAt: null,
    finishedAt: null,
    progress: { splits: 0, mapped: 0, partitions: 0, reduced: 0 },
    counters: {
      recordsIn: 0,
      recordsOut: 0,
      bytesIn: 0,
      bytesShuffled: 0,
      keysOut: 0,
      attempts: 0,
      backups: 0,
      disagreements: 0,
      badRecords: 0,
      edgeTasks: 0,
      volunteerTasks: 0,
      user: {},
    },
    cost: { operations: {}, usd: 0 },
    error: null,
    inputBytes: 0,
    ...change,
  };
}
const ids = (jobs: readonly AnyJobSummary[]) => jobs.map(({ id }) => id);

test('a new job comes first and pushes nobody out', () => {
  const loaded = [job(5), job(4), job(3), job(2)];
  expect(ids(mergeFirstPage([job(6), job(5)], loaded, false))).toEqual([
    'job-6',
    'job-5',
    'job-4',
    'job-3',
    'job-2',
  ]);
});

test('a forgotten job of the first page is gone, older ones stay', () => {
  const loaded = [job(5), job(4), job(3), job(2)];
  expect(ids(mergeFirstPage([job(5), job(3)], loaded, false))).toEqual(['job-5', 'job-3', 'job-2']);
});

test('a first page that is the whole list is the list', () => {
  expect(ids(mergeFirstPage([job(5)], [job(5), job(4)], true))).toEqual(['job-5']);
  expect(mergeFirstPage([], [job(5)], true)).toEqual([]);
});

test('a page that overlaps what is shown adds each job once', () => {
  expect(ids(appendPage([job(5), job(4)], [job(4), job(3)]))).toEqual(['job-5', 'job-4', 'job-3']);
});

test('who was asked for is replaced; who is gone or of another state leaves', () => {
  const loaded = [5, 4, 3, 2].map((second) => job(second, { state: 'mapping' }));
  const fresh = [job(5, { state: 'mapping', reason: 'now' }), job(4), null];
  const next = replaceJobs(loaded, loaded.slice(0, 3), fresh, 'mapping');
  expect(next.map(({ id, reason }) => [id, reason])).toEqual([
    ['job-5', 'now'],
    ['job-2', ''],
  ]);
  expect(ids(replaceJobs(loaded, loaded.slice(0, 3), fresh, undefined))).toEqual([
    'job-5',
    'job-4',
    'job-2',
  ]);
});

test('a job that is not planned has done nothing, one that is done has done all', () => {
  expect(stageShare(job(1, { state: 'queued' }))).toEqual({ mapped: 0, reduced: 0 });
  expect(stageShare(job(1))).toEqual({ mapped: 1, reduced: 1 });
  const progress = { splits: 8, mapped: 2, partitions: 4, reduced: 0 };
  expect(stageShare(job(1, { state: 'mapping', progress }))).toEqual({ mapped: 0.25, reduced: 0 });
});

test('time runs from the start to the end, and never backwards', () => {
  const startedAt = new Date(10_000).toISOString();
  expect(elapsedMs(job(1), 99_000)).toBeNull();
  expect(elapsedMs(job(1, { startedAt }), 13_000)).toBe(3_000);
  expect(elapsedMs(job(1, { startedAt }), 9_000)).toBe(0);
  const finishedAt = new Date(12_000).toISOString();
  expect(elapsedMs(job(1, { startedAt, finishedAt }), 99_000)).toBe(2_000);
});

test('a run of a DAG counts its steps, those that were skipped as well', () => {
  const { id, name, state, reason, createdAt, startedAt, finishedAt, cost, error } = job(1);
  const run: AnyJobSummary = {
    ...{ id, name, state, reason, createdAt, startedAt, finishedAt, cost, error },
    kind: 'dag',
    progress: { steps: 8, done: 3, skipped: 1, failed: 0, cancelled: 0, running: 2 },
  };
  expect(stageShare(run)).toEqual({ steps: 0.5 });
  expect(statusLine(run)).toBe('3 of 8 steps done, 1 skipped');
  expect(sizeText(run)).toBe('8 steps');
});
