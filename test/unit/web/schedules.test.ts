// Schedules in words: patterns, next runs, how late; and the form's way to a specification.
import { describe, expect, test } from 'vitest';
import { cronWords, readCron } from '../../../web/lib/schedules/cron.ts';
import {
  dayAndTime,
  lateBy,
  stripWords,
  untilWords,
} from '../../../web/lib/schedules/run-words.ts';
import {
  emptyScheduleDraft,
  scheduleSpecOf,
} from '../../../web/features/schedules/form/schedule-draft.ts';

const NOW = '2026-11-25T13:00:00.000Z';
const NOW_MS = Date.parse(NOW);

describe('a pattern', () => {
  test('is told in words, with its next five runs in its own zone', () => {
    const reading = readCron('0 3 * * *', 'Europe/Berlin', NOW_MS);
    expect(reading).toEqual({
      ok: true,
      words: 'At 03:00',
      nextRuns: [26, 27, 28, 29, 30].map((day) => `2026-11-${day}T02:00:00.000Z`),
    });
  });

  test.each([
    ['often', 'UTC', 'cron'],
    ['', 'UTC', 'cron'],
    ['0 0 30 2 *', 'UTC', 'cron'],
    ['0 3 * * *', 'Mars/Olympus', 'timezone'],
    ['0 3 * * *', '', 'timezone'],
  ])('"%s" in "%s" is refused at its field', (cron, timezone, field) => {
    expect(readCron(cron, timezone, NOW_MS)).toMatchObject({ ok: false, field });
  });

  test('without words is shown as it is', () => {
    expect(cronWords('often')).toBe('often');
  });
});

describe('a time', () => {
  test.each([
    ['2026-11-25T15:20:00Z', 'UTC', 'today 15:20'],
    ['2026-11-26T03:00:00Z', 'UTC', 'tomorrow 03:00'],
    ['2026-11-24T03:00:00Z', 'UTC', 'yesterday 03:00'],
    ['2026-11-27T03:00:00Z', 'UTC', 'Friday 03:00'],
    ['2026-12-09T03:00:05Z', 'UTC', '9 Dec 03:00:05'],
    ['2027-01-09T03:00:00Z', 'UTC', '9 Jan 2027 03:00'],
    // In Auckland it is tomorrow already.
    ['2026-11-25T13:30:00Z', 'Pacific/Auckland', 'today 02:30'],
    ['2026-11-25T23:30:00Z', 'Europe/Berlin', 'tomorrow 00:30'],
  ])('%s in %s is "%s"', (iso, timezone, words) => {
    expect(dayAndTime(iso, NOW_MS, timezone)).toBe(words);
  });

  test.each([
    [0, 'now'],
    [12_000, 'in 12 s'],
    [3 * 60_000, 'in 3 min'],
    [14 * 3600_000, 'in 14 h'],
    [5 * 24 * 3600_000, 'in 5 d'],
  ])('%i ms from now is "%s"', (ms, words) => {
    expect(untilWords(new Date(NOW_MS + ms).toISOString(), NOW_MS)).toBe(words);
  });
});

test('a run is late by what lies between its time and its start', () => {
  const run = { job: 'j', state: 'done', at: NOW, manual: false, reason: '' } as const;
  expect(lateBy({ ...run, startedAt: '2026-11-25T13:00:00.400Z' })).toBe('');
  expect(lateBy({ ...run, startedAt: '2026-11-25T13:02:05.000Z' })).toBe('2 min 05 s');
  expect(lateBy({ ...run, startedAt: null })).toBe('');
});

test('a strip is one sentence for those who do not see it', () => {
  expect(stripWords([])).toBe('No run yet');
  expect(stripWords([{ state: 'done' }, { state: 'done' }, { state: 'missed' }])).toBe(
    'The last 3 runs: 2 done, 1 missed',
  );
});

describe('the form', () => {
  const draft = { ...emptyScheduleDraft('orders'), name: 'daily' };

  test('becomes a specification', () => {
    expect(scheduleSpecOf(draft, NOW_MS)).toMatchObject({
      ok: true,
      name: 'daily',
      spec: {
        cron: '0 3 * * *',
        timezone: 'UTC',
        job: { name: 'daily', input: { stream: 'orders', from: 'lastRun' } },
      },
    });
  });

  test.each([
    [{ name: '' }, 'name'],
    [{ name: 'a b' }, 'name'],
    [{ cron: 'often' }, 'cron'],
    [{ timezone: 'nowhere' }, 'timezone'],
    [{ stream: '' }, 'job.input.stream'],
    [{ from: 'time' as const, fromTime: 'noon' }, 'job.input.from'],
    [{ partitions: null }, 'job.partitions'],
    [{ code: 'export function map( {' }, 'job.code'],
  ])('says at its field what is wrong: %j', (change, path) => {
    const specified = scheduleSpecOf({ ...draft, ...change }, NOW_MS);
    expect(specified.ok).toBe(false);
    if (!specified.ok) expect(specified.errors.map((error) => error.path)).toEqual([path]);
  });
});
