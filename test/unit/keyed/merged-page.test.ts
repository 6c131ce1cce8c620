// Pages over shards: page after page they are the whole list, in order, whatever the shards answer at a time.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import type { List } from '../../../shared/schemas/common.ts';
import { mergedPage, type Merging } from '../../../worker/processors/keyed/merged-page.ts';
import type { ShardPage } from '../../../worker/contracts/shard.rpc.ts';

interface Item {
  key: string;
  bytes: number;
}

/** Shards as they answer: at most `mostItems` a page, having looked at `mostKeys` keys, of which some are passed over. */
class Shards {
  readonly #keys: Item[][];
  readonly #most: { items: number; keys: number };
  readonly #isShown: (item: Item) => boolean;
  asked = 0;

  constructor(
    keys: Item[][],
    most: { items: number; keys: number },
    isShown: (item: Item) => boolean = () => true,
  ) {
    this.#keys = keys.map((items) => items.toSorted((a, b) => compareKeys(a.key, b.key)));
    this.#most = most;
    this.#isShown = isShown;
  }

  ask = async (shard: number, after: string | null, limit: number): Promise<ShardPage<Item>> => {
    this.asked++;
    const all = this.#keys[shard] ?? [];
    const left = after === null ? all : all.filter(({ key }) => compareKeys(key, after) > 0);
    const items: Item[] = [];
    let looked = 0;
    for (const item of left) {
      if (looked === this.#most.keys || items.length === Math.min(limit, this.#most.items)) break;
      looked++;
      if (this.#isShown(item)) items.push(item);
    }
    const more = looked < left.length;
    const end = left[looked - 1]?.key;
    return {
      items: items.map((item) => ({ order: item.key, item })),
      more,
      ...(more && end !== undefined && { after: end }),
    };
  };
}

const merging = (
  shards: Shards,
  count: number,
  more: Partial<Merging<Item>> = {},
): Merging<Item> => ({
  shards: count,
  ask: shards.ask,
  cursor: null,
  limit: 10,
  heldItems: 64,
  maxBytes: 1_000,
  bytesOf: ({ bytes }) => bytes,
  maxAsks: 3,
  connections: 6,
  ...more,
});

async function allPages(given: Merging<Item>): Promise<List<Item>[]> {
  const pages: List<Item>[] = [];
  for (let cursor: string | null = null; ;) {
    const page: List<Item> = await mergedPage({ ...given, cursor });
    pages.push(page);
    if (page.next === null) return pages;
    if (cursor !== null) expect(compareKeys(page.next, cursor)).toBeGreaterThan(0);
    cursor = page.next;
  }
}

const keyOf = fc.oneof(
  fc.string({ maxLength: 4, unit: 'grapheme' }),
  fc.stringMatching(/^[ab]{1,3}$/),
);
const itemsOf = fc.uniqueArray(fc.record({ key: keyOf, bytes: fc.nat(400) }), {
  selector: ({ key }) => key,
  maxLength: 60,
});

describe('pages over shards', () => {
  it('are together the whole list in the order of UTF-8 bytes, each item once', async () => {
    await fc.assert(
      fc.asyncProperty(
        itemsOf,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 12 }),
        fc.record({ items: fc.integer({ min: 1, max: 5 }), keys: fc.integer({ min: 1, max: 5 }) }),
        async (items, count, limit, most) => {
          const shown = (item: Item) => item.bytes % 3 !== 0;
          const keys = Array.from({ length: count }, (_, shard) =>
            items.filter(({ key }) => [...key].length % count === shard),
          );
          const shards = new Shards(keys, most, shown);
          const pages = await allPages(merging(shards, count, { limit }));
          const expected = items.filter(shown).toSorted((a, b) => compareKeys(a.key, b.key));
          expect(pages.flatMap((page) => page.items)).toEqual(expected);
          for (const page of pages) expect(page.items.length).toBeLessThanOrEqual(limit);
        },
      ),
    );
  });

  it('end early when they grow large, but hold one item whatever its size', async () => {
    const sizes = [600, 600, 5_000, 10, 10];
    const items = sizes.map((bytes, i) => ({ key: `k${i}`, bytes }));
    const shards = new Shards([items], { items: 10, keys: 10 });
    const pages = await allPages(merging(shards, 1));
    expect(pages.map((page) => page.items.length)).toEqual([1, 1, 1, 2]);
  });

  it('end early when a shard looks at many keys and finds none, and go on from there', async () => {
    const rare = Array.from({ length: 100 }, (_, i) => ({
      key: `a${String(i).padStart(3, '0')}`,
      bytes: i === 90 ? 1 : 0,
    }));
    const dense = [
      { key: 'a050', bytes: 1 },
      { key: 'b', bytes: 1 },
    ];
    const shards = new Shards([rare, dense], { items: 5, keys: 10 }, ({ bytes }) => bytes === 1);
    const first = await mergedPage(merging(shards, 2));
    // Three questions of ten keys each: what lies after the thirtieth is not known yet.
    expect(first).toEqual({ items: [], next: 'a029' });
    const pages = await allPages(merging(shards, 2));
    expect(pages.flatMap((page) => page.items.map(({ key }) => key))).toEqual([
      'a050',
      'a090',
      'b',
    ]);
  });

  it('ask each shard for few items when there are many shards', async () => {
    const keys = Array.from({ length: 64 }, (_, shard) =>
      Array.from({ length: 50 }, (_, i) => ({ key: `${i}-${shard}`, bytes: 1 })),
    );
    const shards = new Shards(keys, { items: 1_000, keys: 1_000 });
    let most = 0;
    const ask: Merging<Item>['ask'] = (shard, after, limit) => {
      most = Math.max(most, limit);
      return shards.ask(shard, after, limit);
    };
    const page = await mergedPage(
      merging(shards, 64, { ask, limit: 500, heldItems: 512, maxAsks: 20 }),
    );
    expect(page.items).toHaveLength(500);
    expect(most).toBeLessThanOrEqual(8);
  });
});
