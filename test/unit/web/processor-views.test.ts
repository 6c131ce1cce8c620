// A processor in words, figures and lines.
import { expect, test } from 'vitest';
import type { PartitionLag } from '../../../shared/schemas/processor.ts';
import { boundsText, rangeText } from '../../../web/features/processors/detail/batch-text.ts';
import {
  addReading,
  linesOf,
  type Reading,
} from '../../../web/features/processors/detail/latency-series.ts';
import {
  emptyReplayDraft,
  pointOf,
  replayProgress,
} from '../../../web/features/processors/detail/replay-draft.ts';
import {
  latencyText,
  mostUrgent,
  totalLag,
  whyOf,
} from '../../../web/features/processors/processor-figures.ts';
import { metersOf } from '../../../web/lib/processors/window-meters.ts';

const place = (change: Partial<PartitionLag> = {}): PartitionLag => ({
  stream: 'orders',
  partition: 0,
  committed: 10,
  lag: 0,
  state: 'idle',
  reason: '',
  ...change,
});

test('a processor always says why it does what it does', () => {
  expect(whyOf('running', '', [place()])).toMatch(/caught up/);
  expect(whyOf('running', '', [place({ lag: 1_200, state: 'running' })])).toBe(
    '1,200 events behind',
  );
  expect(whyOf('paused', '', [place({ lag: 3, state: 'paused' })])).toMatch(/paused/);
  expect(whyOf('running', 'the output is gone', [place()])).toBe('the output is gone');
  const waiting = place({ partition: 2, state: 'waiting', reason: 'attempt 2 in 3 s', lag: 9 });
  expect(whyOf('running', '', [place(), waiting])).toBe('partition 2 of orders: attempt 2 in 3 s');
});

test('the partition that is worst off speaks first', () => {
  const blocked = place({ partition: 3, state: 'blocked' });
  expect(mostUrgent([place({ state: 'waiting', lag: 99 }), blocked])).toBe(blocked);
  expect(mostUrgent([])).toBeNull();
  expect(totalLag([place({ lag: 2 }), place({ lag: 3 })])).toBe(5);
});

test('latency is a dash before the first event', () => {
  expect(latencyText({ p50: null, p99: null }, String)).toBe('–');
  expect(latencyText({ p50: 3, p99: 40 }, String)).toBe('3 / 40');
});

test('the series is bounded, keeps its peaks, its order and its newest reading', () => {
  let series: Reading[] = [];
  for (let at = 0; at < 5_000; at++) {
    const lag = at === 1_234 ? 777 : 0;
    series = addReading(series, { atMs: at * 1_000, lag, p50: null, p99: at % 2 ? null : 5 });
  }
  expect(series.length).toBeLessThanOrEqual(401);
  expect(Math.max(...series.map(({ lag }) => lag))).toBe(777);
  expect(series.at(-1)?.atMs).toBe(4_999_000);
  expect(series.map(({ atMs }) => atMs)).toEqual(
    [...series].map(({ atMs }) => atMs).sort((a, b) => a - b),
  );
  const lines = linesOf(series, ['lag', 'p99']);
  expect(lines.values).toHaveLength(2);
  expect(lines.seconds[0]).toBe(0);
  expect(lines.values[1]?.every((value) => value === null || value === 5)).toBe(true);
});

test('a replay begins at the beginning, an offset or a time', () => {
  const draft = emptyReplayDraft();
  expect(pointOf(draft)).toEqual({ ok: true, point: 'earliest' });
  expect(pointOf({ ...draft, from: 'offset', offset: 12 })).toEqual({ ok: true, point: 12 });
  expect(pointOf({ ...draft, from: 'offset', offset: null })).toMatchObject({ ok: false });
  expect(pointOf({ ...draft, from: 'offset', offset: -1 })).toMatchObject({ ok: false });
  expect(pointOf({ ...draft, from: 'time', time: '2026-11-25T08:00:00Z' })).toEqual({
    ok: true,
    point: '2026-11-25T08:00:00.000Z',
  });
  expect(pointOf({ ...draft, from: 'time' })).toMatchObject({ ok: false });
});

test('a replay says what is left, and is whole only when nothing is', () => {
  expect(
    replayProgress([place({ committed: 30, lag: 10 }), place({ committed: 0, lag: 0 })]),
  ).toEqual({ left: 10, read: 0.75 });
  expect(replayProgress([place({ committed: 0, lag: 0 })])).toEqual({ left: 0, read: 1 });
});

test('windows in words', () => {
  expect(boundsText({ maxEvents: 1_000, maxBytes: 1e8, maxWaitMs: 60_000 })).toBe(
    'closes at 1,000 events, 100 MB, or 1 min 00 s after its first event',
  );
  expect(rangeText({ stream: 'orders', partition: 0, from: 12, to: 41 })).toBe('orders 0: 12–40');
});

test('an open window says how near each bound is, and never past it', () => {
  const limits = { maxEvents: 100, maxBytes: 1_000, maxWaitMs: 60_000 };
  const openedAt = '2026-11-25T10:00:00.000Z';
  const at = Date.parse(openedAt);
  const open = { window: 3, events: 25, bytes: 500, openedAt, firesAt: null };
  expect(metersOf(open, limits, at + 6_000).map(({ share }) => share)).toEqual([0.25, 0.5, 0.1]);
  expect(metersOf(open, limits, at + 999_000).at(-1)).toMatchObject({ share: 1 });
  expect(metersOf(open, limits, at - 5_000).at(-1)).toMatchObject({ share: 0 });
  const empty = { ...open, events: 0, bytes: 0, openedAt: null };
  expect(metersOf(empty, limits, at).map(({ share }) => share)).toEqual([0, 0, 0]);
});
