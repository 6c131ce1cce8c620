// What the dry run reads of each kind of input.
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DRY_RUN_BYTES } from '../../../shared/limits.ts';
import {
  datasetNameOf,
  dryRunInput,
  type Sources,
} from '../../../web/features/jobs/new/mapreduce/dry-run-input.ts';

const text = (lines: number) => Array.from({ length: lines }, (_, i) => `line ${i}\n`).join('');
const refuse = () => Promise.reject(new Error('nothing is to be read'));
const nothing: Sources = { dataset: refuse, stream: refuse, events: refuse };
const reader = (content: Uint8Array): Sources => ({
  ...nothing,
  dataset: (_name, bytes) => Promise.resolve(new Uint8Array(content.subarray(0, bytes))),
});

async function textOf(content: Uint8Array, format: 'lines' | 'bytes' = 'lines'): Promise<string> {
  const input = await dryRunInput({ dataset: 'd', format }, reader(content));
  if (input.kind !== 'text' || typeof input.text === 'string')
    throw new Error('bytes were expected');
  return new TextDecoder().decode(input.text);
}

describe('dry run input', () => {
  test('a small dataset is read whole, a large one up to its last whole line', async () => {
    expect(await textOf(new TextEncoder().encode('a\nb'))).toBe('a\nb');
    const read = await textOf(new TextEncoder().encode(text(50_000)));
    expect(read.length).toBeLessThanOrEqual(DRY_RUN_BYTES);
    expect(read).toBe(text(read.split('\n').length - 1));
  });

  test('gzip is unpacked, also when the sample ends in the middle of it', async () => {
    expect(await textOf(gzipSync(text(10)))).toBe(text(10));
    const noise = Array.from(
      { length: 60_000 },
      (_, i) => `${Math.imul(i, 2_654_435_761) >>> 0}\n`,
    );
    const packed = gzipSync(noise.join(''));
    expect(packed.length).toBeGreaterThan(DRY_RUN_BYTES);
    const read = await textOf(packed);
    expect(read.length).toBeGreaterThan(1_000);
    expect(noise.join('').startsWith(read)).toBe(true);
    expect(read.endsWith('\n')).toBe(true);
  });

  test('a range gives a few numbers, a text is taken as it is', async () => {
    expect(await dryRunInput({ range: { from: 5, to: 1_000_000 } }, nothing)).toMatchObject({
      kind: 'integers',
      from: 5,
      to: 106,
    });
    expect(await dryRunInput({ range: { from: 5, to: 7 } }, nothing)).toMatchObject({ to: 7 });
    expect(await dryRunInput({ inline: 'x', format: 'csv' }, nothing)).toEqual({
      kind: 'text',
      format: 'csv',
      text: 'x',
    });
  });

  test('a stream gives the first events of a partition that has some', async () => {
    const event = (offset: number) => ({
      partition: 1,
      offset,
      id: `e${offset}`,
      type: 'Order',
      key: null,
      time: '2026-11-24T03:00:00.000Z',
      payload: { offset },
    });
    const asked: unknown[] = [];
    const sources: Sources = {
      ...nothing,
      stream: async () => ({
        partitions: [0, 7].map((next, partition) => ({
          partition,
          first: 0,
          next,
          bytes: 0,
          segments: 0,
        })),
      }),
      events: async (_name, query) => {
        asked.push(query);
        return { events: [event(5), event(6)], next: 7 };
      },
    };
    const input = await dryRunInput({ stream: 'orders', from: 5 }, sources);
    expect(asked).toEqual([{ partition: 1, from: 5, limit: 101 }]);
    if (input.kind !== 'text') throw new Error('events are text');
    expect(input.format).toBe('ndjson');
    const lines = String(input.text).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([event(5), event(6)]);
  });

  test('any file name becomes a name the API takes', () => {
    expect(datasetNameOf('access log (1).gz')).toBe('access-log-1-.gz');
    expect(datasetNameOf('.htaccess')).toBe('htaccess');
    expect(datasetNameOf('日本')).toBe('data');
    expect(datasetNameOf('a'.repeat(500))).toHaveLength(128);
  });
});
