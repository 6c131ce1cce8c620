// What waits, for people to read: one key, or the longest waiting first. The order comes from the rows of what is due;
// a page looks at a bounded number of keys, and says how far it came.
import { isoTime } from '../../../shared/iso-time.ts';
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import type { WaitingKey } from '../../../shared/schemas/processor.ts';
import type { ShardPage } from '../../contracts/shard.rpc.ts';
import type { DueRows } from './due-rows.store.ts';
import { missingOf } from './join.ts';
import type { Glance, JoinStore } from './join.store.ts';
import type { JoinParts } from './parts.ts';

const TIME_DIGITS = 15;

type Sources = JoinParts['sources'];

interface Listed {
  startMs: number;
  keys: string[];
}

export class Waiting {
  readonly #store: JoinStore;
  readonly #rows: DueRows;
  readonly #sources: Sources;

  readonly #pageLooks: number;

  constructor(store: JoinStore, rows: DueRows, sources: Sources, pageLooks: number) {
    this.#pageLooks = pageLooks;
    this.#sources = sources;
    this.#store = store;
    this.#rows = rows;
  }

  key(key: string): WaitingKey | null {
    const [join] = this.#store.glance([key]);
    return join ? view({ ...join, key }, this.#store.record().types, this.#sources) : null;
  }

  page(after: string | null, missing: string | null, limit: number): ShardPage<WaitingKey> {
    const record = this.#store.record();
    const { types } = record;
    const bit = missing === null ? 0 : 1 << types.indexOf(missing);
    // No key waits for it: known without a look.
    if (missing !== null && !record.missing[types.indexOf(missing)]) {
      return { items: [], more: false };
    }
    const items: { order: string; item: WaitingKey }[] = [];
    let looks = 0;
    for (const { startMs, keys } of this.#listed(after)) {
      for (const join of this.#store.open(keys, startMs, bit)) {
        if (items.length === limit) return { items, more: true };
        items.push({ order: orderOf(startMs, join.key), item: view(join, types, this.#sources) });
      }
      looks += keys.length;
      if (looks >= this.#pageLooks) {
        return { items, more: true, after: orderOf(startMs, keys.at(-1) ?? '') };
      }
    }
    return { items, more: false };
  }

  /** Segments of all lanes, oldest first, without the keys up to `after`. */
  *#listed(after: string | null): Iterable<Listed> {
    const begin = after === null ? null : placeOf(after);
    const lanes = this.#rows.lanes('timeOut').map((lane) => {
      const segments = this.#segments(lane, begin?.startMs ?? 0);
      return { segments, head: next(segments) };
    });
    for (;;) {
      let first: (typeof lanes)[number] | null = null;
      for (const lane of lanes) {
        if (!lane.head) continue;
        if (!first?.head || lane.head.startMs < first.head.startMs) first = lane;
      }
      if (!first?.head) return;
      const { startMs, keys } = first.head;
      first.head = next(first.segments);
      if (!begin || startMs > begin.startMs) yield { startMs, keys };
      else if (startMs === begin.startMs) {
        const rest = keys.filter((key) => compareKeys(key, begin.key) > 0);
        if (rest.length > 0) yield { startMs, keys: rest };
      }
    }
  }

  *#segments(lane: number, fromMs: number): Generator<Listed> {
    for (const row of this.#rows.from('timeOut', lane, fromMs)) {
      for (const [startMs, keys] of row.segments) yield { startMs, keys };
    }
  }
}

const next = (segments: Generator<Listed>): Listed | null => {
  const { value, done } = segments.next();
  return done === true ? null : (value as Listed);
};

/** Sorts by time, then by key. */
const orderOf = (startMs: number, key: string) =>
  `${String(startMs).padStart(TIME_DIGITS, '0')}/${key}`;

const placeOf = (order: string) => ({
  startMs: Number(order.slice(0, TIME_DIGITS)) || 0,
  key: order.slice(TIME_DIGITS + 1),
});

function view(
  { key, state, sinceMs, dueMs, arrived, taken }: Glance,
  types: readonly string[],
  sources: Sources,
): WaitingKey {
  const isOver = state === 'fired' || state === 'timedOut';
  return {
    key,
    state: state === 'retrying' ? 'timedOut' : state,
    since: isoTime(sinceMs),
    dueAt: isOver ? null : isoTime(dueMs),
    arrived: taken.map(({ type, source, offset, id, atMs }) => ({
      type: types[type] ?? '',
      stream: sources[source]?.stream ?? '',
      partition: sources[source]?.partition ?? 0,
      offset,
      id,
      at: isoTime(atMs),
    })),
    missing: missingOf(arrived, types),
  };
}
