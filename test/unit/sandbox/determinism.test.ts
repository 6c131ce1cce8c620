// User code sees one clock, one luck and one time zone, wherever it runs.
import { afterEach, describe, expect, test } from 'vitest';
import { installDeterminism, seededRandom } from '../../../shared/sandbox/determinism.ts';

const NOW = Date.UTC(2026, 10, 24, 3, 4, 5, 678);
const zone = process.env['TZ'];
afterEach(() => {
  process.env['TZ'] = zone ?? '';
});

function realmOf(seed = 'seed') {
  const realm = {
    Math: { random: () => 0.5 },
    Date,
    performance: { now: () => 5 },
    crypto: { getRandomValues: () => 4 } as object | undefined,
  };
  installDeterminism(realm as Parameters<typeof installDeterminism>[0], seededRandom(seed), NOW);
  return realm;
}

/** The same expression in zones with a day between them, one of them with summer time. */
function everywhere<Value>(read: (date: DateConstructor) => Value): Value {
  const values = ['Pacific/Auckland', 'America/Los_Angeles', 'Asia/Kolkata', 'UTC'].map((tz) => {
    process.env['TZ'] = tz;
    return read(realmOf().Date);
  });
  for (const value of values) expect(value).toEqual(values[0]);
  return values[0] as Value;
}

test('the zones of this test are real', () => {
  process.env['TZ'] = 'Pacific/Auckland';
  const there = new Date(0).getHours();
  process.env['TZ'] = 'UTC';
  expect(new Date(0).getHours()).not.toBe(there);
});

describe('dates', () => {
  test("now is the job's creation", () => {
    expect(everywhere((D) => [D.now(), new D().getTime(), D(), new D().toISOString()])).toEqual([
      NOW,
      NOW,
      'Tue Nov 24 2026 03:04:05 GMT+0000 (Coordinated Universal Time)',
      '2026-11-24T03:04:05.678Z',
    ]);
  });

  test.each([
    ['2020-03-01T02:30:00', '2020-03-01T02:30:00.000Z'],
    ['2020-03-01T02:30:00Z', '2020-03-01T02:30:00.000Z'],
    ['2020-03-01T02:30:00+02:00', '2020-03-01T00:30:00.000Z'],
    ['2020-03-01T02:30', '2020-03-01T02:30:00.000Z'],
    ['2020-03-08T02:30:00.5', '2020-03-08T02:30:00.500Z'],
    ['2020-03-01', '2020-03-01T00:00:00.000Z'],
    ['2020-03', '2020-03-01T00:00:00.000Z'],
    ['2020', '2020-01-01T00:00:00.000Z'],
    ['2020-03-01 02:30:00', '2020-03-01T02:30:00.000Z'],
    ['2020/03/01', '2020-03-01T00:00:00.000Z'],
    ['10 Oct 2000 13:55:36', '2000-10-10T13:55:36.000Z'],
    ['10 Oct 2000 13:55:36 -0700', '2000-10-10T20:55:36.000Z'],
    ['Oct 10, 2000', '2000-10-10T00:00:00.000Z'],
    ['Tue, 10 Oct 2000 13:55:36 GMT', '2000-10-10T13:55:36.000Z'],
    ['Tue Oct 10 2000 13:55:36 GMT+0100 (CET)', '2000-10-10T12:55:36.000Z'],
    ['10 Oct 2000 13:55 PST', '2000-10-10T21:55:00.000Z'],
    ['12/25/1995', '1995-12-25T00:00:00.000Z'],
  ])('"%s" is the same moment in every zone', (text, iso) => {
    expect(everywhere((D) => new D(text).toISOString())).toBe(iso);
    expect(everywhere((D) => D.parse(text))).toBe(Date.parse(iso));
  });

  test.each(['', 'no date', '2020-13-45', '99/99/9999'])('"%s" is no date anywhere', (text) => {
    expect(everywhere((D) => [new D(text).getTime(), String(new D(text))])).toEqual([
      NaN,
      'Invalid Date',
    ]);
  });

  test('parts mean UTC, and read so', () => {
    const parts = everywhere((D) => {
      const date = new D(2020, 1, 29, 23, 59, 58, 7);
      return [
        date.toISOString(),
        date.getFullYear(),
        date.getMonth(),
        date.getDate(),
        date.getDay(),
        date.getHours(),
        date.getMinutes(),
        date.getTimezoneOffset(),
      ];
    });
    expect(parts).toEqual(['2020-02-29T23:59:58.007Z', 2020, 1, 29, 6, 23, 59, 0]);
  });

  test('setters mean UTC', () => {
    const moved = everywhere((D) => {
      const date = new D(0);
      date.setHours(5);
      date.setMonth(6);
      date.setFullYear(2001);
      return date.toISOString();
    });
    expect(moved).toBe('2001-07-01T05:00:00.000Z');
  });

  test('are written the same everywhere', () => {
    const written = everywhere((D) => {
      const date = new D(0);
      return [
        String(date),
        `${date}`,
        date.toDateString(),
        date.toTimeString(),
        date.toLocaleDateString(),
        date.toLocaleDateString('de-DE'),
        JSON.stringify({ date }),
        date.toLocaleString('en-US', { timeZone: 'Asia/Tokyo', hour: 'numeric' }),
      ];
    });
    expect(written).toEqual([
      'Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)',
      'Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)',
      'Thu Jan 01 1970',
      '00:00:00 GMT+0000 (Coordinated Universal Time)',
      '1/1/1970',
      '1.1.1970',
      '{"date":"1970-01-01T00:00:00.000Z"}',
      '9 AM',
    ]);
  });

  test('are dates', () => {
    const { Date: D } = realmOf();
    const date = new D(5);
    expect(date).toBeInstanceOf(D);
    expect(date).toBeInstanceOf(Date);
    expect(date.constructor).toBe(D);
    expect([D.name, D.length, D.UTC(1970, 0)]).toEqual(['Date', 7, 0]);
    expect(+new D(date)).toBe(5);
    class Later extends D {
      later() {
        return this.getTime() + 1;
      }
    }
    expect(new Later(5).later()).toBe(6);
    expect(Object.keys(date)).toEqual([]);
  });
});

describe('luck', () => {
  const draw = (seed: string) => {
    const random = seededRandom(seed);
    return Array.from({ length: 1000 }, random);
  };

  test('is the same for one seed, and another for another', () => {
    expect(draw('a/0')).toEqual(draw('a/0'));
    expect(draw('a/0')).not.toEqual(draw('a/1'));
    const { Math: M } = realmOf('a/0');
    expect(M.random()).toBe(draw('a/0')[0]);
  });

  test('is spread evenly between 0 and 1', () => {
    const all = Array.from({ length: 20 }, (_, i) => draw(`seed/${i}`)).flat();
    expect(all.every((n) => n >= 0 && n < 1)).toBe(true);
    const tenths = new Array<number>(10).fill(0);
    for (const n of all) tenths[Math.floor(n * 10)] = (tenths[Math.floor(n * 10)] ?? 0) + 1;
    for (const count of tenths) expect(Math.abs(count - 2000)).toBeLessThan(5 * Math.sqrt(2000));
  });

  test('comes from nowhere else', () => {
    const realm = realmOf();
    expect(realm.crypto).toBeUndefined();
    expect(realm.performance.now()).toBe(0);
  });
});
