// What a stream holds, who is behind, how fast it grows, and what its form makes.
import { expect, test } from 'vitest';
import { addSample, perSecondOf } from '../../../web/lib/rate.ts';
import { emptyStreamDraft, streamSpecOf } from '../../../web/features/streams/list/stream-draft.ts';
import {
  laneShares,
  readersOf,
  retentionText,
  totalsOf,
} from '../../../web/features/streams/stream-figures.ts';

const partitions = [
  { partition: 0, first: 10, next: 50, bytes: 400, segments: 2 },
  { partition: 1, first: 0, next: 20, bytes: 200, segments: 0 },
];

test('totals count what is there, and what ever was', () => {
  expect(totalsOf({ partitions })).toEqual({ events: 60, appended: 70, bytes: 600, segments: 2 });
  expect(laneShares({ partitions })).toEqual([1, 0.5]);
  expect(laneShares({ partitions: [{ ...partitions[0]!, first: 5, next: 5 }] })).toEqual([0]);
});

test('a reader’s lag is that of all its partitions, the furthest behind first', () => {
  expect(
    readersOf([
      { processor: 'a', partition: 0, committed: 50, lag: 0 },
      { processor: 'b', partition: 0, committed: 48, lag: 2 },
      { processor: 'b', partition: 1, committed: 17, lag: 3 },
    ]),
  ).toEqual([
    { processor: 'b', lag: 5 },
    { processor: 'a', lag: 0 },
  ]);
});

test('a rate needs two samples, forgets old ones, and is never negative', () => {
  let samples = addSample([], { atMs: 0, value: 0 });
  expect(perSecondOf(samples)).toBeNull();
  samples = addSample(samples, { atMs: 2_000, value: 100 });
  expect(perSecondOf(samples)).toBe(50);
  for (let atMs = 4_000; atMs <= 60_000; atMs += 2_000)
    samples = addSample(samples, { atMs, value: 100 });
  expect(perSecondOf(samples)).toBe(0);
  expect(samples.length).toBeLessThan(10);
  expect(perSecondOf(addSample(samples, { atMs: 62_000, value: 0 }))).toBe(0);
});

test('retention in words', () => {
  expect([168, 48, 36, 1, 0.5].map(retentionText)).toEqual([
    '7 days',
    '2 days',
    '36 hours',
    '1 hour',
    '30 minutes',
  ]);
});

test('the form makes a specification, or says what is wrong at which field', () => {
  expect(streamSpecOf({ ...emptyStreamDraft(), name: ' orders ' })).toEqual({
    ok: true,
    name: 'orders',
    spec: { partitions: 4, retention: { hours: 168 }, claimCheckBytes: 98_304 },
  });
  const wrong = streamSpecOf({
    name: '-x',
    partitions: 1_000,
    retentionHours: null,
    claimCheckKib: 0,
  });
  expect(wrong.ok ? [] : wrong.errors.map(({ path }) => path).sort()).toEqual([
    'claimCheckBytes',
    'name',
    'partitions',
    'retention.hours',
  ]);
});

test('a name that is taken is not put again by the form', () => {
  const taken = streamSpecOf({ ...emptyStreamDraft(), name: 'orders' }, ['orders']);
  expect(taken.ok ? [] : taken.errors.map(({ path }) => path)).toEqual(['name']);
});
