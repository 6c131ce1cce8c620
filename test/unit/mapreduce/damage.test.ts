// What the readers cannot read as it was meant is bad and says so, with the byte where it lies: nothing is lost or made
// up in silence. Damage that has no end is final.
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readHeader } from '../../../shared/mapreduce/csv.ts';
import { openRecords } from '../../../shared/mapreduce/records.ts';
import type { MapPlan, RecordFormat } from '../../../shared/mapreduce/task.ts';

interface Seen {
  value: unknown;
  bad: string | null;
  offset: number;
  final: boolean;
}

/** Text is UTF-8; numbers are bytes. */
const bytesOf = (...parts: (string | number)[]) =>
  new Uint8Array(
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))),
    ),
  );

function read(format: RecordFormat, bytes: Uint8Array, start = 0, gzip = false): Seen[] {
  const plan: MapPlan = {
    job: 'j',
    name: 'n',
    programHash: 'h',
    format,
    gzip,
    partitions: 1,
    params: {},
    skipBadRecords: 0,
    csvHeader: ['a', 'b'],
    nowMs: 0,
  };
  const records = openRecords(plan, { kind: 'bytes', start, end: start + bytes.length }, bytes);
  const seen: Seen[] = [];
  while (records.next()) {
    const { value, bad, final = false } = records;
    seen.push({ value: bad === null ? value : null, bad, offset: records.offset(), final });
  }
  return seen;
}
const places = (seen: Seen[]) => seen.map(({ bad, offset, final }) => [offset, bad, final]);

describe('a quote that nothing closes', () => {
  test('is final, and named with its byte', () => {
    const text = 'id,note\n1,é\né,"oops\n3,fine\n4,fine\n';
    // grep -bo '"' says 16.
    expect(places(read('csv', bytesOf(text)))).toEqual([
      [8, null, false],
      [13, 'a quoted field does not end: the quote at byte 16 is never closed', true],
    ]);
  });

  test('is named with its byte in a later split, behind fields that are quoted well', () => {
    const seen = read('csv', bytesOf('1,2\n"x ""y""","\n'), 1000);
    expect(places(seen)).toEqual([
      [1000, null, false],
      [1004, 'a quoted field does not end: the quote at byte 1014 is never closed', true],
    ]);
  });
});

describe('a header row that is bad', () => {
  test.each([
    ['"a"x,b\n1,2\n3,4\n', 'text follows the quote that closes a field'],
    ['a,"b\n1,2\n3,4\n', 'is never closed'],
  ])('%j is final, and no row is read under it', (text, why) => {
    const seen = read('csv', bytesOf(text));
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ offset: 0, final: true });
    expect(seen[0]?.bad).toContain(why);
    expect(() => readHeader(text, true)).toThrow('the CSV header is bad');
  });
});

describe('bytes that are not UTF-8', () => {
  test('make their record bad, with the byte; the character U+FFFD itself is text', () => {
    const bytes = bytesOf('ok\n\ufffd é ', 0xff, '\n\ufffd\nGen', 0xe8, 've\n', 0xe2, 0x82);
    expect(read('lines', bytes)).toEqual([
      { value: 'ok', bad: null, offset: 0, final: false },
      { value: null, bad: 'not UTF-8 at byte 10', offset: 3, final: false },
      { value: '\ufffd', bad: null, offset: 12, final: false },
      { value: null, bad: 'not UTF-8 at byte 19', offset: 16, final: false },
      { value: null, bad: 'not UTF-8 at byte 23', offset: 23, final: false },
    ]);
  });

  test('are found behind a byte order mark, in every format, packed or not', () => {
    const lines = bytesOf('\ufeffa', 0xc3, '\nb\n');
    const offsets = [
      [0, 'not UTF-8 at byte 4', false],
      [6, null, false],
    ];
    expect(places(read('lines', lines))).toEqual(offsets);
    expect(places(read('lines', new Uint8Array(gzipSync(lines)), 0, true))).toEqual(offsets);
    expect(places(read('ndjson', bytesOf('"a', 0xc3, '"\n1\n')))).toEqual([
      [0, 'not UTF-8 at byte 2', false],
      [5, null, false],
    ]);
    expect(places(read('csv', bytesOf('a,b\n"é\n', 0xa0, '",2\n3,4\n')))).toEqual([
      [4, 'not UTF-8 at byte 8', false],
      [13, null, false],
    ]);
  });

  test('are final in a header', () => {
    expect(places(read('csv', bytesOf('a,', 0xff, '\n1,2\n')))).toEqual([
      [0, 'the CSV header is bad: not UTF-8 at byte 2', true],
    ]);
  });
});

describe('a number that JSON.parse would change', () => {
  // Truth by python3: int(text) == int(float(text)).
  test.each([
    ['9007199254740993', false],
    ['9007199254740992', true],
    ['-9007199254740993', false],
    ['9007199254740991', true],
    ['1152921504606846976', true],
    ['1152921504606846977', false],
    ['123456789012345678901234567890', false],
    ['1e400', false],
    ['-1E0999', false],
    ['12e308', false],
    ['1e308', true],
    ['0.1234567890123456789', true],
    ['1234567890123456.5', true],
    [`1${'0'.repeat(400)}`, false],
    ['"9007199254740993"', true],
    ['"\\"9007199254740993"', true],
    ['"a1e400"', true],
  ])('%s', (number, kept) => {
    const text = `{"x":1}\n{"id":[${number}]}\n{"x":2}\n`;
    const seen = read('ndjson', bytesOf(text));
    expect(seen.map(({ bad }) => bad === null)).toEqual([true, kept, true]);
    if (kept) return;
    expect(seen[1]?.bad).toContain(`the number ${number.slice(0, 40)}`);
    expect(seen[1]?.bad).toContain('send it as a text');
    expect(seen[1]?.offset).toBe(8);
  });

  test('is found wherever it lies', () => {
    for (let before = 0; before < 40; before++) {
      const text = `{"${'k'.repeat(before)}":9007199254740993}\n[1]\n`;
      expect(read('ndjson', bytesOf(text)).map(({ bad }) => bad === null)).toEqual([false, true]);
    }
  });
});
