// Merges sorted sources of record blocks into one sorted stream, stable by source: equal keys come in the
// order of the sources. A binary heap of cursors; records move without awaiting, blocks with.
import type { RecordBlock } from './blocks.ts';
import { compareKeys } from './order.ts';

/** Records handed on at once. */
const BATCH_RECORDS = 2_048;

class Cursor {
  key = '';
  readonly order: number;
  #block: RecordBlock | null = null;
  #at = 0;

  constructor(order: number) {
    this.order = order;
  }

  get value(): string {
    return this.#block?.values[this.#at] ?? '';
  }

  /** Begins a block; false when it is empty. */
  load(block: RecordBlock): boolean {
    this.#block = block;
    this.#at = -1;
    return this.advance();
  }

  /** Moves to the next record of the block; false at its end. */
  advance(): boolean {
    const key = this.#block?.keys[++this.#at];
    if (key === undefined) return false;
    this.key = key;
    return true;
  }
}

class Heap {
  readonly #cursors: Cursor[] = [];

  get top(): Cursor | undefined {
    return this.#cursors[0];
  }

  push(cursor: Cursor): void {
    const cursors = this.#cursors;
    let at = cursors.push(cursor) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(cursor, cursors[parent] as Cursor)) break;
      cursors[at] = cursors[parent] as Cursor;
      at = parent;
    }
    cursors[at] = cursor;
  }

  /** The top cursor has moved on: puts it in its place. */
  settle(): void {
    const cursor = this.#cursors[0];
    if (cursor) this.#sink(cursor);
  }

  /** Takes the top cursor out: its source has ended. */
  drop(): void {
    const last = this.#cursors.pop();
    if (last && this.#cursors.length > 0) this.#sink(last);
  }

  #sink(cursor: Cursor): void {
    const cursors = this.#cursors;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= cursors.length) break;
      if (
        child + 1 < cursors.length &&
        before(cursors[child + 1] as Cursor, cursors[child] as Cursor)
      )
        child++;
      if (!before(cursors[child] as Cursor, cursor)) break;
      cursors[at] = cursors[child] as Cursor;
      at = child;
    }
    cursors[at] = cursor;
  }
}

function before(a: Cursor, b: Cursor): boolean {
  const order = compareKeys(a.key, b.key);
  return order < 0 || (order === 0 && a.order < b.order);
}

/** Merges sources in memory. */
export function* mergeSync(sources: Iterator<RecordBlock>[]): Generator<RecordBlock> {
  const heap = new Heap();
  const refill = (cursor: Cursor): boolean => {
    for (;;) {
      const next = sources[cursor.order]?.next();
      if (!next || next.done) return false;
      if (cursor.load(next.value)) return true;
    }
  };
  sources.forEach((_, order) => {
    const cursor = new Cursor(order);
    if (refill(cursor)) heap.push(cursor);
  });
  let batch: RecordBlock = { keys: [], values: [] };
  for (let cursor = heap.top; cursor; cursor = heap.top) {
    batch.keys.push(cursor.key);
    batch.values.push(cursor.value);
    if (cursor.advance() || refill(cursor)) heap.settle();
    else heap.drop();
    if (batch.keys.length >= BATCH_RECORDS) {
      yield batch;
      batch = { keys: [], values: [] };
    }
  }
  if (batch.keys.length > 0) yield batch;
}

/** Merges sources that have to be waited for. First blocks are asked for together. */
export async function* merge(sources: AsyncIterator<RecordBlock>[]): AsyncGenerator<RecordBlock> {
  const heap = new Heap();
  const refill = async (cursor: Cursor): Promise<boolean> => {
    for (;;) {
      const next = await sources[cursor.order]?.next();
      if (!next || next.done) return false;
      if (cursor.load(next.value)) return true;
    }
  };
  try {
    const cursors = sources.map((_, order) => new Cursor(order));
    const filled = await Promise.all(cursors.map(refill));
    cursors.forEach((cursor, i) => {
      if (filled[i]) heap.push(cursor);
    });
    let batch: RecordBlock = { keys: [], values: [] };
    for (let cursor = heap.top; cursor; cursor = heap.top) {
      batch.keys.push(cursor.key);
      batch.values.push(cursor.value);
      if (cursor.advance() || (await refill(cursor))) heap.settle();
      else heap.drop();
      if (batch.keys.length >= BATCH_RECORDS) {
        yield batch;
        batch = { keys: [], values: [] };
      }
    }
    if (batch.keys.length > 0) yield batch;
  } finally {
    // One failed, or the reader stopped: close the connections of the others.
    await Promise.allSettled(sources.map((source) => source.return?.()));
  }
}
