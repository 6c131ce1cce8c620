// What keyed processors keep, in words and shares: freshness, joins, windows and what came too late.
import { expect, test } from 'vitest';
import type {
  AppliedOffset,
  LateEvent,
  OpenEventWindow,
} from '../../../shared/schemas/processor.ts';
import {
  closingOf,
  eventTime,
  spanText,
  watermarkText,
} from '../../../web/lib/processors/event-time.ts';
import { freshnessOf } from '../../../web/lib/processors/freshness.ts';
import {
  joinText,
  keyByText,
  lateRows,
  shareOfTime,
  sizeText,
  untilText,
  windowText,
} from '../../../web/lib/processors/keyed-text.ts';
import { heldText, kindText } from '../../../web/features/processors/kinds/kinds.ts';

const place = (stream: string, partition: number, offset: number, end: number): AppliedOffset => ({
  stream,
  partition,
  offset,
  end,
});

test('a state says what it is of, and how many events are not in it', () => {
  expect(freshnessOf([place('users', 0, 12, 13)])).toEqual({
    behind: 1,
    sentence: 'As of users/0 offset 12: 1 event is not in it yet.',
    places: [{ name: 'users/0', behind: 1, share: 12 / 13, text: 'applied 12 of 13: 1 behind' }],
  });
  const several = freshnessOf([
    place('mail', 0, 5, 5),
    place('users', 10, 1, 2),
    place('users', 2, 120, 123),
  ]);
  expect(several.sentence).toBe(
    'As of users/2 offset 120 and 1 more partition: 4 events are not in it yet.',
  );
  expect(several.places.map(({ name }) => name)).toEqual(['users/2', 'users/10', 'mail/0']);
});

test('a state that is up to date says so, also of empty streams and of ends that were asked for before', () => {
  const fresh = freshnessOf([place('mail', 0, 0, 0), place('mail', 1, 9, 7)]);
  expect(fresh).toMatchObject({ behind: 0, sentence: expect.stringMatching(/^Up to date/) });
  expect(fresh.places.map(({ share, text }) => [share, text])).toEqual([
    [1, 'applied 0 of 0'],
    [1, 'applied 9 of 9'],
  ]);
});

test('keys, joins and windows in words', () => {
  expect(keyByText({ keyBy: 'key' })).toBe('key');
  expect(keyByText({ keyBy: ['payload.a', 'payload.b'] })).toBe('payload.a | payload.b');
  expect(keyByText({ keyBy: { mail: 'payload.to', users: 'key' } })).toBe(
    'mail: payload.to, users: key',
  );
  const rules = { types: ['A', 'B'], timeoutMs: 60_000, rememberMs: 0 };
  expect(joinText({ ...rules, onTimeout: 'drop' })).toBe(
    'all 2 types within 1 min 00 s, else its events are dropped',
  );
  const common = { graceMs: 0, idleMs: 1, skewMs: 1, time: 'time' };
  expect(windowText({ type: 'tumbling', sizeMs: 60_000, ...common })).toBe(
    'each 1 min 00 s long, closed at its end',
  );
  expect(windowText({ type: 'tumbling', sizeMs: 60_000, slideMs: 10_000, ...common })).toMatch(
    /one every 10 s/,
  );
  expect(windowText({ type: 'session', gapMs: 5_000, ...common, graceMs: 2_000 })).toBe(
    'sessions that end after 5.0 s of silence, closed 2.0 s after its end',
  );
});

test('what is held is counted as what it is', () => {
  expect(heldText('window', 1)).toBe('1 open window');
  expect(sizeText({ bytes: 12_000, shards: 1 })).toBe('12.0 kB in 1 shard');
  const keyed = { shards: 4, keys: 1_204, bytes: 9 };
  expect(kindText({ kind: 'stateful', keyed }, 'stateful')).toBe('stateful, 1,204 keys');
  expect(kindText({ kind: 'window', keyed }, 'windows')).toBe('windows, 1,204 open');
  expect(kindText({ kind: 'stateless' }, 'stateless')).toBe('stateless');
});

test('a timer counts down to its time, and its arc closes', () => {
  const since = '2026-11-25T10:00:00.000Z';
  const due = '2026-11-25T10:01:00.000Z';
  const at = Date.parse(since);
  expect(untilText(due, at)).toBe('in 1 min 00 s');
  expect(untilText(due, at + 59_500)).toBe('in 1.0 s');
  expect(untilText(due, at + 60_000)).toBe('due now');
  expect([-1, 15_000, 99_000].map((ms) => shareOfTime(since, due, at + ms))).toEqual([0, 0.25, 1]);
  expect(shareOfTime(due, since, at)).toBe(1);
});

test('a window shows how far the watermark is in it', () => {
  const window: OpenEventWindow = {
    key: 'a',
    start: '2026-11-25T10:00:00.000Z',
    end: '2026-11-25T10:01:00.000Z',
    closesAt: '2026-11-25T10:01:40.000Z',
    events: 3,
    bytes: 10,
  };
  expect(closingOf(window, null)).toMatchObject({ share: 0 });
  expect(closingOf(window, '2026-11-25T10:00:25.000Z')).toEqual({
    share: 0.25,
    text: '1 min 15 s of event time to go',
  });
  expect(closingOf(window, '2026-11-25T10:02:00.000Z')).toEqual({ share: 1, text: 'closing' });
  const noon = Date.parse('2026-11-25T12:00:00.000Z');
  expect(watermarkText('2026-11-25T11:59:50.000Z', noon)).toBe('10 s behind the clock');
  expect(watermarkText('2026-11-25T12:01:00.000Z', noon)).toBe('1 min 00 s ahead of the clock');
  expect(watermarkText('2026-11-25T12:00:00.500Z', noon)).toBe('beside the clock');
});

test('event time has its day where it is another, and milliseconds where there are any', () => {
  // Of the reader's own zone: built from it, so that the test is true anywhere.
  const at = new Date(2026, 10, 25, 9, 5, 7);
  const now = new Date(2026, 10, 25, 18).getTime();
  expect(eventTime(at.toISOString(), now)).toBe('09:05:07');
  expect(eventTime(new Date(at.getTime() + 42).toISOString(), now)).toBe('09:05:07.042');
  const tomorrow = new Date(2026, 10, 26, 18).getTime();
  expect(eventTime(at.toISOString(), tomorrow)).toBe('25 Nov 2026, 09:05:07');
  const end = new Date(2026, 10, 25, 9, 6, 7).toISOString();
  expect(spanText({ start: at.toISOString(), end }, tomorrow)).toBe(
    '25 Nov 2026, 09:05:07 – 09:06:07',
  );
  expect(eventTime('never', now)).toBe('never');
});

test('late events keep their ids while newer ones come, also when one is there twice', () => {
  const late = (offset: number): LateEvent => ({
    event: { partition: 0, offset, id: 'x', type: 'T', key: null, time: '2026-11-25T10:00:00Z' },
    stream: 's',
    key: 'k',
    reason: 'closed',
    at: '2026-11-25T10:00:00Z',
  });
  const before = lateRows([late(7), late(7), late(3)]).map(({ id }) => id);
  expect(new Set(before).size).toBe(3);
  const after = lateRows([late(9), late(7), late(7), late(3)]).map(({ id }) => id);
  expect(after.slice(1)).toEqual(before);
});
