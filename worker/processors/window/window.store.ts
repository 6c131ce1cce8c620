// The tables of open windows, and every statement on them. A window is one row, written once a batch that touches it.
// When windows end is packed: rows list many of them, sorted by end, and a session whose end moved is looked up when the
// end that is listed is due; so an event that prolongs a session writes nothing here.
import {
  EVENT_WINDOW_ENDS_PER_ROW,
  EVENT_WINDOW_ENDS_ROWS,
  TEXT_PIECE_MAX_CHARS,
} from '../../../shared/limits.ts';
import { jsonLists } from '../../platform/json-lists.ts';
import type { EventClock } from './watermark.ts';
import type { FullWindow, NewWindow, KeyWindow, WindowId } from './window.ts';

type SqlValue = string | number | null;
export type SqlRow = Record<string, SqlValue>;

/** What is needed of a database; tests bring their own. */
export interface WindowSql {
  all<Row extends SqlRow>(query: string, ...bindings: SqlValue[]): Row[];
  run(query: string, ...bindings: SqlValue[]): void;
  transaction<Result>(work: () => Result): Result;
}

export const WINDOW_MIGRATIONS = [
  {
    id: 'panes-1',
    // What is short comes first: looking at it does not touch the pages of large values.
    sql: `
      CREATE TABLE panes (key TEXT NOT NULL, startMs INTEGER NOT NULL, endMs INTEGER NOT NULL, count INTEGER NOT NULL,
        bytes INTEGER NOT NULL, source INTEGER NOT NULL, offset INTEGER NOT NULL, value TEXT, last TEXT NOT NULL,
        PRIMARY KEY (key, startMs)) WITHOUT ROWID;
      CREATE TABLE ends (firstMs INTEGER NOT NULL, part INTEGER NOT NULL, lastMs INTEGER NOT NULL, count INTEGER NOT NULL,
        list TEXT NOT NULL, PRIMARY KEY (firstMs, part)) WITHOUT ROWID;
      CREATE TABLE retries (atMs INTEGER NOT NULL, part INTEGER NOT NULL, attempts INTEGER NOT NULL, list TEXT NOT NULL,
        PRIMARY KEY (atMs, part)) WITHOUT ROWID;
      CREATE TABLE windowing (one INTEGER PRIMARY KEY, record TEXT NOT NULL);
    `,
  },
];

/** The one row that is no window. */
export interface WindowRecord {
  clock: EventClock;
  /** Open windows, and the bytes in them. */
  panes: number;
  bytes: number;
  /** Numbers the rows of `ends` and `retries`. */
  part: number;
  /** The shard was not read for when this was written. */
  paused: boolean;
}

/** A window, and when it ends as far as was known when this was written: never later than it does. */
export type End = [key: string, startMs: number, endMs: number];

export interface EndsRow {
  firstMs: number;
  part: number;
  list: End[];
}

/** Windows whose closing failed so often, and when it is tried again. */
export interface RetryRow {
  atMs: number;
  part: number;
  attempts: number;
  panes: WindowId[];
}

const META =
  'p.key AS key, p.startMs AS startMs, p.endMs AS endMs, p.count AS count, p.bytes AS bytes, p.source AS source, p.offset AS offset';
/** CROSS JOIN: the order of what is asked for is kept. */
const ASKED =
  'FROM json_each(?) AS k CROSS JOIN panes AS p WHERE p.key = k.value ->> 0 AND p.startMs = k.value ->> 1';

const COLUMNS = 'key, startMs, endMs, count, bytes, source, offset, value, last';
const columnsOf = ({ key, startMs, endMs, count, bytes, source, offset, value, last }: NewWindow) =>
  [key, startMs, endMs, count, bytes, source, offset, value, last] as const;

/** `WHERE true`: without it ON would be read as a join's. */
const PACKED_PANES = `SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8 FROM json_each(?) WHERE true`;

/** A window that is there is replaced, or gets a value behind its own. */
const putQuery = (rows: string, appends: boolean) => `INSERT INTO panes (${COLUMNS}) ${rows}
  ON CONFLICT (key, startMs) DO UPDATE SET endMs = excluded.endMs, count = excluded.count, bytes = excluded.bytes,
    source = excluded.source, offset = excluded.offset, last = excluded.last,
    value = ${appends ? 'panes.value || char(10) || excluded.value' : 'excluded.value'}`;

const EMPTY: WindowRecord = {
  clock: { watermarkMs: null, sources: [] },
  panes: 0,
  bytes: 0,
  part: 0,
  paused: false,
};

export class WindowStore {
  readonly #sql: WindowSql;
  #saved = '';
  #record: WindowRecord;

  /** The tables are there (WINDOW_MIGRATIONS). */
  constructor(sql: WindowSql) {
    this.#sql = sql;
    const row = sql.all<{ record: string }>('SELECT record FROM windowing WHERE one = 1')[0];
    if (row) this.#saved = row.record;
    this.#record = row ? (JSON.parse(row.record) as WindowRecord) : EMPTY;
  }

  transaction<Result>(work: () => Result): Result {
    return this.#sql.transaction(work);
  }

  get record(): WindowRecord {
    return this.#record;
  }

  /** To be saved with whatever else changes. */
  note(changed: Partial<WindowRecord>): void {
    this.#record = { ...this.#record, ...changed };
  }

  /** Whatever was noted, and this. */
  save(changed: Partial<WindowRecord>): void {
    this.note(changed);
    const text = JSON.stringify(this.#record);
    if (text === this.#saved) return;
    this.#sql.run('INSERT OR REPLACE INTO windowing (one, record) VALUES (1, ?)', text);
    this.#saved = text;
  }

  // --- Windows ------------------------------------------------------------------------------------------

  windowsAt(ids: Iterable<WindowId>): KeyWindow[] {
    return this.#asked<WindowRow>(`SELECT ${META} ${ASKED}`, ids);
  }

  windowsWithValues(ids: Iterable<WindowId>): FullWindow[] {
    return this.#asked<FullRow>(`SELECT ${META}, p.value AS value ${ASKED}`, ids);
  }

  lastOf({ key, startMs }: WindowId): string {
    const query = 'SELECT last FROM panes WHERE key = ? AND startMs = ?';
    return this.#sql.all<{ last: string }>(query, key, startMs)[0]?.last ?? '';
  }

  #asked<Row extends SqlRow>(query: string, ids: Iterable<WindowId>): Row[] {
    return [...jsonLists(ids, idText)].flatMap((piece) => this.#sql.all<Row>(query, piece));
  }

  /** All the windows of these keys, each key's in order. */
  windowsOf(keys: Iterable<string>): KeyWindow[] {
    return [...jsonLists(keys, (key) => JSON.stringify(key))].flatMap((piece) =>
      this.#sql.all<WindowRow>(
        `SELECT ${META} FROM json_each(?) AS k CROSS JOIN panes AS p WHERE p.key = k.value ORDER BY p.key, p.startMs`,
        piece,
      ),
    );
  }

  put(panes: readonly NewWindow[]): void {
    for (const appends of [false, true]) {
      const packed: string[] = [];
      for (const pane of panes) {
        if (pane.appends !== appends) continue;
        const row = [...columnsOf(pane)];
        const chars = (pane.value?.length ?? 0) + pane.last.length;
        // As JSON within JSON a text may double; large ones are parameters of their own.
        if (chars <= TEXT_PIECE_MAX_CHARS / 4) packed.push(JSON.stringify(row));
        else this.#sql.run(putQuery('VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', appends), ...row);
      }
      for (const piece of jsonLists(packed, (row) => row)) {
        this.#sql.run(putQuery(PACKED_PANES, appends), piece);
      }
    }
  }

  drop(ids: Iterable<WindowId>): void {
    for (const piece of jsonLists(ids, idText)) {
      this.#sql.run(
        'DELETE FROM panes WHERE (key, startMs) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))',
        piece,
      );
    }
  }

  // --- When they end ------------------------------------------------------------------------------------

  firstEndMs(): number | null {
    return (
      this.#sql.all<{ at: number | null }>('SELECT min(firstMs) AS at FROM ends')[0]?.at ?? null
    );
  }

  /** Windows that surely end by then: those of rows of which none ends later. */
  endingBy(endMs: number): number {
    const query = 'SELECT sum(count) AS n FROM ends WHERE firstMs <= ?1 AND lastMs <= ?1';
    return this.#sql.all<{ n: number | null }>(query, finite(endMs))[0]?.n ?? 0;
  }

  /** The first rows that list a window which ends by then. */
  endsBy(endMs: number): EndsRow[] {
    const query = `SELECT firstMs, part, list FROM ends WHERE firstMs <= ? ORDER BY firstMs, part LIMIT ${EVENT_WINDOW_ENDS_ROWS}`;
    return this.#sql.all<EndsTextRow>(query, finite(endMs)).map(endsRow);
  }

  /** Rows from here on that list a window which ends at `fromMs` or later, in order of their first end. */
  endsAfter(fromMs: number, row: { firstMs: number; part: number } | null): EndsRow[] {
    const query = `SELECT firstMs, part, list FROM ends WHERE (firstMs, part) > (?, ?) AND lastMs >= ?
       ORDER BY firstMs, part LIMIT ${EVENT_WINDOW_ENDS_ROWS}`;
    const { firstMs, part } = row ?? { firstMs: Number.MIN_SAFE_INTEGER, part: 0 };
    return this.#sql.all<EndsTextRow>(query, firstMs, part, finite(fromMs)).map(endsRow);
  }

  dropEnds(rows: readonly EndsRow[]): void {
    const ids = JSON.stringify(rows.map(({ firstMs, part }) => [firstMs, part]));
    this.#sql.run(
      'DELETE FROM ends WHERE (firstMs, part) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))',
      ids,
    );
  }

  /** In few rows. The record is to be saved afterwards. */
  addEnds(ends: readonly End[]): void {
    const sorted = ends.toSorted((a, b) => a[2] - b[2]);
    let { part } = this.#record;
    for (const list of endLists(sorted)) {
      this.#sql.run(
        'INSERT INTO ends (firstMs, part, lastMs, count, list) VALUES (?, ?, ?, ?, ?)',
        (list[0] as End)[2],
        part++,
        (list.at(-1) as End)[2],
        list.length,
        JSON.stringify(list),
      );
    }
    this.note({ part });
  }

  // --- Whose closing failed ---------------------------------------------------------------------------

  firstRetry(): RetryRow | null {
    const query = 'SELECT atMs, part, attempts, list FROM retries ORDER BY atMs, part LIMIT 1';
    const row = this.#sql.all<{ atMs: number; part: number; attempts: number; list: string }>(
      query,
    )[0];
    if (!row) return null;
    const { list, ...rest } = row;
    const panes = (JSON.parse(list) as [string, number][]).map(([key, startMs]) => ({
      key,
      startMs,
    }));
    return { ...rest, panes };
  }

  dropRetry({ atMs, part }: RetryRow): void {
    this.#sql.run('DELETE FROM retries WHERE atMs = ? AND part = ?', atMs, part);
  }

  /** The record is to be saved afterwards. */
  addRetry({ atMs, attempts, panes }: Omit<RetryRow, 'part'>): void {
    const { part } = this.#record;
    const list = `[${panes.map(idText).join()}]`;
    const query = 'INSERT INTO retries (atMs, part, attempts, list) VALUES (?, ?, ?, ?)';
    this.#sql.run(query, atMs, part, attempts, list);
    this.note({ part: part + 1 });
  }
}

type WindowRow = KeyWindow & SqlRow;
type FullRow = FullWindow & SqlRow;
type EndsTextRow = { firstMs: number; part: number; list: string };

const endsRow = ({ firstMs, part, list }: EndsTextRow): EndsRow => ({
  firstMs,
  part,
  list: JSON.parse(list) as End[],
});

const idText = ({ key, startMs }: WindowId) => JSON.stringify([key, startMs]);

/** SQLite has infinities, JSON parameters of the platform have not. */
const finite = (ms: number) =>
  Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, ms));

function* endLists(sorted: readonly End[]): Iterable<End[]> {
  let list: End[] = [];
  let chars = 0;
  for (const end of sorted) {
    if (list.length === EVENT_WINDOW_ENDS_PER_ROW || chars > TEXT_PIECE_MAX_CHARS / 2) {
      yield list;
      list = [];
      chars = 0;
    }
    list.push(end);
    chars += end[0].length + 40;
  }
  if (list.length > 0) yield list;
}
