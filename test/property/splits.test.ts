// The law of splits: whatever the bytes and the split size, every record is in exactly one split, and the
// records of all splits in order are the records of the whole.
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import Papa from 'papaparse';
import { describe, expect, test } from 'vitest';
import { headerNames, readHeader } from '../../shared/mapreduce/csv.ts';
import { openRecords } from '../../shared/mapreduce/records.ts';
import type { MapPlan, RecordFormat, Split } from '../../shared/mapreduce/task.ts';
import type { JobInput } from '../../shared/schemas/job.ts';
import { alignRange } from '../../worker/jobs/mapreduce/align.ts';
import { csvScanChunk, csvScanEnd, csvScanStart } from '../../worker/jobs/mapreduce/csv-scan.ts';
import {
  planSplits,
  splitCount,
  splitOf,
  type SplitPlan,
} from '../../worker/jobs/mapreduce/plan.ts';
import { anyBytes, cut } from './texts.ts';

interface Seen {
  value: unknown;
  bad: string | null;
  offset: number;
}

const planOf = (format: RecordFormat, more: Partial<MapPlan> = {}): MapPlan => ({
  job: 'j',
  name: 'n',
  programHash: 'h',
  format,
  gzip: false,
  partitions: 1,
  params: {},
  skipBadRecords: 0,
  csvHeader: null,
  nowMs: 0,
  ...more,
});

function recordsOf(plan: MapPlan, split: Split, input: Uint8Array | null): Seen[] {
  const source = openRecords(plan, split, input);
  const seen: Seen[] = [];
  while (source.next()) {
    const { value, bad } = source;
    seen.push({ value: bad === null ? value : null, bad, offset: source.offset() });
    const fraction = source.fraction();
    expect(fraction >= 0 && fraction <= 1).toBe(true);
  }
  return seen;
}

function planned(input: JobInput, bytes: number, splitBytes: number, gzip = false): SplitPlan {
  const result = planSplits(input, { bytes, gzip }, splitBytes);
  if (!result.ok) throw new Error(result.reason);
  return result.plan;
}

/** The records of every split, each split read as a mapper would get it. */
async function recordsBySplit(
  format: 'lines' | 'ndjson' | 'bytes',
  bytes: Uint8Array,
  splitBytes: number,
): Promise<{ records: Seen[]; bytesRead: number }> {
  const plan = planned({ dataset: 'd', format }, bytes.length, splitBytes);
  const read = async (start: number, end: number) => bytes.subarray(start, end);
  const records: Seen[] = [];
  let bytesRead = 0;
  for (let task = 0; task < splitCount(plan); task++) {
    const split = splitOf(plan, task);
    if (split.kind !== 'bytes') throw new Error('a byte plan gave another split');
    const range =
      format === 'bytes' ? split : await alignRange(split.start, split.end, bytes.length, read);
    const input = bytes.slice(range.start, range.end);
    bytesRead += input.length;
    records.push(...recordsOf(planOf(format), { kind: 'bytes', ...range }, input));
  }
  return { records, bytesRead };
}

/** Lines by the contract, written down a second time over bytes. */
function linesOf(bytes: Uint8Array): { text: string; offset: number; utf8: boolean }[] {
  const lines: { text: string; offset: number; utf8: boolean }[] = [];
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: false });
  const mark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  if (mark && bytes.length === 3) return [];
  let start = 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(10, start);
    let end = newline < 0 ? bytes.length : newline;
    const next = newline < 0 ? bytes.length : newline + 1;
    if (newline > start && bytes[newline - 1] === 13) end--;
    let text = decoder.decode(bytes.subarray(start, end));
    if (start === 0) text = text.replace(/^\ufeff/, '');
    lines.push({ text, offset: start, utf8: isUtf8(bytes.subarray(start, end)) });
    start = next;
  }
  return lines;
}

const LINE_PIECES = [
  '\n',
  '\r\n',
  '\r',
  'a',
  'word ',
  'é',
  '😀',
  '\n\n',
  '\ufeff',
  'long'.repeat(9),
];
const JSON_PIECES = [
  '\n',
  '\r\n',
  '{"a":1}\n',
  '[1,"é"]\n',
  'null\n',
  '{bad\n',
  ' \n',
  '"😀"',
  '12',
];
const CSV_PIECES = [
  '\n',
  '\r\n',
  ',',
  'a',
  'é',
  '"',
  '""',
  '"q,\n""x"',
  'a,b\n',
  '1,"2"\r\n',
  '\ufeff',
  '\r',
];
const splitSize = fc.integer({ min: 1, max: 80 });

describe('splits', () => {
  test('of lines hold every line once, at its offset', async () => {
    await fc.assert(
      fc.asyncProperty(anyBytes(LINE_PIECES), splitSize, async (bytes, splitBytes) => {
        const { records, bytesRead } = await recordsBySplit('lines', bytes, splitBytes);
        const expected = linesOf(bytes).map(({ text, offset, utf8 }) => ({
          value: utf8 ? text : null,
          bad: utf8 ? null : (expect.stringContaining('not UTF-8 at byte ') as string),
          offset,
        }));
        expect(records).toEqual(expected);
        expect(bytesRead).toBe(bytes.length);
      }),
      { numRuns: 600 },
    );
  });

  test('of NDJSON hold every value once, and name the bad ones', async () => {
    await fc.assert(
      fc.asyncProperty(anyBytes(JSON_PIECES), splitSize, async (bytes, splitBytes) => {
        const { records } = await recordsBySplit('ndjson', bytes, splitBytes);
        const expected = linesOf(bytes)
          .filter(({ text }) => text.trim() !== '')
          .map(({ text, offset, utf8 }) => {
            if (!utf8) return { value: null, good: false, offset };
            try {
              return { value: JSON.parse(text) as unknown, good: true, offset };
            } catch {
              return { value: null, good: false, offset };
            }
          });
        const shown = records.map(({ value, bad, offset }) => ({
          value,
          good: bad === null,
          offset,
        }));
        expect(shown).toEqual(expected);
      }),
      { numRuns: 400 },
    );
  });

  test('of bytes are the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(anyBytes(LINE_PIECES), splitSize, async (bytes, splitBytes) => {
        const { records } = await recordsBySplit('bytes', bytes, splitBytes);
        const whole = Buffer.concat(records.map(({ value }) => value as Uint8Array));
        expect(whole.equals(Buffer.from(bytes))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('of CSV hold every row once, quoted newlines and all, however the scan is cut', () => {
    fc.assert(
      fc.property(
        anyBytes(CSV_PIECES),
        splitSize,
        fc.array(fc.nat({ max: 200 }), { maxLength: 10 }),
        (bytes, splitBytes, cuts) => {
          const whole = recordsOf(
            planOf('csv'),
            { kind: 'bytes', start: 0, end: bytes.length },
            bytes,
          );
          const state = csvScanStart();
          for (const chunk of cut(
            bytes,
            cuts.map((at) => Math.min(at, bytes.length)),
          )) {
            csvScanChunk(state, chunk, splitBytes);
          }
          // The state crosses from message to message as JSON.
          const boundaries = csvScanEnd(JSON.parse(JSON.stringify(state)) as typeof state);
          expect(boundaries[0]).toBe(0);
          expect(boundaries.at(-1)).toBe(bytes.length);
          if (whole.some(({ bad }) => bad?.startsWith('the CSV header is bad'))) {
            // The first split ends the job.
            const end = boundaries[1] ?? 0;
            const first: Split = { kind: 'bytes', start: 0, end };
            expect(recordsOf(planOf('csv'), first, bytes.slice(0, end))).toEqual(whole);
            return;
          }
          const csvHeader = readHeader(
            new TextDecoder('utf-8', { ignoreBOM: true, fatal: false }).decode(bytes),
            true,
          );
          const plan = planOf('csv', { csvHeader });
          const records = boundaries.slice(1).flatMap((end, i) => {
            const start = boundaries[i] ?? 0;
            return recordsOf(plan, { kind: 'bytes', start, end }, bytes.slice(start, end));
          });
          expect(records).toEqual(whole);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('of CSV read what papaparse reads of well-formed files', () => {
    const field = fc.oneof(
      fc.constantFrom('', 'a', '1', 'é,', '"', 'x\ny', '\r\n', ' q ', '""', '😀'),
      fc.string({ maxLength: 4 }),
    );
    const rows = fc.integer({ min: 2, max: 4 }).chain((columns) =>
      fc.array(fc.array(field, { minLength: columns, maxLength: columns }), {
        minLength: 1,
        maxLength: 12,
      }),
    );
    fc.assert(
      fc.property(
        rows,
        fc.constantFrom('\n', '\r\n'),
        splitSize,
        fc.boolean(),
        (table, newline, splitBytes, quotes) => {
          const text = Papa.unparse(table, { newline, quotes });
          const [head = [], ...body] = Papa.parse<string[]>(text, { newline, delimiter: ',' }).data;
          const names = headerNames(head);
          const bytes = new Uint8Array(Buffer.from(text.toWellFormed()));
          const state = csvScanStart();
          csvScanChunk(state, bytes, splitBytes);
          const boundaries = csvScanEnd(state);
          const plan = planOf('csv', { csvHeader: names });
          const records = boundaries.slice(1).flatMap((end, i) => {
            const start = boundaries[i] ?? 0;
            return recordsOf(plan, { kind: 'bytes', start, end }, bytes.slice(start, end));
          });
          const expected = body.map((row) =>
            Object.fromEntries(names.map((name, i) => [name, row[i]])),
          );
          expect(records.map(({ value }) => value)).toEqual(expected);
          expect(records.every(({ bad }) => bad === null)).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
  });

  test.each(['lines', 'ndjson', 'csv'] as const)(
    'of a gzip file of one or several members hold what the unpacked file holds: %s',
    (format) => {
      const pieces = { lines: LINE_PIECES, ndjson: JSON_PIECES, csv: CSV_PIECES }[format];
      fc.assert(
        fc.property(
          anyBytes(pieces),
          fc.array(fc.nat({ max: 200 }), { maxLength: 4 }),
          (bytes, cuts) => {
            const members = cut(
              bytes,
              cuts.map((at) => Math.min(at, bytes.length)),
            );
            const packed = new Uint8Array(Buffer.concat(members.map((member) => gzipSync(member))));
            const plan = planned({ dataset: 'd', format }, packed.length, 10, true);
            expect(splitCount(plan)).toBe(1);
            const records = recordsOf(planOf(format, { gzip: true }), splitOf(plan, 0), packed);
            const whole = { kind: 'bytes', start: 0, end: bytes.length } as const;
            expect(records).toEqual(recordsOf(planOf(format), whole, bytes));
          },
        ),
        { numRuns: 200 },
      );
    },
  );

  test('of a large gzip file hold every line, across its many pieces', () => {
    const lines = Array.from(
      { length: 40_000 },
      (_, i) => `${i} é ${createHash('sha1').update(String(i)).digest('base64')} 😀`,
    );
    const packed = new Uint8Array(gzipSync(lines.join('\n'), { level: 1 }));
    expect(packed.length).toBeGreaterThan(200_000);
    const records = recordsOf(
      planOf('lines', { gzip: true }),
      { kind: 'bytes', start: 0, end: packed.length },
      packed,
    );
    expect(records.map(({ value }) => value)).toEqual(lines);
    const offsets = linesOf(new Uint8Array(Buffer.from(lines.join('\n')))).map(
      ({ offset }) => offset,
    );
    expect(records.map(({ offset }) => offset)).toEqual(offsets);
  });

  test('of a damaged or cut gzip file fail with a reason', () => {
    const packed = new Uint8Array(gzipSync('line\n'.repeat(5000)));
    const run = (input: Uint8Array) =>
      recordsOf(
        planOf('lines', { gzip: true }),
        { kind: 'bytes', start: 0, end: input.length },
        input,
      );
    expect(() => run(packed.slice(0, packed.length >> 1))).toThrow(/gzip input is damaged/);
    expect(() => run(new Uint8Array(Buffer.from('not gzip at all')))).toThrow(
      /gzip input is damaged/,
    );
    expect(run(packed)).toHaveLength(5000);
  });

  test('of a range hold every integer once', () => {
    const from = fc.oneof(
      fc.integer({ min: -300, max: 300 }),
      fc.constantFrom(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 100, -1, 0),
    );
    fc.assert(
      fc.property(
        from,
        fc.nat({ max: 100 }),
        fc.integer({ min: 1, max: 40 }),
        (start, items, splitItems) => {
          const to = start + items;
          const plan = planned({ range: { from: start, to }, splitItems }, 0, 1);
          const seen: unknown[] = [];
          for (let task = 0; task < splitCount(plan); task++) {
            seen.push(
              ...recordsOf(planOf('integers'), splitOf(plan, task), null).map(({ value }) => value),
            );
          }
          expect(seen).toEqual(Array.from({ length: items }, (_, i) => start + i));
        },
      ),
    );
  });
});
