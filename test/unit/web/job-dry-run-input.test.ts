// What the dry run reads of each kind of input.
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DRY_RUN_BYTES } from '../../../shared/limits.ts';
import { datasetNameOf, dryRunInput } from '../../../web/features/new-job/dry-run-input.ts';

const text = (lines: number) => Array.from({ length: lines }, (_, i) => `line ${i}\n`).join('');
const reader = (content: Uint8Array) => (_name: string, bytes: number) =>
  Promise.resolve(new Uint8Array(content.subarray(0, bytes)));
const nothing = () => Promise.reject(new Error('nothing is to be read'));

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

  test('any file name becomes a name the API takes', () => {
    expect(datasetNameOf('access log (1).gz')).toBe('access-log-1-.gz');
    expect(datasetNameOf('.htaccess')).toBe('htaccess');
    expect(datasetNameOf('日本')).toBe('data');
    expect(datasetNameOf('a'.repeat(500))).toHaveLength(128);
  });
});
