// What counts as an event, and how a request is told which of its events does not.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENT_KEY_MAX_BYTES } from '../../../shared/limits.ts';
import { EventInput } from '../../../shared/schemas/stream.ts';
import { ProblemError } from '../../../worker/platform/problem.ts';
import { parseEventBody, parseEventLines } from '../../../worker/log/events.ts';

function refusal(work: () => unknown): ProblemError {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const lines = (...events: unknown[]) => events.map((event) => JSON.stringify(event)).join('\n');

describe('NDJSON', () => {
  it('becomes events; what is left out is null', () => {
    const text = lines(
      { type: 'A', payload: { deep: [1, 2, { x: null }] } },
      { type: 'B', key: 'k', id: 'i', time: '2026-01-02T03:04:05.006+01:00' },
    );
    expect(parseEventLines(text)).toEqual([
      {
        id: null,
        type: 'A',
        key: null,
        time: null,
        payload: '{"deep":[1,2,{"x":null}]}',
        claim: null,
        source: null,
      },
      {
        id: 'i',
        type: 'B',
        key: 'k',
        time: '2026-01-02T03:04:05.006+01:00',
        payload: null,
        claim: null,
        source: null,
      },
    ]);
  });

  it('may end its lines with CRLF, end without a newline, and have blank lines, which count', () => {
    const text = '\r\n{"type":"A"}\r\n\n  \n{"type":"B"}';
    expect(parseEventLines(text).map(({ type }) => type)).toEqual(['A', 'B']);
    expect(parseEventLines('')).toEqual([]);
    expect(refusal(() => parseEventLines(`${text}\n{`)).errors[0]?.path).toBe('line 6');
  });

  it('with invalid JSON in line 7 of 1,000 is refused, naming line 7', () => {
    const good = Array.from({ length: 1_000 }, (_, i) => `{"type":"A","payload":${i}}`);
    const error = refusal(() => parseEventLines(good.with(6, '{"type":"A",}').join('\n')));
    expect(error.code).toBe('invalid_request');
    expect(error.errors).toHaveLength(1);
    expect(error.errors[0]?.path).toBe('line 7');
    expect(error.message).toMatch(
      /^line 7: the line is not JSON: .+; none of the events was appended$/,
    );
  });

  it('with an event that is none says what is wrong, and where', () => {
    const error = refusal(() => parseEventLines(lines({ type: 'A' }, { type: '' }, {})));
    expect(error.errors[0]?.path).toBe('line 2');
    expect(error.errors[0]?.message).toMatch(/^type: /);
    expect(error.message).toContain('line 2: type: ');
  });

  it('has a bound on its events', () => {
    const text = lines({ type: 'A' }, { type: 'A' }, { type: 'A' });
    expect(parseEventLines(text, 3)).toHaveLength(3);
    expect(refusal(() => parseEventLines(text, 2)).code).toBe('too_large');
  });

  it('keeps a payload that is null apart from one that is not there', () => {
    const [nothing, isNull] = parseEventLines('{"type":"A"}\n{"type":"A","payload":null}');
    expect(nothing?.payload).toBeNull();
    expect(isNull?.payload).toBe('null');
  });
});

describe('JSON', () => {
  it('is one event or a list, whose places count from 0', () => {
    expect(parseEventBody({ type: 'A' })).toHaveLength(1);
    expect(parseEventBody([{ type: 'A' }, { type: 'B' }])).toHaveLength(2);
    const items: unknown[] = Array.from({ length: 10 }, () => ({ type: 'A' }));
    expect(refusal(() => parseEventBody(items.with(6, 7))).errors[0]?.path).toBe('[6]');
    expect(refusal(() => parseEventBody({ typ: 'A' })).errors.map(({ path }) => path)).toContain(
      'type',
    );
  });
});

describe('a payload', () => {
  it('that is nested too deeply is refused, and so is an event that has nothing else wrong', () => {
    const deep = `{"type":"A","payload":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    const error = refusal(() => parseEventLines(`{"type":"A"}\n${deep}`));
    expect(error.errors).toEqual([{ path: 'line 2', message: 'the payload is nested too deeply' }]);
    // The schema is asked because of the key's length; it must not walk down either.
    const key = 'k'.repeat(EVENT_KEY_MAX_BYTES + 1);
    const both = deep.replace('{', `{"key":"${key}",`);
    expect(refusal(() => parseEventLines(both)).errors[0]?.message).toContain('key');
  });

  it('and a claim do not go together', () => {
    const claim = { token: 't', bytes: 1, sha256: 'a'.repeat(64), contentType: 'x' };
    expect(parseEventBody({ type: 'A', claim })[0]?.claim).toEqual(claim);
    const error = refusal(() => parseEventBody({ type: 'A', claim, payload: 1 }));
    expect(error.errors[0]?.path).toBe('claim');
  });
});

describe('the check by hand', () => {
  const field = fc.oneof(
    fc.string(),
    fc.string({ minLength: 120, maxLength: 260, unit: 'binary' }),
    fc.constantFrom(
      '2026-01-01T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-01',
      'k'.repeat(2_100),
    ),
    fc.constantFrom('ü'.repeat(1_000), 'ü'.repeat(1_100), '好'.repeat(683)),
    fc.jsonValue(),
  );
  const candidate = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        type: fc.oneof(fc.string({ minLength: 1, maxLength: 5 }), field),
        key: field,
        id: fc.oneof(fc.string({ minLength: 1, maxLength: 5 }), field),
        time: field,
        payload: fc.jsonValue(),
        more: fc.option(fc.jsonValue()),
      },
      { requiredKeys: ['type'] },
    ),
    fc.record(
      { type: fc.string({ minLength: 1, maxLength: 5 }), key: field, payload: fc.jsonValue() },
      { requiredKeys: ['type'] },
    ),
  );

  it('accepts what the schema accepts, and nothing else', () => {
    fc.assert(
      fc.property(candidate, (value) => {
        const text = JSON.stringify(value);
        const expected = EventInput.safeParse(JSON.parse(text));
        if (!expected.success) {
          expect(refusal(() => parseEventLines(text)).code).toBe('invalid_request');
          return;
        }
        const { id, type, key, time, payload } = expected.data;
        expect(parseEventLines(text)).toEqual([
          {
            id: id ?? null,
            type,
            key: key ?? null,
            time: time ?? null,
            payload: payload === undefined ? null : JSON.stringify(payload),
            claim: null,
            source: null,
          },
        ]);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a payload’s own text', () => {
  it('is kept where it stands last, and says what the line said, however the line is written', () => {
    const event = fc.record(
      {
        type: fc.string({ minLength: 1, maxLength: 5 }),
        key: fc.option(fc.string({ maxLength: 5 })),
        id: fc.string({ minLength: 1, maxLength: 5 }),
        payload: fc.jsonValue(),
      },
      { requiredKeys: ['type'] },
    );
    const spaces = fc.constantFrom(undefined, 1);
    fc.assert(
      fc.property(event, spaces, fc.boolean(), (value, space, reversed) => {
        const fields = Object.entries(value);
        const ordered = Object.fromEntries(reversed ? fields.reverse() : fields);
        const text = JSON.stringify(ordered, null, space).replaceAll('\n', ' ');
        const [parsed] = parseEventLines(text);
        expect(parsed?.payload === null ? undefined : JSON.parse(parsed?.payload ?? '')).toEqual(
          (JSON.parse(text) as { payload?: unknown }).payload,
        );
      }),
    );
  });

  it('is that of the last of two', () => {
    for (const text of [
      '{"type":"A","payload":1,"payload":2}',
      '{"payload":1,"type":"A","payload":2}',
      '{"type":"B","payload":1,"type":"A"}',
      '{"type":"A","payload":1,"type":"A"}',
      '{"type":"A","payload":{"a":1} , "key":"k"}',
    ]) {
      const [event] = parseEventLines(text);
      const said = JSON.parse(text) as { type: string; payload: unknown };
      const line = `{"type":${JSON.stringify(event?.type)},"payload":${event?.payload ?? ''}}`;
      expect(JSON.parse(line)).toMatchObject({ type: said.type, payload: said.payload });
    }
  });
});

describe('what a sender wrote', () => {
  const PAYLOAD =
    '{"id":9007199254740993,"rate":0.1234567890123456789,"one":1.0,"b":{"10":1,"9":2},"text":"\\u00e9 \\"}, 1e999"}';
  const inList = (text: string) =>
    parseEventBody(JSON.parse(text), text).map(({ payload }) => payload);
  const inLines = (text: string) => parseEventLines(text).map(({ payload }) => payload);

  it('stays as it is, in lists, single events and lines, whatever the blanks between', () => {
    const spaced = PAYLOAD.replaceAll(',"', ' ,\t"').replaceAll(':{', ' : { ');
    const events = [
      `{"type":"A","payload":${PAYLOAD}}`,
      `{ "payload" : ${spaced} , "type": "A" }`,
      `{"type":"A","pay\\u006coad":${spaced},"key":null}`,
      `{"payload":1,"type":"A","payload":${PAYLOAD}}`,
    ];
    const kept = events.map(() => PAYLOAD);
    expect(inLines(events.join('\r\n'))).toEqual(kept);
    expect(inList(`[${events.join(',')}]`)).toEqual(kept);
    expect(inList(`\n[ ${events.join(' ,\n')} ]\n`)).toEqual(kept);
    for (const event of events) expect(inList(event)).toEqual([PAYLOAD]);
    expect(
      inList('[{"type":"A"}, {"payload" : null, "type":"B"},{"type":"C","payload":-0.0}]'),
    ).toEqual([null, 'null', '-0.0']);
  });

  it('is refused where a number is too large for any reader', () => {
    for (const number of ['1e400', '-1E+309', `1${'0'.repeat(309)}`]) {
      const event = `{"type":"A","payload":{"a":["1e400",${number}]}}`;
      expect(refusal(() => inLines(`{"type":"A"}\n${event}`)).errors[0]?.path).toBe('line 2');
      expect(refusal(() => inList(`[{"type":"A"},${event}]`)).errors[0]?.path).toBe('[1]');
      expect(refusal(() => inList(event)).message).toContain('too large');
    }
    expect(inList('{"type":"A","payload":[1e308,1e-400]}')).toEqual(['[1e308,1e-400]']);
  });

  it('says what JSON.parse reads, for any JSON and any blanks', () => {
    const blanks = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), blanks, (payloads, space) => {
        const events = payloads.map((payload) => ({ type: 'A', payload }));
        const text = JSON.stringify(events, null, space);
        expect(inList(text)).toEqual(payloads.map((payload) => JSON.stringify(payload)));
      }),
    );
  });
});
