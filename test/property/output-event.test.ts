// The check that isolates make of an emitted event and the schema that the edge makes of it agree.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventInput } from '../../shared/schemas/stream.ts';
import { outputLine } from '../../shared/sandbox/output-event.ts';

/** Mostly the first. */
const sometimes = <Value>(good: fc.Arbitrary<Value>, ...odd: fc.Arbitrary<Value>[]) =>
  fc.oneof({ weight: 12, arbitrary: good }, ...odd);
const odd = fc.constantFrom<unknown>(null, 1, '', true, [], {}, 'x'.repeat(3000), NaN, new Date(0));
const digits = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: length, maxLength: length });
const nearlyTime = fc
  .tuple(
    digits(4),
    digits(2),
    digits(2),
    digits(2),
    digits(2),
    digits(2),
    fc.constantFrom('Z', '+02:00', '', '-23:59', '+24:00', '.5Z', '.Z'),
  )
  .map(
    ([year, month, day, hour, minute, second, end]) =>
      `${year}-${month}-${day}T${hour}:${minute}:${second}${end}`,
  );
const time = sometimes<unknown>(
  fc
    .date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
    .map((date) => date.toISOString()),
  fc.constantFrom(
    '2026-01-31T12:00Z',
    '2026-02-29T00:00:00Z',
    '2024-02-29T00:00:00+01:00',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
  ),
  nearlyTime,
  odd,
);
const claim = fc.record(
  {
    token: sometimes<unknown>(fc.string({ minLength: 1, maxLength: 128 }), odd),
    bytes: sometimes<unknown>(fc.nat(), fc.constantFrom(-1, 1.5, 2 ** 53), odd),
    sha256: sometimes<unknown>(fc.constant('a0'.repeat(32)), odd),
    contentType: sometimes<unknown>(fc.string({ maxLength: 255 }), odd),
  },
  { requiredKeys: ['token', 'bytes', 'sha256', 'contentType'] },
);
const event = fc.record(
  {
    type: sometimes<unknown>(fc.string({ minLength: 1, maxLength: 128 }), odd),
    key: sometimes<unknown>(
      fc.string({ unit: 'grapheme', maxLength: 900 }),
      fc.constant(null),
      odd,
    ),
    payload: sometimes<unknown>(fc.jsonValue(), odd),
    claim: sometimes<unknown>(fc.constant(undefined), claim),
    other: sometimes<unknown>(fc.constant(undefined), fc.constant(1)),
    id: sometimes<unknown>(fc.string({ minLength: 1, maxLength: 255 }), odd),
    time,
  },
  { requiredKeys: ['type'] },
);

test('what is taken and what is refused', () => {
  let taken = 0;
  fc.assert(
    fc.property(event, (generated) => {
      const entries = Object.entries(generated).filter(([, field]) => field !== undefined);
      const value = Object.fromEntries(entries);
      let line: string | null;
      try {
        line = outputLine(value);
      } catch {
        line = null;
      }
      const parsed = EventInput.safeParse(value);
      expect(line !== null).toBe(parsed.success);
      if (line === null || !parsed.success) return;
      taken++;
      expect(line).not.toContain('\n');
      const { key, ...rest } = parsed.data;
      const expected = JSON.parse(JSON.stringify(key === null ? rest : parsed.data)) as unknown;
      expect(JSON.parse(line)).toEqual(expected);
    }),
    { numRuns: 3000 },
  );
  expect(taken).toBeGreaterThan(500);
});
