// The events of one partition: the tail's rows, the segments' index, where the log begins and ends and how much it
// holds. Memory changes after its transaction did, so that a failed one changes neither.
import type { IdHashes, IdKey } from './id-index.ts';
import { LogAttachments } from './attachments.store.ts';
import type { ClaimOf, PackedRow } from './lines.ts';
import { LOG_MIGRATIONS } from './schema.store.ts';
import type { Sql, Row } from '../../platform/sql.store.ts';
import type { LogConfig } from '../../contracts/log.rpc.ts';
import {
  decodeIndex,
  encodeIndex,
  type RowSize,
  type SegmentBounds,
  type SegmentIndex,
} from './segments.ts';

/** Fixed for a partition's life, but for the limits that a stream may change. */
export interface LogIdentity {
  config: LogConfig;
  /** The key of the hashes of event ids. */
  idKey: IdKey;
  /** Deleted, and not yet swept up. */
  forgotten: boolean;
}

/** Written now and then, and with every change of `first`. */
export interface LogState {
  /** Below this, everything is garbage. */
  first: number;
  /** The log ends here at least: rows and segments may say more. */
  next: number;
  lastAtMs: number;
  /** Claims of all events before this are held. */
  heldTo: number;
  duplicates: number;
  operations: Record<string, number>;
  /** Where readers rest. */
  places: Record<string, number>;
}

/** What the log holds. */
export interface Extent {
  next: number;
  bytes: number;
  claimEvents: number;
  claimBytes: number;
  segments: number;
  tail: { first: number; rows: number; bytes: number; oldestAtMs: number | null };
}

export interface SegmentRow extends SegmentBounds {
  firstAtMs: number;
  lastAtMs: number;
}

export interface TailRow extends RowSize {
  text: string;
}

const INDEXES_REMEMBERED = 8;
const GARBAGE_AT_ONCE = 1_000;
const SEGMENT_COLUMNS = 'first, next, bytes, firstAtMs, lastAtMs';

export class LogStore {
  readonly #sql: Sql;
  readonly attachments: LogAttachments;
  readonly #indexes = new Map<number, SegmentIndex>();
  identity: LogIdentity | null = null;
  state: LogState = emptyState();
  extent: Extent = emptyExtent();

  constructor(sql: Sql) {
    this.#sql = sql;
    this.attachments = new LogAttachments(sql);
    if (sql.empty) return;
    sql.migrate(LOG_MIGRATIONS);
    this.#load();
  }

  /** Creates the partition, or changes its limits. */
  configure(config: LogConfig, randomKey: () => IdKey): void {
    const known = this.identity;
    if (known && JSON.stringify(known.config) === JSON.stringify(config)) return;
    if (!known) this.#sql.migrate(LOG_MIGRATIONS);
    this.#saveIdentity({ config, idKey: known?.idKey ?? randomKey(), forgotten: false });
  }
  markDeleted(): void {
    if (this.identity) this.#saveIdentity({ ...this.identity, forgotten: true });
  }
  #saveIdentity(identity: LogIdentity): void {
    this.#saveMeta('identity', identity);
    this.identity = identity;
  }
  saveState(): void {
    this.#saveMeta('state', { ...this.state, next: this.extent.next });
  }
  #saveMeta(name: string, value: unknown): void {
    const query = 'INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)';
    this.#sql.run(query, name, JSON.stringify(value));
  }
  #loadMeta(name: string): string | null {
    const query = 'SELECT value FROM meta WHERE name = ?';
    return this.#sql.first<{ value: string }>(query, name)?.value ?? null;
  }

  #load(): void {
    this.#indexes.clear();
    const identity = this.#loadMeta('identity');
    const state = this.#loadMeta('state');
    this.identity = identity === null ? null : (JSON.parse(identity) as LogIdentity);
    this.state = state === null ? emptyState() : (JSON.parse(state) as LogState);
    const totals = `count(*) AS n, sum(bytes) AS bytes, sum(claimEvents) AS claimEvents, sum(claimBytes) AS claimBytes`;
    const sealed = this.#sql.first<Totals>(
      `SELECT ${totals}, max(next) AS next, max(lastAtMs) AS lastAtMs FROM segments WHERE next > ?`,
      this.state.first,
    );
    const tail = this.#sql.first<Totals & { first: number | null; oldestAtMs: number | null }>(
      `SELECT ${totals}, max(first + count) AS next, max(atMs) AS lastAtMs, min(first) AS first,
         min(atMs) AS oldestAtMs FROM rows`,
    );
    const next = Math.max(this.state.next, this.state.first, sealed?.next ?? 0, tail?.next ?? 0);
    this.state.lastAtMs = Math.max(this.state.lastAtMs, sealed?.lastAtMs ?? 0, tail?.lastAtMs ?? 0);
    this.extent = {
      next,
      bytes: (sealed?.bytes ?? 0) + (tail?.bytes ?? 0),
      claimEvents: (sealed?.claimEvents ?? 0) + (tail?.claimEvents ?? 0),
      claimBytes: (sealed?.claimBytes ?? 0) + (tail?.claimBytes ?? 0),
      segments: sealed?.n ?? 0,
      tail: {
        first: tail?.first ?? next,
        rows: tail?.n ?? 0,
        bytes: tail?.bytes ?? 0,
        oldestAtMs: tail?.oldestAtMs ?? null,
      },
    };
  }

  // --- Rows -----------------------------------------------------------------------------------------

  /** Within a transaction; `grew` follows when it succeeded. */
  insertRow(row: PackedRow, atMs: number): void {
    this.#sql.run(
      `INSERT INTO rows (first, count, bytes, atMs, claimEvents, claimBytes, tokens, ids, text)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.first,
      row.count,
      row.bytes,
      atMs,
      row.claims.length,
      claimBytes(row.claims),
      row.claims.length === 0 ? null : JSON.stringify(row.claims.map(({ token }) => token)),
      row.ids ? row.ids.buffer : null,
      row.text,
    );
  }
  grew(rows: readonly PackedRow[], atMs: number): void {
    const { extent } = this;
    for (const row of rows) {
      extent.next = row.first + row.count;
      extent.bytes += row.bytes;
      extent.claimEvents += row.claims.length;
      extent.claimBytes += claimBytes(row.claims);
      extent.tail.rows++;
      extent.tail.bytes += row.bytes;
      extent.tail.oldestAtMs ??= atMs;
    }
    this.state.lastAtMs = atMs;
  }

  /** The rows from the one that holds `from`. */
  rowsFrom(from: number): Iterable<TailRow> {
    return this.#sql.each<TailRow & Row>(
      'SELECT first, count, bytes, atMs, text FROM rows WHERE first >= ? ORDER BY first',
      this.#rowOf(from),
    );
  }
  rowSizesFrom(from: number): Iterable<RowSize> {
    return this.#sql.each<RowSize & Row>(
      'SELECT first, count, bytes, atMs FROM rows WHERE first >= ? ORDER BY first',
      this.#rowOf(from),
    );
  }
  #rowOf(offset: number): number {
    const query = 'SELECT max(first) AS first FROM rows WHERE first <= ?';
    return this.#sql.first<{ first: number | null }>(query, offset)?.first ?? offset;
  }
  /** The first row appended at or after a time. */
  rowSince(atMs: number): number | null {
    const query = 'SELECT first FROM rows WHERE atMs >= ? ORDER BY first LIMIT 1';
    return this.#sql.first<{ first: number }>(query, atMs)?.first ?? null;
  }
  *textsOf(rows: readonly RowSize[]): Iterable<string> {
    const [first, last] = [rows[0], rows.at(-1)];
    if (!first || !last) return;
    const query = 'SELECT text FROM rows WHERE first >= ? AND first <= ? ORDER BY first';
    for (const { text } of this.#sql.each<{ text: string }>(query, first.first, last.first)) {
      yield text;
    }
  }

  // --- Segments -------------------------------------------------------------------------------------

  /** In one transaction the rows become a segment. */
  commitSegment(bounds: SegmentBounds, rows: readonly RowSize[], index: SegmentIndex): void {
    const { first, next, bytes } = bounds;
    const { ids, tokens, ...claims } = this.attachments.gather(first, next);
    const oldestAtMs = this.#sql.transaction(() => {
      this.#sql.run(
        `INSERT INTO segments (${SEGMENT_COLUMNS}, claimEvents, claimBytes, "index") VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        first,
        next,
        bytes,
        rows[0]?.atMs ?? 0,
        rows.at(-1)?.atMs ?? 0,
        claims.claimEvents,
        claims.claimBytes,
        encodeIndex(index),
      );
      this.attachments.insertIds(first, ids);
      this.attachments.insertTokens(
        first,
        tokens.flatMap((row) => row.tokens),
      );
      this.#sql.run('DELETE FROM rows WHERE first < ?', next);
      const oldest = 'SELECT atMs FROM rows ORDER BY first LIMIT 1';
      return this.#sql.first<{ atMs: number }>(oldest)?.atMs ?? null;
    });
    const { tail } = this.extent;
    this.extent.segments++;
    tail.first = next;
    tail.rows -= rows.length;
    tail.bytes -= bytes;
    tail.oldestAtMs = oldestAtMs;
  }

  /** The segment that holds `offset`. */
  segmentOf(offset: number): SegmentRow | null {
    const row = this.#sql.first<SegmentRow & Row>(
      `SELECT ${SEGMENT_COLUMNS} FROM segments WHERE first <= ? ORDER BY first DESC LIMIT 1`,
      offset,
    );
    return row && row.next > offset ? row : null;
  }
  /** Segments with events at or after `from`. */
  segmentsFrom(from: number, limit: number): SegmentRow[] {
    return this.#sql.all<SegmentRow & Row>(
      `SELECT ${SEGMENT_COLUMNS} FROM segments WHERE first >= ? ORDER BY first LIMIT ?`,
      this.segmentOf(from)?.first ?? from,
      limit,
    );
  }
  /** The first segment with an event appended at or after a time. */
  segmentSince(atMs: number): SegmentRow | null {
    return this.#sql.first<SegmentRow & Row>(
      `SELECT ${SEGMENT_COLUMNS} FROM segments WHERE lastAtMs >= ? AND next > ? ORDER BY first LIMIT 1`,
      atMs,
      this.state.first,
    );
  }
  indexOf(first: number): SegmentIndex {
    const known = this.#indexes.get(first);
    if (known) return known;
    const query = 'SELECT "index" FROM segments WHERE first = ?';
    const row = this.#sql.first<{ index: string }>(query, first);
    if (!row) throw new Error(`there is no segment at ${first}`);
    const index = decodeIndex(row.index);
    const oldest = this.#indexes.keys().next();
    if (this.#indexes.size >= INDEXES_REMEMBERED && !oldest.done)
      this.#indexes.delete(oldest.value);
    this.#indexes.set(first, index);
    return index;
  }

  // --- The beginning moves --------------------------------------------------------------------------

  /**
   * The log begins at `first` from now on. Rows before it go at once, segments are garbage, and the claims of both
   * wait to be released. Answers the hashes of the ids that went.
   */
  advance(first: number): IdHashes[] {
    const before = this.state;
    try {
      return this.#sql.transaction(() => {
        const { ids, tokens } = this.attachments.gather(0, first);
        for (const row of tokens) this.attachments.insertTokens(row.first, row.tokens);
        this.#sql.run('DELETE FROM rows WHERE first < ?', first);
        ids.push(...this.attachments.takeIdsBefore(first));
        this.state = { ...before, first, heldTo: Math.max(before.heldTo, first) };
        this.saveState();
        this.#load();
        return ids;
      });
    } catch (error) {
      this.state = before;
      throw error;
    }
  }

  /** Segments before the log's beginning, whose objects are to be deleted. */
  garbage(): number[] {
    const query = 'SELECT first FROM segments WHERE next <= ? ORDER BY first LIMIT ?';
    return this.#sql
      .all<{ first: number }>(query, this.state.first, GARBAGE_AT_ONCE)
      .map(({ first }) => first);
  }
  deleteSegments(firsts: readonly number[]): void {
    const last = firsts.at(-1);
    if (last !== undefined) this.#sql.run('DELETE FROM segments WHERE first <= ?', last);
  }
}

interface Totals extends Row {
  n: number;
  next: number | null;
  bytes: number | null;
  claimEvents: number | null;
  claimBytes: number | null;
  lastAtMs: number | null;
}

const emptyState = (): LogState => ({
  first: 0,
  next: 0,
  lastAtMs: 0,
  heldTo: 0,
  duplicates: 0,
  operations: {},
  places: {},
});

const emptyExtent = (): Extent => ({
  next: 0,
  bytes: 0,
  claimEvents: 0,
  claimBytes: 0,
  segments: 0,
  tail: { first: 0, rows: 0, bytes: 0, oldestAtMs: null },
});

const claimBytes = (claims: readonly ClaimOf[]) =>
  claims.reduce((sum, { bytes }) => sum + bytes, 0);
