// Where an event's time may lie, and what is no time.
import { describe, expect, test } from 'vitest';
import { eventTimeMs, noTimeError } from '../../../shared/streaming/event-time.ts';

const T = Date.UTC(2026, 0, 31, 12);

describe('an event’s time', () => {
  test.each([
    ['2026-01-31T12:00:00Z', T],
    ['2026-01-31T12:00:00.250Z', T + 250],
    ['2026-01-31T13:00:00+01:00', T],
    ['2026-01-31T12:00', T],
    ['2026-01-31T12:00:00', T],
    ['2026-01-31', T - 12 * 3600_000],
    [T, T],
    [T + 0.9, T],
    [-5, -5],
    [0, 0],
  ])('is read from %s', (value, expected) => {
    expect(eventTimeMs({ time: value }, 'time')).toBe(expected);
    expect(eventTimeMs({ payload: { seen: { at: value } } }, 'payload.seen.at')).toBe(expected);
    expect(eventTimeMs({ payload: [{ at: value }] }, 'payload.0.at')).toBe(expected);
  });

  test.each([
    ['yesterday'],
    ['2026-13-31T12:00:00Z'],
    ['31.1.2026'],
    ['5'],
    [''],
    [null],
    [true],
    [{}],
    [[]],
    [1e300],
    [NaN],
    [undefined],
  ])('is not %s', (value) => {
    expect(eventTimeMs({ payload: { at: value } }, 'payload.at')).toBeNull();
    const { code, message } = noTimeError({ payload: { at: value } }, 'payload.at');
    expect(code).toBe('bad_value');
    expect(message).toContain('payload.at');
  });

  test('is nothing that an object has from elsewhere, and nothing in a text', () => {
    expect(eventTimeMs({ payload: 'text' }, 'payload.length')).toBeNull();
    expect(eventTimeMs({ payload: {} }, 'payload.constructor.length')).toBeNull();
    expect(eventTimeMs({ claim: {} }, 'payload.at')).toBeNull();
  });
});
