// Results: that streaming, merging, CSV and `top` say the same as sorting everything in memory would, wherever
// chunks are cut, and that a result is there when the job is done and not before.
import { env } from 'cloudflare:test';
import fc from 'fast-check';
import Papa from 'papaparse';
import { describe, expect, it } from 'vitest';
import { CONNECTIONS_MAX, MIB, RESULT_CHUNK_MAX_BYTES } from '../../shared/limits.ts';
import { compareKeys } from '../../shared/mapreduce/order.ts';
import type { Json } from '../../shared/schemas/common.ts';
import type { ResultRecord, TopQuery } from '../../shared/schemas/job.ts';
import { type LongLine, wholeLines } from '../../worker/jobs/mapreduce/result-lines.ts';
import { csvRows } from '../../worker/jobs/mapreduce/result-csv.ts';
import { type ResultOptions, resultStream } from '../../worker/jobs/mapreduce/result.edge.ts';
import { topOf } from '../../worker/jobs/mapreduce/top-scan.edge.ts';
import { TopRecords } from '../../worker/jobs/mapreduce/top.ts';
import { jobObject } from '../../worker/stubs.ts';
import { call, problemOf, run, submit } from './rest.ts';

const lineOf = ({ key, value }: ResultRecord) =>
  `{"key":${JSON.stringify(key)},"value":${JSON.stringify(value)}}\n`;
const byKey = (a: ResultRecord, b: ResultRecord) => compareKeys(a.key, b.key);
const parsed = (ndjson: string): ResultRecord[] =>
  ndjson
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ResultRecord);

let jobs = 0;
/** Writes records as the parts of some job, dealt out to `count` partitions. */
async function partsOf(records: ResultRecord[], count: number) {
  const job = `results-${jobs++}`;
  const dealt = Array.from({ length: count }, (_, partition) =>
    records.filter((_record, i) => i % count === partition).sort(byKey),
  );
  const parts = await Promise.all(
    dealt.map(async (part, partition) => {
      const key = `jobs/${job}/parts/${partition}`;
      const bytes = new TextEncoder().encode(part.map(lineOf).join(''));
      await env.BUCKET.put(key, bytes);
      return { partition, key, bytes: bytes.length, keys: part.length };
    }),
  );
  return parts.filter(({ bytes }) => bytes > 0);
}
type Parts = Awaited<ReturnType<typeof partsOf>>;

const textOf = (parts: Parts, options: ResultOptions, bucket = env.BUCKET) =>
  new Response(resultStream(bucket, parts, options)).text();

/** Keys with everything that is special in JSON, CSV and UTF-8 order; values of every type. */
const awkward: ResultRecord[] = [
  ...[
    '',
    'a',
    'B',
    'ä',
    '\ue000',
    '😀',
    '"',
    '\\',
    '\\"',
    'a,b',
    'a\nb',
    'a\r\nb',
    '","value":1',
    '\0',
  ],
  ...Array.from({ length: 300 }, (_, i) => `key ${i}`),
].map((key, i) => ({
  key,
  value: [i, -i / 3, `text ${i}, "quoted"\n`, null, true, false, [i, 'x'], { a: '😀' }, ''][
    i % 9
  ] as Json,
}));

describe('a result as a stream', () => {
  it('by partition: the parts, one after the other, their length announced', async () => {
    const parts = await partsOf(awkward, 7);
    const text = await textOf(parts, { format: 'ndjson', order: 'partition' });
    const whole = await Promise.all(
      parts.map(async ({ key }) => (await env.BUCKET.get(key))?.text()),
    );
    expect(text).toBe(whole.join(''));
  });

  it.each([1, 2, 7, 200, 512])(
    'by key out of %i partitions: sorted by UTF-8 bytes',
    async (count) => {
      const parts = await partsOf(awkward, count);
      const text = await textOf(parts, { format: 'ndjson', order: 'key' });
      expect(parsed(text)).toEqual(awkward.toSorted(byKey));
    },
  );

  it.each(['partition', 'key'] as const)(
    'as CSV by %s: another reader understands it',
    async (order) => {
      const parts = await partsOf(awkward, 3);
      const text = await textOf(parts, { format: 'csv', order });
      const shown = (value: Json) => (typeof value === 'string' ? value : JSON.stringify(value));
      const { data, errors } = Papa.parse<string[]>(text, {
        newline: '\r\n',
        skipEmptyLines: true,
      });
      const rows = [...awkward]
        .sort((a, b) => (order === 'key' ? byKey(a, b) : 0))
        .map(({ key, value }) => [key, shown(value)]);
      expect(errors).toEqual([]);
      expect(data[0]).toEqual(['key', 'value']);
      if (order === 'key') expect(data.slice(1)).toEqual(rows);
      else
        expect(new Map(data.slice(1) as [string, string][])).toEqual(
          new Map(rows as [string, string][]),
        );
    },
  );

  it('of nothing is nothing, or a header', async () => {
    for (const order of ['partition', 'key'] as const) {
      expect(await textOf([], { format: 'ndjson', order })).toBe('');
      expect(await textOf([], { format: 'csv', order })).toBe('key,value\r\n');
    }
  });

  it('with lines longer than a chunk stays whole in every form', async () => {
    const list = Array.from({ length: 600 }, (_, i) => `${i}"`.padEnd(2000, '😀'));
    const records: ResultRecord[] = [
      { key: 'a', value: 1 },
      { key: 'b "long"', value: list },
      { key: 'c', value: 'x'.repeat(RESULT_CHUNK_MAX_BYTES + 1) },
      { key: 'd', value: 2 },
      { key: 'e', value: list },
      { key: 'f', value: 3 },
    ];
    const parts = await partsOf(records, 2);
    for (const order of ['partition', 'key'] as const) {
      const ndjson = parsed(await textOf(parts, { format: 'ndjson', order }));
      expect(JSON.stringify(ndjson.sort(byKey))).toBe(JSON.stringify(records));
      const { data } = Papa.parse<[string, string]>(await textOf(parts, { format: 'csv', order }), {
        newline: '\r\n',
        skipEmptyLines: true,
      });
      const shown = new Map(data.slice(1));
      expect(shown.size).toBe(records.length);
      for (const { key, value } of records) {
        expect(shown.get(key)).toBe(typeof value === 'string' ? value : JSON.stringify(value));
      }
    }
    const query: TopQuery = { n: 3, by: 'value', direction: 'desc' };
    expect((await topOf(env.BUCKET, parts, query)).map(({ key }) => key)).toEqual([
      'b "long"',
      'e',
      'c',
    ]);
  });

  it('stops reading when the client goes away, and never holds too many connections', async () => {
    const filler = 'x'.repeat(1000);
    const records = Array.from({ length: 20_000 }, (_, i) => ({ key: `${i}`, value: filler }));
    const parts = await partsOf(records, 2);
    for (const options of [
      { format: 'ndjson', order: 'key' },
      { format: 'csv', order: 'partition' },
    ] as const) {
      const { bucket, counts } = watched();
      const reader = resultStream(bucket, parts, options).getReader();
      for (let i = 0; i < 3; i++) await reader.read();
      await reader.cancel();
      const atCancel = counts.reads;
      const { bucket: again, counts: all } = watched();
      await textOf(parts, options, again);
      expect(counts.reads).toBe(atCancel);
      expect(all.reads).toBeGreaterThan(atCancel);
      expect(all.mostAtOnce).toBeLessThanOrEqual(CONNECTIONS_MAX);
    }
  });
});

/** The bucket, with its reads counted. */
function watched() {
  const counts = { reads: 0, atOnce: 0, mostAtOnce: 0 };
  const get = async (key: string, options: R2GetOptions) => {
    counts.reads++;
    counts.mostAtOnce = Math.max(counts.mostAtOnce, ++counts.atOnce);
    const object = await env.BUCKET.get(key, options);
    const arrayBuffer = async () => {
      const bytes = await object?.arrayBuffer();
      counts.atOnce--;
      return bytes;
    };
    return { arrayBuffer };
  };
  return { bucket: { get } as unknown as R2Bucket, counts };
}

describe('whole lines out of chunks', () => {
  it('are the same wherever the chunks are cut', async () => {
    const key = fc.string({ unit: 'grapheme', maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key, value: fc.jsonValue() }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 64 }),
        async (records, chunkBytes) => {
          const text = (records as ResultRecord[]).map(lineOf).join('');
          const bytes = new TextEncoder().encode(text);
          let at = 0;
          const next = async () => bytes.slice(at, (at += chunkBytes));
          const part = { key: 'part', bytes: bytes.length };
          let seen = '';
          for await (const lines of wholeLines(part, chunkBytes, next)) {
            if (lines instanceof Uint8Array) {
              expect(lines.at(-1)).toBe(10);
              seen += new TextDecoder().decode(lines);
            } else {
              const line = longLine(bytes, lines);
              expect((JSON.parse(line) as ResultRecord).key).toBe(lines.key);
              seen += `${line}\n`;
            }
          }
          expect(seen).toBe(text);
        },
      ),
    );
  });

  it('that end within a line are refused', async () => {
    const bytes = new TextEncoder().encode('{"key":"a","value":1}');
    const all = async () => {
      for await (const _ of wholeLines({ key: 'p', bytes: bytes.length }, 64, async () => bytes));
    };
    await expect(all()).rejects.toThrow('ends within a line');
  });
});

const longLine = (bytes: Uint8Array, { offset, length }: LongLine) =>
  new TextDecoder().decode(bytes.subarray(offset, offset + length));

describe('the first records', () => {
  const rank = (value: Json): number =>
    value === null
      ? 0
      : value === false
        ? 1
        : value === true
          ? 2
          : typeof value === 'number'
            ? 3
            : typeof value === 'string'
              ? 4
              : Array.isArray(value)
                ? 5
                : 6;
  const inOrder = (a: Json, b: Json): number => {
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    const [x, y] =
      typeof a === 'string' ? [a, b as string] : [JSON.stringify(a), JSON.stringify(b)];
    return compareKeys(x, y);
  };
  const expected = (records: ResultRecord[], { n, by, direction }: TopQuery) => {
    const sign = direction === 'desc' ? -1 : 1;
    return records
      .toSorted((a, b) =>
        by === 'key' ? sign * byKey(a, b) : sign * inOrder(a.value, b.value) || byKey(a, b),
      )
      .slice(0, n);
  };
  const queries = (n: number): TopQuery[] =>
    (['value', 'key'] as const).flatMap((by) =>
      (['desc', 'asc'] as const).map((direction) => ({ n, by, direction })),
    );

  it.each(queries(20))('by $by, $direction, are those of a full sort', async (query) => {
    expect(await topOf(env.BUCKET, await partsOf(awkward, 5), query)).toEqual(
      expected(awkward, query),
    );
  });

  it('are those of a full sort for any values', () => {
    const value = fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
      fc.constantFrom<Json>(null, true, false, '', 'a', [], [1], {}),
      fc.maxSafeInteger(),
    );
    const key = fc.string({ unit: 'grapheme', maxLength: 3 });
    const records = fc.uniqueArray(fc.record({ key, value }), { selector: (record) => record.key });
    fc.assert(
      fc.property(records, fc.integer({ min: 1, max: 8 }), (some, n) => {
        for (const query of queries(n)) {
          const top = new TopRecords(query);
          for (const record of some) top.push(lineOf(record));
          expect(top.records).toEqual(expected(some, query));
        }
      }),
    );
  });

  it('that would not fit are refused with a way out', () => {
    const top = new TopRecords({ n: 1000, by: 'value', direction: 'desc' });
    const push = () => {
      for (let i = 0; i < 30; i++) top.push(lineOf({ key: `${i}`, value: ['x'.repeat(MIB)] }));
    };
    expect(push).toThrow('ask for fewer');
  });
});

describe('CSV rows', () => {
  it('are quoted only where they must be', () => {
    expect(csvRows('{"key":"a","value":1.5}\n')).toBe('a,1.5\r\n');
    expect(csvRows('{"key":"a,b","value":"say \\"hi\\""}\n')).toBe('"a,b","say ""hi"""\r\n');
    expect(csvRows('{"key":"","value":[1,2]}\n{"key":"z","value":null}\n')).toBe(
      ',"[1,2]"\r\nz,null\r\n',
    );
  });
});

describe('over HTTP', () => {
  const code = `export function map(line, emit) { for (const word of line.split(' ')) emit(word, 1) }
export const reduce = 'sum'`;

  it('a done job gives its result in every form', async () => {
    const { id } = await run({
      mappers: 'edge',
      partitions: 3,
      input: { inline: 'b a b\nc b' },
      code,
    });
    const get = (query: string) => call(`/jobs/${id}/result${query}`);
    const ndjson = await get('');
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson');
    expect(ndjson.headers.get('content-disposition')).toBe(`attachment; filename="${id}.ndjson"`);
    expect(ndjson.headers.get('cache-control')).toBe('no-store');
    const counts = { a: 1, b: 3, c: 1 };
    expect(
      Object.fromEntries(parsed(await ndjson.text()).map(({ key, value }) => [key, value])),
    ).toEqual(counts);
    expect(await (await get('?format=csv&order=key')).text()).toBe(
      'key,value\r\na,1\r\nb,3\r\nc,1\r\n',
    );
    expect(await (await get('/top?n=2')).json()).toEqual([
      { key: 'b', value: 3 },
      { key: 'a', value: 1 },
    ]);
    for (const query of [
      '?format=xml',
      '?order=random',
      '/top?n=0',
      '/top?n=1001',
      '/top?by=size',
    ]) {
      const response = await get(query);
      expect(response.status).toBe(400);
      expect((await problemOf(response)).code).toBe('invalid_request');
    }
  });

  it('a job that is not done has none yet; a job that is not there has none', async () => {
    const { id } = await submit({ mappers: 'volunteers', input: { inline: 'a' }, code });
    for (const path of ['result', 'result/top']) {
      const early = await call(`/jobs/${id}/${path}`);
      expect(early.status).toBe(409);
      expect((await problemOf(early)).code).toBe('conflict');
      expect((await call(`/jobs/job_none/${path}`)).status).toBe(404);
    }
    await jobObject(env, id).cancel();
  });
});
