// The readers' work grows with their input and not with its square, whatever the input chooses: ten times the input
// takes about ten times the steps.
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { CSV_COLUMNS_MAX } from '../../../shared/limits.ts';
import { headerNames, readHeader } from '../../../shared/mapreduce/csv.ts';
import { openRecords } from '../../../shared/mapreduce/records.ts';
import type { MapPlan, RecordFormat } from '../../../shared/mapreduce/task.ts';
import { keyTaker } from '../../../shared/streaming/key-path.ts';
import { csvScanChunk, csvScanStart } from '../../../worker/jobs/mapreduce/csv-scan.ts';
import { stepsOf } from '../../support/steps.ts';

/** Reads everything and asks for every offset, as a job does whose records are all bad. */
function readAll(format: RecordFormat, bytes: Uint8Array, gzip = false): void {
  const plan: MapPlan = {
    job: 'j',
    name: 'n',
    programHash: 'h',
    format,
    gzip,
    partitions: 1,
    params: {},
    skipBadRecords: 0,
    csvHeader: null,
    nowMs: 0,
  };
  const records = openRecords(plan, { kind: 'bytes', start: 0, end: bytes.length }, bytes);
  while (records.next()) records.offset();
}

const utf8 = (text: string) => new Uint8Array(Buffer.from(text));
const repeated = (text: string, times: number) => utf8(text.repeat(times));
const latin1 = (text: string, times: number) =>
  new Uint8Array(Buffer.from(text.repeat(times), 'latin1'));
const SMALL = 60;

const CASES: [name: string, work: (times: number) => void][] = [
  ['equal header names', (n) => headerNames(Array<string>(n).fill('0'))],
  [
    'header names that look numbered',
    (n) => headerNames(Array.from({ length: n }, (_, i) => (i % 2 ? 'a' : `a_${i}`))),
  ],
  ['empty header names', (n) => headerNames(Array<string>(n).fill(''))],
  ['a header behind empty lines', (n) => readHeader(`${'\r\n'.repeat(n)}a,b\n`, true)],
  ['a wide CSV', (n) => readAll('csv', utf8(`${'0,'.repeat(n)}0\n`.repeat(2)))],
  ['lines', (n) => readAll('lines', repeated('some words\n', n))],
  ['one long line', (n) => readAll('lines', repeated('words ', n))],
  ['empty lines', (n) => readAll('lines', repeated('\n', n))],
  ['NDJSON', (n) => readAll('ndjson', repeated('{"a":[1,"x"]}\n', n))],
  ['NDJSON that is bad', (n) => readAll('ndjson', repeated('{"a":[\n', n))],
  ['NDJSON of large numbers', (n) => readAll('ndjson', repeated('[9007199254740993]\n', n))],
  [
    'NDJSON of many digits',
    (n) => readAll('ndjson', repeated('[123456789012345678e3]\n[1e999]\n', n)),
  ],
  ['one long number', (n) => readAll('ndjson', utf8(`${'9'.repeat(n)}\n`.repeat(2)))],
  ['NDJSON of empty lines', (n) => readAll('ndjson', repeated(' \r\n', n))],
  ['CSV', (n) => readAll('csv', repeated('a,b\r\n', n))],
  ['CSV of bare CRs', (n) => readAll('csv', repeated('a,b\r', n))],
  ['CSV of bare CRs and quotes', (n) => readAll('csv', repeated('"a",b\r', n))],
  ['CSV of CRs with one LF', (n) => readAll('csv', utf8(`${'a,b\r'.repeat(n)}a,b\n`))],
  ['CSV of empty lines', (n) => readAll('csv', repeated('\r\n', n))],
  ['CSV with rows that do not fit', (n) => readAll('csv', repeated('a,b\na\n', n))],
  ['quoted CSV', (n) => readAll('csv', repeated('"a\n""b",c\n', n))],
  ['one long quoted field', (n) => readAll('csv', utf8(`a\n"${'x\n""'.repeat(n)}"\n`))],
  ['a quote that does not end', (n) => readAll('csv', utf8(`a\n"${'x\n'.repeat(n)}`))],
  ['a quote at the end only', (n) => readAll('csv', utf8(`${'a\n'.repeat(n)}"a"\n`))],
  ['lines that are not UTF-8', (n) => readAll('lines', latin1('\xe9\n', n))],
  ['CSV that is not UTF-8', (n) => readAll('csv', latin1('a,"\xe9\n"\r\n', n))],
  ['characters U+FFFD', (n) => readAll('lines', repeated('\ufffd\ufffd\n', n))],
  ['gzip of lines', (n) => readAll('lines', gzipSync(repeated('some words\n', n)), true)],
  ['gzip of one long line', (n) => readAll('lines', gzipSync(repeated('words ', 50 * n)), true)],
  ['gzip of CSV', (n) => readAll('csv', gzipSync(repeated('"a\n",b\n', 20 * n)), true)],
  ['the scan of a CSV', (n) => csvScanChunk(csvScanStart(), repeated('"a\n""b",c\n', n), 1)],
  [
    'a key at a long path',
    (n) => {
      const names = Array<string>(n).fill('a');
      const event = names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), 'key');
      keyTaker(names.join('.'))(event);
    },
  ],
];

describe('ten times the input takes about ten times the steps', () => {
  test.each(CASES)('%s', (_name, work) => {
    const [once, ten, hundred] = [1, 10, 100].map((times) =>
      stepsOf(() => work(SMALL * times)),
    ) as [number, number, number];
    expect(once).toBeGreaterThan(0);
    expect(ten).toBeLessThan(15 * once);
    expect(hundred).toBeLessThan(15 * ten);
  });

  test('and the count sees work that is quadratic', () => {
    const quadratic = (n: number) => {
      for (let i = 0; i < n; i++) 'x'.repeat(n).indexOf('y');
    };
    expect(stepsOf(() => quadratic(1000))).toBeGreaterThan(50 * stepsOf(() => quadratic(100)));
  });
});

test('a header of too many columns is refused, and says how many it has', () => {
  const fields = Array<string>(CSV_COLUMNS_MAX + 1).fill('a');
  expect(headerNames(fields.slice(1))).toHaveLength(CSV_COLUMNS_MAX);
  expect(() => headerNames(fields)).toThrow('has 65537 columns, the most is 65536');
});
