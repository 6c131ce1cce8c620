// The table of joins: one row per key, so that an event costs one row written; and one row of counts, so that what waits
// for what is known without looking at all of it. Nothing is kept in memory: what is not committed never was.
import { type Join, type JoinState, missingOf, type Taken } from './join.ts';
import type { JoinRules } from '../../../shared/schemas/processor.ts';

/** `lines` come last: reading the rest does not touch their pages. */
export const JOIN_MIGRATIONS = [
  {
    id: 'joins-1',
    sql: `
      CREATE TABLE waiting (key TEXT PRIMARY KEY, state INTEGER NOT NULL, sinceMs INTEGER NOT NULL,
        dueMs INTEGER NOT NULL, arrived INTEGER NOT NULL, bytes INTEGER NOT NULL, head TEXT NOT NULL,
        lines TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE due (kind INTEGER NOT NULL, lane INTEGER NOT NULL, fromMs INTEGER NOT NULL, n INTEGER NOT NULL,
        keys INTEGER NOT NULL, segments TEXT NOT NULL, PRIMARY KEY (kind, lane, fromMs, n)) WITHOUT ROWID;
      CREATE TABLE joinRecord (id INTEGER PRIMARY KEY, record TEXT NOT NULL);
    `,
  },
];

type Value = string | number | null;

/** Statements on a DO's SQLite; tests bring their own. */
export interface JoinSql {
  /** Nothing may be written while this is read. */
  each<Row extends Record<string, Value>>(query: string, ...bindings: Value[]): Iterable<Row>;
  run(query: string, ...bindings: Value[]): void;
}

/** Counts, and what rows are numbered with. */
export interface JoinRecord {
  /** The order of the bits of `arrived`. */
  types: string[];
  tickMs: number;
  /** Keys whose events are held: they wait, or timed out and are tried again. */
  keys: number;
  /** Of these, those that timed out. */
  retrying: number;
  bytes: number;
  /** By type: the keys that wait for it. */
  missing: number[];
  /** The number of the next row of due keys. */
  nextRow: number;
  /** Keys in the rows of those that wait, also those that wait no more. */
  listed: number;
  /** How far these rows were tidied; null: from the first on. */
  tidied: [lane: number, fromMs: number, n: number] | null;
}

/** A join before and after. Null: there is none. */
export interface JoinChange {
  key: string;
  before: Join | null;
  after: Join | null;
}

/** A join without its events' lines. */
export type Glance = Omit<Join, 'lines'>;

// What is stored: append only.
const STATES: readonly JoinState[] = ['waiting', 'fired', 'timedOut', 'retrying'];
const RULES: readonly JoinRules['onTimeout'][] = ['emit-partial', 'dead-letter', 'drop'];
type Head = [
  onTimeout: number,
  rememberMs: number,
  attempts: number,
  lost: 0 | 1,
  taken: [type: number, source: number, offset: number, id: string, atMs: number][],
];
interface GlanceRow extends Record<string, Value> {
  key: string;
  state: number;
  sinceMs: number;
  dueMs: number;
  arrived: number;
  bytes: number;
  head: string;
}

const GLANCE =
  'w.key AS key, w.state AS state, w.sinceMs AS sinceMs, w.dueMs AS dueMs, w.arrived AS arrived, w.bytes AS bytes, w.head AS head';
/** CROSS JOIN: the keys one by one, each looked up. */
const OF_KEYS = 'FROM json_each(?) AS j CROSS JOIN waiting AS w ON w.key = j.value';

export class JoinStore {
  readonly #sql: JoinSql;
  readonly #types: string[];

  constructor(sql: JoinSql, types: readonly string[]) {
    this.#sql = sql;
    this.#types = [...types];
  }

  record(): JoinRecord {
    const rows = [...this.#sql.each<{ record: string }>('SELECT record FROM joinRecord')];
    const record = rows[0] ? (JSON.parse(rows[0].record) as JoinRecord) : null;
    return (
      record ?? {
        types: this.#types,
        tickMs: 0,
        keys: 0,
        retrying: 0,
        bytes: 0,
        missing: this.#types.map(() => 0),
        nextRow: 0,
        listed: 0,
        tidied: null,
      }
    );
  }

  save(record: JoinRecord): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO joinRecord (id, record) VALUES (1, ?)',
      JSON.stringify(record),
    );
  }

  /**
   * The joins of some keys, until their events are more than `maxBytes`; the first is always among them. `looked`: so
   * many of the keys were looked up.
   */
  read(keys: readonly string[], maxBytes: number): { joins: Map<string, Join>; looked: number } {
    const rows = this.#sql.each<GlanceRow & { place: number; lines: string }>(
      `SELECT j.key AS place, ${GLANCE}, w.lines AS lines ${OF_KEYS}`,
      JSON.stringify(keys),
    );
    const joins = new Map<string, Join>();
    let bytes = 0;
    for (const row of rows) {
      bytes += row.bytes;
      if (bytes > maxBytes && joins.size > 0) return { joins, looked: row.place };
      const lines = row.lines === '' ? [] : row.lines.split('\n');
      joins.set(keys[row.place] as string, { ...glanceOf(row), lines });
    }
    return { joins, looked: keys.length };
  }

  /** Of keys that are not there nothing comes. */
  glance(keys: readonly string[]): Glance[] {
    const rows = this.#sql.each<GlanceRow>(`SELECT ${GLANCE} ${OF_KEYS}`, JSON.stringify(keys));
    return [...rows].map(glanceOf);
  }

  /** Of these keys, those that wait since then, and whose `arrived` has none of these bits. */
  open(keys: readonly string[], startMs: number, bits = 0): Glance[] {
    const rows = this.#sql.each<GlanceRow>(
      `SELECT ${GLANCE} ${OF_KEYS} WHERE w.state = 0 AND w.sinceMs = ? AND (w.arrived & ?) = 0`,
      JSON.stringify(keys),
      startMs,
      bits,
    );
    return [...rows].map(glanceOf);
  }

  /** Writes joins, and counts them in the record, which the caller saves. */
  write(changes: Iterable<JoinChange>, record: JoinRecord): void {
    const gone: string[] = [];
    for (const { key, before, after } of changes) {
      if (before) count(record, before, -1);
      if (after) {
        count(record, after, 1);
        this.#put(after);
      } else if (before) {
        gone.push(key);
      }
    }
    if (gone.length > 0) {
      this.#sql.run(
        'DELETE FROM waiting WHERE key IN (SELECT value FROM json_each(?))',
        JSON.stringify(gone),
      );
    }
  }

  /** Forgets joins that ended at this time. */
  forget(keys: readonly string[], endedMs: number): void {
    this.#sql.run(
      'DELETE FROM waiting WHERE key IN (SELECT value FROM json_each(?)) AND state IN (1, 2) AND sinceMs = ?',
      JSON.stringify(keys),
      endedMs,
    );
  }

  #put(join: Join): void {
    const head: Head = [
      RULES.indexOf(join.onTimeout),
      join.rememberMs,
      join.attempts,
      join.lost ? 1 : 0,
      join.taken.map(({ type, source, offset, id, atMs }) => [type, source, offset, id, atMs]),
    ];
    this.#sql.run(
      'INSERT OR REPLACE INTO waiting (key, state, sinceMs, dueMs, arrived, bytes, head, lines) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      join.key,
      STATES.indexOf(join.state),
      join.sinceMs,
      join.dueMs,
      join.arrived,
      join.bytes,
      JSON.stringify(head),
      join.lines.join('\n'),
    );
  }
}

function glanceOf(row: GlanceRow): Glance {
  const [onTimeout, rememberMs, attempts, lost, taken] = JSON.parse(row.head) as Head;
  return {
    key: row.key,
    state: STATES[row.state] as JoinState,
    sinceMs: row.sinceMs,
    dueMs: row.dueMs,
    arrived: row.arrived,
    bytes: row.bytes,
    onTimeout: RULES[onTimeout] as JoinRules['onTimeout'],
    rememberMs,
    attempts,
    lost: lost === 1,
    taken: taken.map(([type, source, offset, id, atMs]): Taken => ({
      type,
      source,
      offset,
      id,
      atMs,
    })),
  };
}

function count(record: JoinRecord, join: Join, sign: 1 | -1): void {
  if (join.state !== 'waiting' && join.state !== 'retrying') return;
  record.keys += sign;
  record.bytes += sign * join.bytes;
  if (join.state === 'retrying') {
    record.retrying += sign;
    return;
  }
  for (const type of missingOf(join.arrived, record.types)) {
    const place = record.types.indexOf(type);
    record.missing[place] = (record.missing[place] ?? 0) + sign;
  }
}
