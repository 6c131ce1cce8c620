// The bound of a record is the record's own: how its line ends, and whether it ends, does not count.
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { RECORD_MAX_BYTES } from '../../../shared/limits.ts';
import { openRecords } from '../../../shared/mapreduce/records.ts';
import type { MapPlan } from '../../../shared/mapreduce/task.ts';

type Format = MapPlan['format'];

/** The number of records, or what stopped the reader. */
function read(format: Format, text: string, gzip: boolean): number | string {
  const bytes = new TextEncoder().encode(text);
  const input = gzip ? new Uint8Array(gzipSync(bytes, { level: 1 })) : bytes;
  const plan = { format, gzip, csvHeader: null } as MapPlan;
  const split = { kind: 'bytes', start: 0, end: input.length } as const;
  const source = openRecords(plan, split, input);
  let records = 0;
  try {
    while (source.next()) records++;
  } catch (error) {
    return (error as { code: string }).code;
  }
  return records;
}

const FORMATS: [format: Format, before: string, record: (bytes: number) => string][] = [
  ['lines', '', (bytes) => 'a'.repeat(bytes)],
  ['lines', '', (bytes) => 'é'.repeat(Math.floor(bytes / 2)) + 'a'.repeat(bytes % 2)],
  ['ndjson', '', (bytes) => `"${'a'.repeat(bytes - 2)}"`],
  ['csv', 'name\n', (bytes) => 'a'.repeat(bytes)],
];

describe.each([false, true])('a record, gzip: %s', (gzip) => {
  it('has the same bound with and without its line end', () => {
    for (const [format, before, record] of gzip ? FORMATS.slice(0, 1) : FORMATS) {
      for (const end of gzip ? ['', '\n'] : ['', '\n', '\r\n']) {
        const longest = `${before}${record(RECORD_MAX_BYTES)}${end}`;
        const longer = `${before}${record(RECORD_MAX_BYTES + 1)}${end}`;
        expect(read(format, longest, gzip), `${format} ${JSON.stringify(end)}`).toBe(1);
        expect(read(format, longer, gzip), `${format} ${JSON.stringify(end)}`).toBe('memory');
      }
    }
  });
});
