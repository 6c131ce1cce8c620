// Patterns and zones: what is read, what is refused, and times that agree with a calendar read second by second.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCron, type Times, upcoming } from '../../../worker/schedules/cron.ts';

function times(pattern: string, timezone = 'UTC'): Times {
  const parsed = parseCron(pattern, timezone);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.times;
}
const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
const after = (pattern: string, timezone: string, from: string, count = 3) =>
  upcoming(times(pattern, timezone), Date.parse(from), count).map(iso);

describe('a pattern', () => {
  it('has five fields, six with seconds, seven with a year, or is a nickname or one time', () => {
    const from = '2026-11-25T10:00:00.500Z';
    expect(after('0 3 * * *', 'UTC', from, 2)).toEqual([
      '2026-11-26T03:00:00.000Z',
      '2026-11-27T03:00:00.000Z',
    ]);
    expect(after('*/30 * * * * *', 'UTC', from, 1)).toEqual(['2026-11-25T10:00:30.000Z']);
    expect(after('0 0 0 1 1 * 2030', 'UTC', from)).toEqual(['2030-01-01T00:00:00.000Z']);
    expect(after('@daily', 'UTC', from, 1)).toEqual(['2026-11-26T00:00:00.000Z']);
    expect(after('2026-12-24T18:00:00', 'Europe/Berlin', from)).toEqual([
      '2026-12-24T17:00:00.000Z',
    ]);
  });

  it.each(['61 * * * *', '* * *', 'every day', '', '0 3 * * * * * *', '2026-13-45T00:00:00'])(
    'that makes no sense is refused: %j',
    (pattern) => {
      const parsed = parseCron(pattern, 'UTC');
      expect(parsed).toMatchObject({ ok: false, field: 'cron' });
      expect(!parsed.ok && parsed.reason).toMatch(/\w{3}/);
    },
  );

  it('that never comes, or never again, has no next time', () => {
    const nowMs = Date.parse('2026-11-25T10:00:00Z');
    for (const never of [
      '0 0 30 2 *',
      '0 0 31 4,6,9,11 *',
      '0 0 0 1 1 * 2020',
      '2020-01-01T00:00:00',
    ])
      expect(times(never).next(nowMs)).toBeNull();
    expect(iso(times('0 0 29 2 *').next(nowMs))).toBe('2028-02-29T00:00:00.000Z');
  });

  it('in a zone that does not exist is refused for its zone', () => {
    for (const zone of ['Mars/Olympus', 'local', 'x'])
      expect(parseCron('* * * * *', zone)).toMatchObject({ ok: false, field: 'timezone' });
    expect(parseCron('* * * * *', '+02:00').ok).toBe(true);
  });
});

describe('daylight saving', () => {
  it('runs a fixed time that the clock skips when it has jumped', () => {
    // Berlin, 29 March 2026: 02:00 becomes 03:00.
    expect(after('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z')).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
      '2026-03-31T00:30:00.000Z',
    ]);
  });

  it('runs a fixed time that comes twice once, and every hour of a day that has 25', () => {
    // New York, 1 November 2026: 02:00 becomes 01:00.
    expect(after('30 1 * * *', 'America/New_York', '2026-11-01T00:00:00Z', 2)).toEqual([
      '2026-11-01T05:30:00.000Z',
      '2026-11-02T06:30:00.000Z',
    ]);
    const hours = after('0 * * * *', 'America/New_York', '2026-11-01T03:59:59Z', 25);
    expect(hours.at(0)).toBe('2026-11-01T04:00:00.000Z');
    expect(hours.at(-1)).toBe('2026-11-02T04:00:00.000Z');
  });

  /** Zones with daylight saving in both halves of the world, by half an hour, at midnight, and without. */
  const zone = fc.constantFrom(
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'America/Santiago',
    'Africa/Cairo',
    'Asia/Kolkata',
    'UTC',
  );
  const field = (max: number, min = 0) =>
    fc.oneof(
      fc.constant('*'),
      fc.integer({ min, max }).map(String),
      fc.integer({ min: 2, max: Math.floor(max / 2) }).map((step) => `*/${step}`),
    );
  const pattern = fc
    .tuple(field(59), field(23), field(28, 1), field(12, 1))
    .map((fields) => `${fields.join(' ')} *`);
  const instant = fc.integer({
    min: Date.parse('2026-01-01T00:00:00Z'),
    max: Date.parse('2028-01-01T00:00:00Z'),
  });

  it('never breaks the order of times, and looking back finds what looking forward found', () => {
    fc.assert(
      fc.property(pattern, zone, instant, (cron, timezone, fromMs) => {
        const parsed = times(cron, timezone);
        const found = upcoming(parsed, fromMs, 6);
        found.forEach((atMs, i) => {
          expect(atMs).toBeGreaterThan(found[i - 1] ?? fromMs);
          expect(atMs % 1000).toBe(0);
          // The next time is the same from anywhere before it.
          expect(parsed.next(atMs - 1)).toBe(atMs);
        });
        const last = found.at(-1);
        if (last !== undefined)
          expect(parsed.before(last + 1, found.length)).toEqual([...found].reverse());
      }),
      { numRuns: 150 },
    );
  });

  it('follows the clock on the wall, as a calendar read minute by minute does', () => {
    const wild = fc
      .tuple(fc.constantFrom('0', '30', '*/20'), fc.constantFrom('*', '*/3'))
      .map(([minute, hour]) => `${minute} ${hour} * * *`);
    const aroundChanges = fc.constantFrom(
      '2026-03-08T00:00:00Z', // New York
      '2026-03-29T00:00:00Z', // Berlin
      '2026-04-04T00:00:00Z', // Lord Howe, Santiago
      '2026-10-25T00:00:00Z',
      '2026-11-01T00:00:00Z',
    );
    fc.assert(
      fc.property(wild, zone, aroundChanges, (cron, timezone, from) => {
        const fromMs = Date.parse(from);
        const untilMs = fromMs + 36 * 3600_000;
        const clock = new Intl.DateTimeFormat('en-GB', {
          timeZone: timezone,
          hour: '2-digit',
          minute: '2-digit',
          hourCycle: 'h23',
        });
        const [minute = '', hour = ''] = cron.split(' ');
        const fits = (value: number, part: string) =>
          part === '*' ||
          (part.startsWith('*/') ? value % Number(part.slice(2)) === 0 : value === Number(part));
        const expected: number[] = [];
        for (let atMs = fromMs; atMs < untilMs; atMs += 60_000) {
          const [hours = '', minutes = ''] = clock.format(atMs).split(':');
          if (fits(Number(minutes), minute) && fits(Number(hours), hour)) expected.push(atMs);
        }
        const found: number[] = [];
        const parsed = times(cron, timezone);
        for (let at = parsed.next(fromMs - 1); at !== null && at < untilMs; at = parsed.next(at))
          found.push(at);
        expect(found.map(iso)).toEqual(expected.map(iso));
      }),
      { numRuns: 60 },
    );
  });
});
