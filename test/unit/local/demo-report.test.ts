// The demo's last screen is the first thing that a newcomer reads.
import { expect, test } from 'vitest';
import type { Attempt, Job, Task } from '../../../shared/schemas/job.ts';
import { demoReport, mappersOf } from '../../../worker/local/demo-report.ts';
import { dollars, progressBar, rate, table } from '../../../worker/local/terminal.ts';

const attempt = (by: string, state: Attempt['state'], ms: number): Attempt => ({
  attempt: 1,
  by,
  state,
  ms,
  digest: null,
  error: null,
});
const mapTask = (task: number, ...attempts: Attempt[]): Task => ({
  task,
  stage: 'map',
  state: 'committed',
  attempts,
});

test('a split is credited to whoever committed it, not to who tried', () => {
  const tasks = [
    mapTask(0, attempt('aaaaaaaa', 'returned', 5), attempt('edge', 'committed', 100)),
    mapTask(1, attempt('aaaaaaaa', 'committed', 40)),
    mapTask(2, attempt('aaaaaaaa', 'committed', 50)),
    { ...mapTask(0, attempt('edge', 'committed', 9)), stage: 'reduce' as const },
  ];
  expect(mappersOf(tasks, new Map([['aaaaaaaa', 'Quiet Otter']]))).toEqual([
    { name: 'browser Quiet Otter', tasks: 2, ms: 90 },
    { name: 'the edge', tasks: 1, ms: 100 },
  ]);
});

test('volunteers of the same name are told apart', () => {
  const tasks = [
    mapTask(0, attempt('aaaaaaaa', 'committed', 1)),
    mapTask(1, attempt('aaaaaaaa', 'committed', 1)),
    mapTask(2, attempt('bbbbbbbb', 'committed', 1)),
  ];
  const names = new Map([
    ['aaaaaaaa', 'Chromium'],
    ['bbbbbbbb', 'Chromium'],
  ]);
  expect(mappersOf(tasks, names).map(({ name, tasks }) => [name, tasks])).toEqual([
    ['browser Chromium #1', 2],
    ['browser Chromium #2', 1],
  ]);
});

test('the report names pages, mappers, speed and cost', () => {
  const job = {
    inputBytes: 64_000_000,
    progress: { splits: 4, mapped: 4, partitions: 1, reduced: 1 },
    counters: { recordsIn: 1_000, keysOut: 2 },
    cost: { operations: {}, usd: 0.000_123_4 },
  } as Job;
  const top = [
    { key: '/', value: 600 },
    { key: `/${'long/'.repeat(30)}`, value: 400 },
  ];
  const text = demoReport(job, top, [{ name: 'the edge', tasks: 4, ms: 900 }], 2_000);
  expect(text).toContain('60.0 %');
  expect(text).toContain('the edge');
  expect(text).toContain('32.0 MB/s');
  expect(text).toContain('$0.00012');
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(100);
});

test('a table keeps its columns', () => {
  expect(
    table(
      ['page', 'hits'],
      [
        ['/a', '1,000'],
        ['/longer', '7'],
      ],
    ),
  ).toBe('page      hits\n───────  ─────\n/a       1,000\n/longer      7');
});

test('sums and rates stay readable at their ends', () => {
  expect(dollars(0)).toBe('$0');
  expect(dollars(4.5)).toBe('$4.50');
  expect(dollars(0.000_000_01)).toBe('< $0.000001');
  expect(rate(1_000_000, 0)).toBe('– MB/s');
});

test('without a terminal progress is a line for every tenth, never going back', () => {
  const written: string[] = [];
  const out = { isTTY: false, write: (text: string) => written.push(text) };
  const bar = progressBar('job', out as unknown as NodeJS.WriteStream);
  for (const fraction of [0, 0.04, 0.11, 0.05, 0.12, 0.55, 1]) bar.show(fraction, 'x');
  bar.end('done');
  expect(written.map((line) => line.trim())).toEqual([
    'job   0 %  x',
    'job  11 %  x',
    'job  55 %  x',
    'job 100 %  done',
  ]);
});
