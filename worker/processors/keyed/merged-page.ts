// One page of a list that lies spread over shards, each of which knows its own order: a merge that asks each shard for
// few items at a time, so that sixty-four shards of large items fit in a Worker's memory. Orders are texts here, and
// sort by their UTF-8 bytes.
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import type { List } from '../../../shared/schemas/common.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import type { ShardPage } from '../../contracts/shard.rpc.ts';

export interface Merging<Item> {
  shards: number;
  /** The page of a shard that begins after this order. */
  ask(shard: number, after: string | null, limit: number): Promise<ShardPage<Item>>;
  cursor: string | null;
  limit: number;
  /** Items that are held of all shards together, about. */
  heldItems: number;
  /** The page ends early past this. */
  maxBytes: number;
  bytesOf(item: Item): number;
  /** Questions to one shard for one page: it may look at many keys and find few. */
  maxAsks: number;
  /** Shards asked at once. */
  connections: number;
}

interface Cursor<Item> {
  shard: number;
  waiting: { order: string; item: Item }[];
  /** Everything up to here has been looked at. */
  after: string | null;
  more: boolean;
  asks: number;
}

/** Ends early, with a cursor, when it grows large or a shard finds nothing for long. */
export async function mergedPage<Item>(merging: Merging<Item>): Promise<List<Item>> {
  const { shards, limit, heldItems, maxBytes, bytesOf } = merging;
  const atOnce = Math.max(
    1,
    Math.min(Math.ceil(limit / shards) + 1, Math.floor(heldItems / shards)),
  );
  const cursors = Array.from({ length: shards }, (_, shard): Cursor<Item> => ({
    shard,
    waiting: [],
    after: merging.cursor,
    more: true,
    asks: 0,
  }));
  const items: Item[] = [];
  let last = merging.cursor;
  let bytes = 0;
  for (;;) {
    await refill(cursors, merging, atOnce);
    const stuck = cursors.filter((one) => one.more && one.waiting.length === 0);
    const next = least(cursors);
    // What a shard may still have lies after the place it has come to: up to there the order is known.
    const bound = stuck.map(({ after }) => after ?? '').toSorted(compareKeys)[0];
    const first = next?.waiting[0];
    if (!next || !first || (bound !== undefined && compareKeys(first.order, bound) > 0)) {
      return { items, next: bound ?? null };
    }
    const isFull = items.length > 0 && bytes + bytesOf(first.item) > maxBytes;
    if (isFull || items.length === limit) return { items, next: last };
    next.waiting.shift();
    items.push(first.item);
    bytes += bytesOf(first.item);
    last = first.order;
  }
}

async function refill<Item>(
  cursors: Cursor<Item>[],
  { ask, maxAsks, connections }: Merging<Item>,
  limit: number,
): Promise<void> {
  const fill = async (cursor: Cursor<Item>) => {
    while (cursor.more && cursor.waiting.length === 0 && cursor.asks < maxAsks) {
      cursor.asks++;
      const { items, more, after } = await ask(cursor.shard, cursor.after, limit);
      cursor.waiting = items.map(({ order, item }) => ({ order: String(order), item }));
      cursor.more = more;
      const end = after ?? items.at(-1)?.order;
      // A page that says there is more, and not where, would be asked for ever.
      if (end === undefined) cursor.more = false;
      else cursor.after = String(end);
    }
  };
  const empty = cursors.filter(({ more, waiting }) => more && waiting.length === 0);
  await sideBySide(empty, connections, fill);
}

/** The one whose first item comes first. */
function least<Item>(cursors: readonly Cursor<Item>[]): Cursor<Item> | null {
  let first: Cursor<Item> | null = null;
  for (const cursor of cursors) {
    if (cursor.waiting.length === 0) continue;
    if (!first || compareKeys(orderOf(cursor), orderOf(first)) < 0) first = cursor;
  }
  return first;
}

const orderOf = ({ waiting }: Cursor<unknown>): string => waiting[0]?.order ?? '';
