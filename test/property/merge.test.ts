// The law of merging: the merge of sorted sources is the stable sort of all their records.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RecordBlock } from '../../shared/mapreduce/blocks.ts';
import { merge, mergeSync } from '../../shared/mapreduce/merge.ts';
import { compareKeys } from '../../shared/mapreduce/order.ts';
import { wellFormed } from './texts.ts';

type Entry = [key: string, value: string];

const key = fc.oneof(wellFormed(2), fc.constantFrom('a', 'b', 'c'));
/** Sources of blocks, some of them empty, each source sorted; the values say where they come from. */
const sources = fc
  .array(fc.array(fc.array(key, { maxLength: 6 }), { maxLength: 4 }), { maxLength: 9 })
  .map((all) =>
    all.map((blocks, source) => {
      const keys = blocks.flat().sort(compareKeys);
      let at = 0;
      return blocks.map(({ length }): RecordBlock => {
        const part = keys.slice(at, (at += length));
        return { keys: part, values: part.map((_, i) => `${source}/${at - length + i}`) };
      });
    }),
  );

function entriesOf(blocks: RecordBlock[]): Entry[] {
  return blocks.flatMap(({ keys, values }) => keys.map((k, i): Entry => [k, values[i] ?? '']));
}

const stableSort = (all: RecordBlock[][]): Entry[] =>
  entriesOf(all.flat()).sort(([a], [b]) => compareKeys(a, b));

test('merging in memory is sorting, stable by source', () => {
  fc.assert(
    fc.property(sources, (all) => {
      const merged = [...mergeSync(all.map((blocks) => blocks.values()))];
      expect(entriesOf(merged)).toEqual(stableSort(all));
    }),
    { numRuns: 500 },
  );
});

test('merging sources that are waited for is the same, whichever answers first', async () => {
  await fc.assert(
    fc.asyncProperty(sources, fc.scheduler(), async (all, scheduler) => {
      async function* slowly(blocks: RecordBlock[]) {
        for (const block of blocks) yield await scheduler.schedule(Promise.resolve(block));
      }
      const merged: RecordBlock[] = [];
      const reading = (async () => {
        for await (const block of merge(all.map(slowly))) merged.push(block);
      })();
      await scheduler.waitFor(reading);
      expect(entriesOf(merged)).toEqual(stableSort(all));
    }),
    { numRuns: 200 },
  );
});

test('a merge of many records comes in batches, none of them empty', () => {
  const block = (from: number): RecordBlock => {
    const keys = Array.from({ length: 5000 }, (_, i) => String(100_000 + from + 2 * i));
    return { keys, values: keys.map(() => '1') };
  };
  const batches = [...mergeSync([[block(0)].values(), [block(1)].values()])];
  expect(batches.length).toBeGreaterThan(2);
  expect(batches.every(({ keys }) => keys.length > 0)).toBe(true);
  expect(batches.flatMap(({ keys }) => keys)).toHaveLength(10_000);
});

test('sources are closed when nobody reads the merge any more', async () => {
  let closed = 0;
  async function* source() {
    try {
      for (;;) yield { keys: ['a'], values: ['1'] };
    } finally {
      closed++;
    }
  }
  let seen = 0;
  for await (const block of merge([source(), source()])) {
    seen += block.keys.length;
    break;
  }
  expect(seen).toBeGreaterThan(0);
  expect(closed).toBe(2);
});
