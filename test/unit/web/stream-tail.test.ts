// The tail of a stream: bounded, each event once, resumed from where it was.
import { expect, test } from 'vitest';
import type { StreamEvent } from '../../../shared/schemas/stream.ts';
import {
  addRows,
  backlogPlaces,
  clockText,
  matches,
  Places,
  preview,
  TAIL_ROWS_MAX,
} from '../../../web/features/streams/detail/tail-buffer.ts';
import { typeToken } from '../../../web/features/streams/detail/type-token.ts';

const event = (offset: number, change: Partial<StreamEvent> = {}): StreamEvent => ({
  partition: 0,
  offset,
  id: `e${offset}`,
  type: 'OrderPlaced',
  key: 'ann',
  time: '2026-11-25T10:00:00.000Z',
  ...change,
});
const run = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => event(from + at));

test('an event that is sent twice is taken once', () => {
  const places = new Places([[0, 5]]);
  expect(places.take(event(4))).toBe(false);
  expect(places.take(event(5))).toBe(true);
  expect(places.take(event(5))).toBe(false);
  expect(places.take(event(0, { partition: 1 }))).toBe(true);
});

test('where the reader is reads as the ids of the stream do', () => {
  const places = new Places([
    [1, 7],
    [0, 12],
  ]);
  places.take(event(12));
  expect(places.toString()).toBe('0:13,1:7');
});

test('it begins a little before the end, and never before the oldest event', () => {
  const status = { bytes: 0, segments: 0 };
  const places = backlogPlaces([
    { ...status, partition: 0, first: 0, next: 10_000 },
    { ...status, partition: 1, first: 995, next: 1_000 },
  ]);
  expect(places.toString()).toBe('0:9950,1:995');
});

test('only the newest rows are kept, however they come', () => {
  const rows = addRows(addRows([], run(0, 900)), run(900, 1_300));
  expect(rows).toHaveLength(TAIL_ROWS_MAX);
  expect(rows.at(0)?.offset).toBe(300);
  expect(rows.at(-1)?.offset).toBe(1_299);
  expect(addRows(rows, run(2_000, 5_000)).at(0)?.offset).toBe(4_000);
  expect(addRows(rows, [])).toEqual(rows);
});

test('a filter looks for a part of the type and of the key, in letters of any case', () => {
  expect(matches(event(0), { type: 'order', key: '' })).toBe(true);
  expect(matches(event(0), { type: 'order', key: 'bob' })).toBe(false);
  expect(matches(event(0, { key: null }), { type: '', key: 'a' })).toBe(false);
});

test('a long payload is cut, a missing one is empty', () => {
  expect(preview(event(0))).toBe('');
  expect(preview(event(0, { payload: { a: 1 } }))).toBe('{"a":1}');
  expect(preview(event(0, { payload: 'x'.repeat(5_000) })).length).toBeLessThan(210);
});

test('the clock shows milliseconds, and what is no time as it stands', () => {
  expect(clockText('2026-11-25T10:00:00.042Z')).toMatch(/^\d\d:00:00\.042$/);
  expect(clockText('soon')).toBe('soon');
});

test('a type keeps its colour', () => {
  expect(typeToken('OrderPlaced')).toBe(typeToken('OrderPlaced'));
  const tokens = new Set(['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'].map(typeToken));
  expect(tokens.size).toBeGreaterThan(2);
});
