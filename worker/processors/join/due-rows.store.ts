// What is due when, in rows of many keys each: a row of its own for every key would double the price of a join. A
// lane is a span of time, so that its rows, written one after the other, are due in that order too. A key stays listed
// when it no longer waits: a reader of a row looks at the joins, and rows of keys that are gone are tidied.
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import type { JoinRecord, JoinSql } from './join.store.ts';
import type { JoinSizes } from './parts.ts';
import { countOf, packed, type Segment } from './segments.ts';

/** `retry`: its lane is the time itself. */
export type DueKind = 'timeOut' | 'retry' | 'forget';
// What is stored: append only.
const KINDS: readonly DueKind[] = ['timeOut', 'retry', 'forget'];

export interface DueRow {
  kind: DueKind;
  lane: number;
  fromMs: number;
  n: number;
  segments: Segment[];
}

interface StoredRow extends Record<string, string | number> {
  lane: number;
  fromMs: number;
  n: number;
  keys: number;
  segments: string;
}

export class DueRows {
  readonly #sql: JoinSql;

  readonly #sizes: JoinSizes;

  constructor(sql: JoinSql, sizes: JoinSizes) {
    this.#sql = sql;
    this.#sizes = sizes;
  }

  /** Of keys that all are due at the same time. */
  add(record: JoinRecord, kind: DueKind, lane: number, startMs: number, keys: string[]): void {
    if (keys.length === 0) return;
    if (kind === 'timeOut') record.listed += keys.length;
    const sorted = keys.toSorted(compareKeys);
    if (kind !== 'retry' && this.#addToLast(kind, lane, startMs, sorted)) return;
    for (const segments of packed([[startMs, sorted]], this.#sizes)) {
      this.#put({ kind, lane, fromMs: startMs, n: record.nextRow++, segments });
    }
  }

  /** The earliest of each lane, rows in order, up to what is due; all of them when `nowMs` is null. */
  *due(kind: DueKind, nowMs: number | null): Iterable<DueRow> {
    for (const lane of this.lanes(kind)) {
      for (const row of this.from(kind, lane, 0)) {
        if (nowMs !== null && this.atMs(kind, lane, row.fromMs) > nowMs) break;
        yield row;
      }
    }
  }

  /** When a row is due, or, of rows that time out, a segment. */
  atMs(kind: DueKind, lane: number, startMs: number): number {
    if (kind === 'retry') return lane;
    // Forgetting may be late: a row goes as a whole.
    return kind === 'forget' ? startMs + lane + this.#sizes.rowMs : startMs + lane;
  }

  nextDueMs(): number | null {
    const times = KINDS.flatMap((kind) =>
      this.lanes(kind).map((lane) => {
        const rows = this.#sql.each<{ fromMs: number }>(
          'SELECT min(fromMs) AS fromMs FROM due WHERE kind = ? AND lane = ?',
          KINDS.indexOf(kind),
          lane,
        );
        return this.atMs(kind, lane, [...rows][0]?.fromMs ?? 0);
      }),
    );
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Rows of one lane in order, read one by one, from the last one that begins before this time on. */
  *from(kind: DueKind, lane: number, startMs: number): Iterable<DueRow> {
    const k = KINDS.indexOf(kind);
    const begin = this.#sql.each<{ fromMs: number | null }>(
      'SELECT max(fromMs) AS fromMs FROM due WHERE kind = ? AND lane = ? AND fromMs < ?',
      k,
      lane,
      startMs,
    );
    const fromMs = [...begin][0]?.fromMs ?? 0;
    const rows = this.#sql.each<StoredRow>(
      'SELECT lane, fromMs, n, keys, segments FROM due WHERE kind = ? AND lane = ? AND fromMs >= ? ORDER BY fromMs, n',
      k,
      lane,
      fromMs,
    );
    for (const row of rows) yield rowOf(kind, row);
  }

  /** Each found by a look at its first row. A lane is a time-out, or a time of remembering, that was ever set. */
  lanes(kind: DueKind): number[] {
    const lanes: number[] = [];
    for (let last = -1; ; last = lanes.at(-1) as number) {
      const rows = this.#sql.each<{ lane: number | null }>(
        'SELECT min(lane) AS lane FROM due WHERE kind = ? AND lane > ?',
        KINDS.indexOf(kind),
        last,
      );
      const lane = [...rows][0]?.lane ?? null;
      if (lane === null) return lanes;
      lanes.push(lane);
    }
  }

  /** Puts what is left of a row in its place. */
  replace(record: JoinRecord, row: DueRow, left: Segment[]): void {
    if (row.kind === 'timeOut') record.listed += countOf(left) - countOf(row.segments);
    const [first] = left;
    if (first?.[0] !== row.fromMs) this.#drop(row);
    if (first) this.#put({ ...row, fromMs: first[0], segments: left });
  }

  /**
   * When most of the keys in rows of time-outs wait no more, some rows are written anew without them; `waits` says of
   * which keys of a segment that is not so. Each key costs a small part of a row once.
   */
  tidy(record: JoinRecord, waits: (segment: Segment) => string[]): void {
    const waiting = record.keys - record.retrying;
    if (record.listed - waiting <= Math.max(this.#sizes.staleKeys, waiting)) return;
    const rows = this.#slice(record.tidied);
    const last = rows.at(-1);
    record.tidied = last ? [last.lane, last.fromMs, last.n] : null;
    for (const [lane, ofLane] of Map.groupBy(rows, (row) => row.lane)) {
      const segments = ofLane.flatMap((row) =>
        row.segments.flatMap((segment): Segment[] => {
          const keys = waits(segment);
          return keys.length === 0 ? [] : [[segment[0], keys]];
        }),
      );
      for (const row of ofLane) this.#drop(row);
      record.listed += countOf(segments) - countOf(ofLane.flatMap((row) => row.segments));
      for (const [i, few] of packed(segments, this.#sizes).entries()) {
        const [fromMs] = few[0] as Segment;
        // No more rows than there were: their numbers are free.
        const { n } = ofLane[i] as DueRow;
        this.#put({ kind: 'timeOut', lane, fromMs, n, segments: few });
      }
    }
  }

  #slice(tidied: JoinRecord['tidied']): DueRow[] {
    const stored = this.#sql.each<StoredRow>(
      'SELECT lane, fromMs, n, keys, segments FROM due WHERE kind = 0 AND (lane, fromMs, n) > (?, ?, ?) ORDER BY lane, fromMs, n',
      ...(tidied ?? [-1, 0, 0]),
    );
    const rows: DueRow[] = [];
    let keys = 0;
    for (const row of stored) {
      rows.push(rowOf('timeOut', row));
      keys += row.keys;
      if (keys >= this.#sizes.tidyKeys) return rows;
    }
    return rows;
  }

  /** A row that is young and has room takes keys in: events that come one by one would else have a row each. */
  #addToLast(kind: DueKind, lane: number, startMs: number, keys: string[]): boolean {
    const [last] = this.#sql.each<StoredRow>(
      'SELECT lane, fromMs, n, keys, segments FROM due WHERE kind = ? AND lane = ? ORDER BY fromMs DESC, n DESC LIMIT 1',
      KINDS.indexOf(kind),
      lane,
    );
    if (!last || startMs - last.fromMs > this.#sizes.rowMs) return false;
    if (last.keys + keys.length > this.#sizes.rowKeys) return false;
    const segments = `${last.segments.slice(0, -1)},${JSON.stringify([startMs, keys])}]`;
    if (segments.length > this.#sizes.rowChars) return false;
    this.#write(kind, { ...last, keys: last.keys + keys.length, segments });
    return true;
  }

  #put({ kind, lane, fromMs, n, segments }: DueRow): void {
    const text = JSON.stringify(segments);
    this.#write(kind, { lane, fromMs, n, keys: countOf(segments), segments: text });
  }

  #write(kind: DueKind, { lane, fromMs, n, keys, segments }: StoredRow): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO due (kind, lane, fromMs, n, keys, segments) VALUES (?, ?, ?, ?, ?, ?)',
      KINDS.indexOf(kind),
      lane,
      fromMs,
      n,
      keys,
      segments,
    );
  }

  #drop({ kind, lane, fromMs, n }: DueRow): void {
    this.#sql.run(
      'DELETE FROM due WHERE kind = ? AND lane = ? AND fromMs = ? AND n = ?',
      KINDS.indexOf(kind),
      lane,
      fromMs,
      n,
    );
  }
}

const rowOf = (kind: DueKind, { lane, fromMs, n, segments }: StoredRow): DueRow => ({
  kind,
  lane,
  fromMs,
  n,
  segments: JSON.parse(segments) as Segment[],
});
