// CSV rows one by one: what is a row, what is a bad one, and when a row is not complete yet.
import { describe, expect, test } from 'vitest';
import { CsvRows, headerNames, readHeader } from '../../../shared/mapreduce/csv.ts';
import { openRecords } from '../../../shared/mapreduce/records.ts';

const read = (text: string, ended = true) => new CsvRows(text, ended).read(0);

describe('a row', () => {
  test.each<[string, string[], number]>([
    ['a,b\nc', ['a', 'b'], 4],
    ['a,b\r\nc', ['a', 'b'], 5],
    ['a,b', ['a', 'b'], 3],
    ['a,b\r', ['a', 'b'], 4],
    [',\n', ['', ''], 2],
    ['\n', [], 1],
    ['\r\n', [], 2],
    ['""\n', [''], 3],
    ['"",\n', ['', ''], 4],
    ['"a\nb","c""d"\r\ne', ['a\nb', 'c"d'], 14],
    ['a,"b,c"', ['a', 'b,c'], 7],
    ['a"b,c"\n', ['a"b', 'c"'], 7],
    [' "a",b\n', [' "a"', 'b'], 7],
    ['"""",x\n', ['"', 'x'], 7],
    ['a\rb\n', ['a'], 2],
    ['a\r\r\nb', ['a'], 2],
    ['\rb', [], 1],
    ['"a\rb",c\rd', ['a\rb', 'c'], 8],
    ['"a"\r', ['a'], 4],
  ])('%j is %j', (text, fields, end) => {
    expect(read(text)).toEqual({ fields, bad: null, end });
  });

  test.each([
    ['"a"b,c\n', ['ab', 'c'], 'text follows the quote'],
    ['"a" ,c\n', ['a ', 'c'], 'text follows the quote'],
    ['"a,b\nc', ['a,b\nc'], 'does not end'],
    ['x,"a""', ['x', 'a"'], 'does not end'],
  ])('%j is bad', (text, fields, bad) => {
    const row = read(text);
    expect(row?.fields).toEqual(fields);
    expect(row?.bad).toContain(bad);
  });

  test.each(['a,b', 'a\r', '"a', '"a"', '"a"\r', '"a\n', '"a""', 'a,"b",'])(
    '%j waits for more text',
    (text) => {
      expect(read(text, false)).toBeNull();
    },
  );

  test('that has its newline does not wait', () => {
    expect(read('"a"\n', false)).toEqual({ fields: ['a'], bad: null, end: 4 });
  });
});

describe('a header', () => {
  test('has distinct names, none of them empty', () => {
    expect(headerNames(['a', '', 'a', 'a_2', 'a', ''])).toEqual([
      'a',
      'column2',
      'a_2',
      'a_2_2',
      'a_3',
      'column6',
    ]);
  });

  test('is the first row that is not empty', () => {
    expect(readHeader('\ufeff\r\n\n"a\nb",c\n1,2', true)).toEqual(['a\nb', 'c']);
    expect(readHeader('a,b', true)).toEqual(['a', 'b']);
    expect(readHeader('a,b', false)).toBeNull();
    expect(readHeader('\n\n', true)).toEqual([]);
    expect(readHeader('', false)).toBeNull();
  });
});

function open(text: string | Uint8Array) {
  const bytes = new Uint8Array(Buffer.from(text));
  const plan = {
    job: 'j',
    name: 'n',
    programHash: 'h',
    format: 'csv',
    gzip: false,
    partitions: 1,
    params: {},
    skipBadRecords: 0,
    csvHeader: null,
    nowMs: 0,
  } as const;
  return openRecords(plan, { kind: 'bytes', start: 0, end: bytes.length }, bytes);
}

test('rows whose line ends are bare CRs are read, each at its offset', () => {
  // What python3 reads: csv.DictReader(io.StringIO(text, newline=None)).
  const records = open('city,n\rOslo,1\r"é\rx",2\r\nOslo,3\r');
  const seen: unknown[] = [];
  while (records.next()) seen.push([records.value, records.bad, records.offset()]);
  expect(seen).toEqual([
    [{ city: 'Oslo', n: '1' }, null, 7],
    [{ city: 'é\rx', n: '2' }, null, 14],
    [{ city: 'Oslo', n: '3' }, null, 24],
  ]);
});

test('a record is a plain object, whatever its columns are called', () => {
  const records = open('__proto__,constructor,a\n1,2,3\n');
  expect(records.next()).toBe(true);
  expect(Object.getPrototypeOf(records.value)).toBe(Object.prototype);
  expect(Object.entries(records.value as object)).toEqual([
    ['__proto__', '1'],
    ['constructor', '2'],
    ['a', '3'],
  ]);
});
