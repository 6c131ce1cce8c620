// The tables of states, and every statement on them. A key's write is one row; what is short comes before the state,
// so that a sweep over a million large states never touches their overflow pages.
import { isoTime } from '../../../shared/iso-time.ts';
import { STATE_LISTED_MAX_BYTES, STATE_PAGE_BYTES } from '../../../shared/limits.ts';
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import type { Json } from '../../../shared/schemas/common.ts';
import type { StateEntry } from '../../../shared/schemas/processor.ts';
import type { ShardPage } from '../../contracts/shard.rpc.ts';
import { jsonLists } from '../../platform/json-lists.ts';
import type { Sql } from '../../platform/sql.store.ts';
import type { StoredState } from '../../contracts/state.rpc.ts';
import { type Held, NO_TOTALS, type Slice, type States, type Totals } from './states.ts';

/** As JSON within JSON a state may double: larger ones are parameters of their own. */
const PACKED_STATE_MAX_CHARS = 100_000;

const MIGRATIONS = [
  {
    id: 'states-1',
    sql: `
      CREATE TABLE states (key TEXT PRIMARY KEY, expiresMs INTEGER, ttlMs INTEGER, changedMs INTEGER NOT NULL,
        bytes INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE totals (one INTEGER PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL,
        expiring INTEGER NOT NULL, sweepAtMs INTEGER);
    `,
  },
];

const NO_KEYS: Slice = {
  keys: 0,
  last: null,
  dead: 0,
  deadBytes: 0,
  nextExpiryMs: null,
  shortestMs: null,
};

type HeldRow = Held & Record<string, SqlStorageValue>;
type TotalsRow = Totals & Record<string, SqlStorageValue>;
type SliceRow = Slice & Record<string, SqlStorageValue>;
interface StateRow extends Record<string, SqlStorageValue> {
  key: string;
  expiresMs: number | null;
  changedMs: number;
  bytes: number;
  /** Null: too large for a list. */
  state: string | null;
}

export class StateStore implements States {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.migrate(MIGRATIONS);
  }

  // --- For the operator -----------------------------------------------------------------------------

  totals(): Totals {
    const query = 'SELECT keys, bytes, expiring, sweepAtMs FROM totals WHERE one = 1';
    return this.#sql.first<TotalsRow>(query) ?? { ...NO_TOTALS };
  }

  *read(keys: string[]): Iterable<Held> {
    for (const piece of jsonLists(keys, (key) => JSON.stringify(key))) {
      // CROSS JOIN: the keys' order is kept.
      yield* this.#sql.each<HeldRow>(
        `SELECT s.key AS key, s.expiresMs AS expiresMs, s.ttlMs AS ttlMs, s.bytes AS bytes, s.state AS state
         FROM json_each(?) AS k CROSS JOIN states AS s WHERE s.key = k.value`,
        piece,
      );
    }
  }

  look(after: string | null, limit: number, nowMs: number): Slice {
    const slice = this.#sql.first<SliceRow>(
      `SELECT count(*) AS keys, max(key) AS last,
         count(CASE WHEN expiresMs <= ?1 THEN 1 END) AS dead,
         coalesce(sum(CASE WHEN expiresMs <= ?1 THEN bytes END), 0) AS deadBytes,
         min(CASE WHEN expiresMs > ?1 THEN expiresMs END) AS nextExpiryMs,
         min(CASE WHEN expiresMs > ?1 THEN expiresMs - changedMs END) AS shortestMs
       FROM (SELECT key, expiresMs, changedMs, bytes FROM states WHERE ${from(after)} ?2 ORDER BY key LIMIT ?3)`,
      nowMs,
      after ?? '',
      limit,
    );
    return slice ?? NO_KEYS;
  }

  write(puts: Held[], drops: string[], totals: Totals, nowMs: number): void {
    const isPacked = ({ state }: Held) => state.length <= PACKED_STATE_MAX_CHARS;
    const rows = jsonLists(puts.filter(isPacked), ({ key, expiresMs, ttlMs, bytes, state }) =>
      JSON.stringify([key, expiresMs, ttlMs, bytes, state]),
    );
    for (const piece of rows) {
      this.#sql.run(
        `INSERT OR REPLACE INTO states (key, expiresMs, ttlMs, changedMs, bytes, state)
         SELECT value ->> 0, value ->> 1, value ->> 2, ?, value ->> 3, value ->> 4 FROM json_each(?)`,
        nowMs,
        piece,
      );
    }
    for (const put of puts) if (!isPacked(put)) this.#writeOne(put, nowMs);
    for (const piece of jsonLists(drops, (key) => JSON.stringify(key))) {
      this.#sql.run('DELETE FROM states WHERE key IN (SELECT value FROM json_each(?))', piece);
    }
    this.#writeTotals(totals);
  }

  #writeOne({ key, expiresMs, ttlMs, bytes, state }: Held, nowMs: number): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO states (key, expiresMs, ttlMs, changedMs, bytes, state) VALUES (?, ?, ?, ?, ?, ?)',
      key,
      expiresMs,
      ttlMs,
      nowMs,
      bytes,
      state,
    );
  }

  sweep(after: string | null, last: string, totals: Totals, nowMs: number): void {
    this.#sql.run(
      `DELETE FROM states WHERE ${from(after)} ? AND key <= ? AND expiresMs <= ?`,
      after ?? '',
      last,
      nowMs,
    );
    this.#writeTotals(totals);
  }

  #writeTotals({ keys, bytes, expiring, sweepAtMs }: Totals): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO totals (one, keys, bytes, expiring, sweepAtMs) VALUES (1, ?, ?, ?, ?)',
      keys,
      bytes,
      expiring,
      sweepAtMs,
    );
  }

  // --- For readers ----------------------------------------------------------------------------------

  state(key: string, nowMs: number): StoredState | null {
    const row = this.#sql.first<StateRow>(
      `SELECT key, expiresMs, changedMs, bytes, state FROM states WHERE key = ? AND ${LIVES}`,
      key,
      nowMs,
    );
    if (!row || row.state === null) return null;
    const { state, bytes, changedMs, expiresMs } = row;
    return { state, bytes, changedAtMs: changedMs, expiresAtMs: expiresMs };
  }

  /** In order of the keys' bytes; ends early where the page is full. */
  states(
    after: string | null,
    prefix: string,
    limit: number,
    whole: boolean,
    nowMs: number,
  ): ShardPage<StateEntry> {
    const page: ShardPage<StateEntry> = { items: [], more: false };
    let bytes = 0;
    // One bound only: of two, SQLite would seek by the first and filter by the other.
    const behind = after !== null && compareKeys(after, prefix) >= 0 ? after : null;
    const rows = this.#sql.each<StateRow>(
      `SELECT key, expiresMs, changedMs, bytes, CASE WHEN bytes <= ? THEN state END AS state FROM states
       WHERE ${from(behind)} ? AND ${LIVES} ORDER BY key LIMIT ?`,
      whole ? Number.MAX_SAFE_INTEGER : STATE_LISTED_MAX_BYTES,
      behind ?? prefix,
      nowMs,
      limit + 1,
    );
    for (const row of rows) {
      if (!row.key.startsWith(prefix)) break;
      bytes += row.key.length + (row.state?.length ?? 0);
      page.more =
        page.items.length === limit || (bytes > STATE_PAGE_BYTES && page.items.length > 0);
      if (page.more) break;
      page.items.push({ order: row.key, item: entryOf(row) });
    }
    return page;
  }
}

const LIVES = '(expiresMs IS NULL OR expiresMs > ?)';

/** No key is before the empty one, which may be a key itself. */
const from = (after: string | null) => (after === null ? 'key >=' : 'key >');

function entryOf({ key, state, bytes, changedMs, expiresMs }: StateRow): StateEntry {
  return {
    key,
    state: state === null ? null : (JSON.parse(state) as Json),
    bytes,
    changedAt: isoTime(changedMs),
    expiresAt: expiresMs === null ? null : isoTime(expiresMs),
  };
}
