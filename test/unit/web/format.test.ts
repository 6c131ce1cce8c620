// Figures as people read them: no "1000 kB", no "100 %" before the end, no negative times.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bytes,
  count,
  duration,
  percent,
  perSecond,
  plural,
  rate,
  shortId,
  timeAgo,
  usd,
} from '../../../web/lib/format.ts';

const table = (say: (value: number) => string, rows: [number, string][]) =>
  test.each(rows)('%d → %s', (value, text) => expect(say(value)).toBe(text));

describe('bytes', () => {
  table(bytes, [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [8_388_608, '8.39 MB'],
    [67_108_864, '67.1 MB'],
    [268_435_456, '268 MB'],
    [5e12, '5.00 TB'],
  ]);
  test('a rate says so', () => expect(rate(12_345_678)).toBe('12.3 MB/s'));
  test('never a number of four digits, whatever the size', () =>
    fc.assert(
      fc.property(fc.double({ min: 0, max: 9e17, noNaN: true }), (value) => {
        expect(Number(bytes(value).split(' ')[0])).toBeLessThan(1000);
      }),
    ));
});

describe('count', () => {
  table(count, [
    [0, '0'],
    [1234, '1,234'],
    [999_999, '999,999'],
    [1_234_567, '1.23 M'],
    [98_765_432_100, '98.8 G'],
  ]);
  test('small rates keep their digits', () => {
    expect(perSecond(0.5, 'tasks')).toBe('0.50 tasks/s');
    expect(perSecond(1234.4, 'tasks')).toBe('1,234 tasks/s');
    expect(perSecond(0, 'tasks')).toBe('0 tasks/s');
  });
  test('one is singular', () => {
    expect(plural(1, 'browser')).toBe('1 browser');
    expect(plural(0, 'browser')).toBe('0 browsers');
    expect(plural(2, 'entry', 'entries')).toBe('2 entries');
  });
});

describe('duration', () => {
  table(duration, [
    [-5, '0 ms'],
    [0, '0 ms'],
    [340.4, '340 ms'],
    [999.6, '1.0 s'],
    [1_250, '1.3 s'],
    [9_960, '10 s'],
    [59_400, '59 s'],
    [59_600, '1 min 00 s'],
    [185_000, '3 min 05 s'],
    [3_599_600, '1 h 00 min'],
    [7_380_000, '2 h 03 min'],
    [86_399_000, '1 d 0 h'],
    [3 * 86_400_000 + 4 * 3_600_000, '3 d 4 h'],
  ]);
});

describe('usd', () => {
  table(usd, [
    [0, '$0'],
    [0.000_003, '< $0.0001'],
    [0.0004, '$0.0004'],
    [0.0099, '$0.0099'],
    [0.01, '$0.010'],
    [0.1234, '$0.123'],
    [1.234, '$1.23'],
    [1234.5, '$1,235'],
    [-0.5, '-$0.500'],
  ]);
});

describe('percent', () => {
  table(percent, [
    [0, '0 %'],
    [0.0001, '1 %'],
    [0.5, '50 %'],
    [0.9999, '99 %'],
    [1, '100 %'],
    [Number.NaN, '0 %'],
  ]);
});

describe('time ago', () => {
  const now = Date.parse('2026-11-24T12:00:00.000Z');
  test.each([
    ['2026-11-24T12:00:10.000Z', 'just now'],
    ['2026-11-24T11:59:57.000Z', 'just now'],
    ['2026-11-24T11:59:48.000Z', '12 s ago'],
    ['2026-11-24T11:57:00.000Z', '3 min ago'],
    ['2026-11-24T10:00:00.000Z', '2 h ago'],
    ['2026-11-19T12:00:00.000Z', '5 d ago'],
    ['not a time', ''],
  ])('%s → %s', (time, text) => expect(timeAgo(time, now)).toBe(text));
});

test('an id that is barely too long is not cut for one character', () => {
  expect(shortId('abcdefghijk', 10)).toBe('abcdefghijk');
  expect(shortId('abcdefghijkl', 10)).toBe('abcdefghij…');
});
