// Every statement on the tables of one partition, and what follows from them: where the log begins and ends, and
// how much it holds. Memory changes after its transaction did, so that a failed one changes neither.
import type { Operation } from '../../shared/pricing.ts';
import type { StreamBell } from '../platform/env.ts';
import { migrate } from '../platform/migrations.ts';
import type { IdHashes, IdKey } from './id-index.ts';
import type { ClaimOf, PackedRow } from './log-lines.ts';
import { LOG_MIGRATIONS } from './log-schema.ts';
import type { LogConfig } from './log.rpc.ts';
import {
  decodeIndex,
  encodeIndex,
  type RowSize,
  type SegmentBounds,
  type SegmentIndex,
} from './segments.ts';

/** What of a DO's storage is needed; tests bring their own. */
export interface LogStorage {
  sql: SqlStorage;
  transactionSync<Result>(work: () => Result): Result;
}

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

export interface SubscriberRow {
  reader: string;
  bell: StreamBell;
  begin: number;
}

export interface Pin {
  holder: string;
  first: number;
  next: number;
  untilMs: number;
}

type Row = Record<string, SqlStorageValue>;

/** Blobs and token lists are cut below the platform's 2 MB a value. */
const CHUNK_HASHES = 2 * 65_536;
const CHUNK_TOKENS = 8_192;
const INDEXES_REMEMBERED = 8;
const GARBAGE_AT_ONCE = 1_000;

export class LogStore {
  readonly #storage: LogStorage;
  readonly operations: Record<Operation, number>;
  readonly #indexes = new Map<number, SegmentIndex>();
  identity: LogIdentity | null = null;
  state: LogState = emptyState();
  extent: Extent = emptyExtent(0);

  constructor(storage: LogStorage, operations: Record<Operation, number>) {
    this.#storage = storage;
    this.operations = operations;
    // An object that nobody configured must not come to have a database by being asked.
    if (this.#all("SELECT name FROM sqlite_master WHERE name = 'migrations'").length > 0) {
      migrate(storage as DurableObjectStorage, LOG_MIGRATIONS);
      this.load();
    }
  }

  // --- Itself ---------------------------------------------------------------------------------------

  /** Creates the partition, or changes its limits. */
  configure(config: LogConfig, randomKey: () => IdKey): void {
    const known = this.identity;
    if (known && JSON.stringify(known.config) === JSON.stringify(config)) return;
    if (!known) migrate(this.#storage as DurableObjectStorage, LOG_MIGRATIONS);
    this.#saveIdentity({ config, idKey: known?.idKey ?? randomKey(), forgotten: false });
  }
  markForgotten(): void {
    if (this.identity) this.#saveIdentity({ ...this.identity, forgotten: true });
  }
  #saveIdentity(identity: LogIdentity): void {
    this.#run(
      "INSERT OR REPLACE INTO meta (name, value) VALUES ('identity', ?)",
      JSON.stringify(identity),
    );
    this.identity = identity;
  }
  saveState(): void {
    this.#run(
      "INSERT OR REPLACE INTO meta (name, value) VALUES ('state', ?)",
      JSON.stringify({ ...this.state, next: this.extent.next }),
    );
  }

  transaction<Result>(work: () => Result): Result {
    return this.#storage.transactionSync(work);
  }

  /** Reads again what memory holds. */
  load(): void {
    this.#indexes.clear();
    const meta = (name: string) =>
      this.#all<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)[0]?.value;
    const identity = meta('identity');
    const state = meta('state');
    this.identity = identity === undefined ? null : (JSON.parse(identity) as LogIdentity);
    this.state = state === undefined ? emptyState() : (JSON.parse(state) as LogState);
    const [sealed] = this.#all<Totals & { next: number | null; lastAtMs: number | null }>(
      `SELECT count(*) AS n, max(next) AS next, sum(bytes) AS bytes, sum(claimEvents) AS claimEvents,
         sum(claimBytes) AS claimBytes, max(lastAtMs) AS lastAtMs FROM segments WHERE next > ?`,
      this.state.first,
    );
    const [tail] = this.#all<
      Totals & {
        first: number | null;
        next: number | null;
        oldestAtMs: number | null;
        lastAtMs: number | null;
      }
    >(
      `SELECT count(*) AS n, min(first) AS first, max(first + count) AS next, sum(bytes) AS bytes,
         sum(claimEvents) AS claimEvents, sum(claimBytes) AS claimBytes, min(atMs) AS oldestAtMs, max(atMs) AS lastAtMs FROM rows`,
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
    this.#run(
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

  /** The rows from the one that holds `from`. Nothing may be written while this is read. */
  rowsFrom(from: number): Iterable<TailRow> {
    return this.#each<TailRow & Row>(
      'SELECT first, count, bytes, atMs, text FROM rows WHERE first >= ? ORDER BY first',
      this.#rowOf(from),
    );
  }
  rowSizesFrom(from: number): Iterable<RowSize> {
    return this.#each<RowSize & Row>(
      'SELECT first, count, bytes, atMs FROM rows WHERE first >= ? ORDER BY first',
      this.#rowOf(from),
    );
  }
  #rowOf(offset: number): number {
    const rows = this.#all<{ first: number | null }>(
      'SELECT max(first) AS first FROM rows WHERE first <= ?',
      offset,
    );
    return rows[0]?.first ?? offset;
  }
  /** The first row appended at or after a time. */
  rowSince(atMs: number): number | null {
    const rows = this.#all<{ first: number }>(
      'SELECT first FROM rows WHERE atMs >= ? ORDER BY first LIMIT 1',
      atMs,
    );
    return rows[0]?.first ?? null;
  }
  *textsOf(rows: readonly RowSize[]): Iterable<string> {
    const [first, last] = [rows[0], rows.at(-1)];
    if (!first || !last) return;
    for (const { text } of this.#each<{ text: string }>(
      'SELECT text FROM rows WHERE first >= ? AND first <= ? ORDER BY first',
      first.first,
      last.first,
    )) {
      yield text;
    }
  }
  /** The tokens of claims in rows from `from`, and where the rows that were looked at end. */
  tokensFrom(from: number, maxRows: number): { tokens: string[]; to: number } {
    const rows = this.#all<{ first: number; count: number; tokens: string }>(
      `SELECT first, count, tokens FROM rows WHERE first >= ? AND claimEvents > 0 ORDER BY first LIMIT ?`,
      from,
      maxRows,
    );
    const last = rows.at(-1);
    const to = rows.length < maxRows || !last ? this.extent.next : last.first + last.count;
    return { tokens: rows.flatMap((row) => JSON.parse(row.tokens) as string[]), to };
  }

  // --- Segments -------------------------------------------------------------------------------------

  /** In one transaction the rows become a segment: they are gone, their hashes and tokens are gathered. */
  commitSegment(
    { first, next, bytes }: SegmentBounds,
    rows: readonly RowSize[],
    index: SegmentIndex,
  ): void {
    const ids: IdHashes[] = [];
    const tokens: string[] = [];
    let [claimEvents, claimed] = [0, 0];
    for (const row of this.#all<{
      claimEvents: number;
      claimBytes: number;
      tokens: string | null;
      ids: ArrayBuffer | null;
    }>(
      `SELECT claimEvents, claimBytes, tokens, ids FROM rows
       WHERE first >= ? AND first < ? AND (claimEvents > 0 OR ids IS NOT NULL) ORDER BY first`,
      first,
      next,
    )) {
      if (row.ids) ids.push(new Uint32Array(row.ids));
      if (row.tokens !== null) tokens.push(...(JSON.parse(row.tokens) as string[]));
      claimEvents += row.claimEvents;
      claimed += row.claimBytes;
    }
    const oldestAtMs = this.transaction(() => {
      this.#run(
        `INSERT INTO segments (first, next, bytes, firstAtMs, lastAtMs, claimEvents, claimBytes, "index")
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        first,
        next,
        bytes,
        rows[0]?.atMs ?? 0,
        rows.at(-1)?.atMs ?? 0,
        claimEvents,
        claimed,
        encodeIndex(index),
      );
      chunksOf(joined(ids), CHUNK_HASHES).forEach((chunk, i) =>
        this.#run('INSERT INTO segment_ids (place, ids) VALUES (?, ?)', first + i, chunk.buffer),
      );
      this.#insertTokens(first, tokens);
      this.#run('DELETE FROM rows WHERE first < ?', next);
      return this.#oldestRowMs();
    });
    const { tail } = this.extent;
    this.extent.segments++;
    tail.first = next;
    tail.rows -= rows.length;
    tail.bytes -= bytes;
    tail.oldestAtMs = oldestAtMs;
  }
  #oldestRowMs(): number | null {
    const rows = this.#all<{ atMs: number }>('SELECT atMs FROM rows ORDER BY first LIMIT 1');
    return rows[0]?.atMs ?? null;
  }
  #insertTokens(place: number, tokens: readonly string[]): void {
    for (let i = 0; i * CHUNK_TOKENS < tokens.length; i++) {
      const chunk = tokens.slice(i * CHUNK_TOKENS, (i + 1) * CHUNK_TOKENS);
      this.#run(
        'INSERT INTO segment_claims (place, tokens) VALUES (?, ?)',
        place + i,
        JSON.stringify(chunk),
      );
    }
  }

  /** The segment that holds `offset`. */
  segmentOf(offset: number): SegmentRow | null {
    const rows = this.#all<SegmentRow & Row>(
      `SELECT first, next, bytes, firstAtMs, lastAtMs FROM segments WHERE first <= ?1 ORDER BY first DESC LIMIT 1`,
      offset,
    );
    const row = rows[0];
    return row && row.next > offset ? row : null;
  }
  /** Segments with events at or after `from`. */
  segmentsFrom(from: number, limit: number): SegmentRow[] {
    const first = this.segmentOf(from)?.first ?? from;
    return this.#all<SegmentRow & Row>(
      'SELECT first, next, bytes, firstAtMs, lastAtMs FROM segments WHERE first >= ? ORDER BY first LIMIT ?',
      first,
      limit,
    );
  }
  /** The first segment with an event appended at or after a time. */
  segmentSince(atMs: number): SegmentRow | null {
    const rows = this.#all<SegmentRow & Row>(
      `SELECT first, next, bytes, firstAtMs, lastAtMs FROM segments WHERE lastAtMs >= ? AND next > ? ORDER BY first LIMIT 1`,
      atMs,
      this.state.first,
    );
    return rows[0] ?? null;
  }
  indexOf(first: number): SegmentIndex {
    const known = this.#indexes.get(first);
    if (known) return known;
    const rows = this.#all<{ index: string }>(
      'SELECT "index" FROM segments WHERE first = ?',
      first,
    );
    if (!rows[0]) throw new Error(`there is no segment at ${first}`);
    const index = decodeIndex(rows[0].index);
    const oldest = this.#indexes.keys().next();
    if (this.#indexes.size >= INDEXES_REMEMBERED && !oldest.done)
      this.#indexes.delete(oldest.value);
    this.#indexes.set(first, index);
    return index;
  }

  // --- The beginning moves --------------------------------------------------------------------------

  /**
   * The log begins at `first` from now on. Rows before it go at once, segments are garbage; the dropped events'
   * hashes are handed out, their claims wait to be released.
   */
  advance(first: number, dropped: (ids: IdHashes) => void): void {
    const blobs: ArrayBuffer[] = [];
    const before = { ...this.state };
    try {
      this.transaction(() => {
        const goneRows = this.#all<{
          first: number;
          tokens: string | null;
          ids: ArrayBuffer | null;
        }>(
          'SELECT first, tokens, ids FROM rows WHERE first < ? AND (claimEvents > 0 OR ids IS NOT NULL) ORDER BY first',
          first,
        );
        for (const row of goneRows) {
          if (row.ids) blobs.push(row.ids);
          if (row.tokens !== null)
            this.#insertTokens(row.first, JSON.parse(row.tokens) as string[]);
        }
        for (const { ids } of this.#all<{ ids: ArrayBuffer }>(
          'SELECT ids FROM segment_ids WHERE place < ?',
          first,
        )) {
          blobs.push(ids);
        }
        this.#run('DELETE FROM rows WHERE first < ?', first);
        this.#run('DELETE FROM segment_ids WHERE place < ?', first);
        this.state.first = first;
        this.state.heldTo = Math.max(this.state.heldTo, first);
        this.saveState();
      });
    } catch (error) {
      this.state = before;
      throw error;
    }
    for (const blob of blobs) dropped(new Uint32Array(blob));
    this.load();
  }
  /** Segments before the log's beginning, whose objects are to be deleted. */
  garbage(): number[] {
    return this.#all<{ first: number }>(
      'SELECT first FROM segments WHERE next <= ? ORDER BY first LIMIT ?',
      this.state.first,
      GARBAGE_AT_ONCE,
    ).map(({ first }) => first);
  }
  deleteSegments(firsts: readonly number[]): void {
    const last = firsts.at(-1);
    if (last !== undefined) this.#run('DELETE FROM segments WHERE first <= ?', last);
  }
  /** A chunk of tokens whose events are gone. */
  releasable(): { place: number; tokens: string[] } | null {
    const rows = this.#all<{ place: number; tokens: string }>(
      'SELECT place, tokens FROM segment_claims WHERE place < ? ORDER BY place LIMIT 1',
      this.state.first,
    );
    const row = rows[0];
    return row ? { place: row.place, tokens: JSON.parse(row.tokens) as string[] } : null;
  }
  /** All tokens that events of the log still refer to, chunk by chunk. */
  *tokensInUse(): Iterable<string[]> {
    const { first } = this.state;
    for (const query of [
      'SELECT tokens FROM segment_claims WHERE place >= ?',
      'SELECT tokens FROM rows WHERE first >= ? AND claimEvents > 0',
    ]) {
      for (const { tokens } of this.#each<{ tokens: string }>(query, first)) {
        yield JSON.parse(tokens) as string[];
      }
    }
  }
  deleteTokens(place: number): void {
    this.#run('DELETE FROM segment_claims WHERE place = ?', place);
  }

  // --- Hashes of ids --------------------------------------------------------------------------------

  *idBlobs(): Iterable<IdHashes> {
    for (const query of [
      'SELECT ids FROM segment_ids ORDER BY place',
      'SELECT ids FROM rows WHERE ids IS NOT NULL ORDER BY first',
    ]) {
      for (const { ids } of this.#each<{ ids: ArrayBuffer }>(query)) yield new Uint32Array(ids);
    }
  }
  /** Gives up the oldest sealed chunk of hashes. */
  dropOldestIds(): IdHashes | null {
    const [row] = this.#all<{ place: number; ids: ArrayBuffer }>(
      'SELECT place, ids FROM segment_ids ORDER BY place LIMIT 1',
    );
    if (!row) return null;
    this.#run('DELETE FROM segment_ids WHERE place = ?', row.place);
    return new Uint32Array(row.ids);
  }

  // --- Producers and requests -----------------------------------------------------------------------

  sequenceOf(producer: string): number | null {
    const rows = this.#all<{ sequence: number }>(
      'SELECT sequence FROM producers WHERE id = ?',
      producer,
    );
    return rows[0]?.sequence ?? null;
  }
  saveSequence(producer: string, sequence: number, atMs: number): void {
    this.#run(
      `INSERT INTO producers (id, sequence, atMs) VALUES (?1, ?2, ?3)
       ON CONFLICT (id) DO UPDATE SET sequence = ?2, atMs = ?3`,
      producer,
      sequence,
      atMs,
    );
  }
  requestOutcome(key: string, piece: number, sinceMs: number): string | null {
    const rows = this.#all<{ outcome: string }>(
      'SELECT outcome FROM requests WHERE key = ? AND piece = ? AND atMs > ?',
      key,
      piece,
      sinceMs,
    );
    return rows[0]?.outcome ?? null;
  }
  saveRequest(key: string, piece: number, outcome: string, atMs: number): void {
    this.#run(
      'INSERT OR REPLACE INTO requests (key, piece, outcome, atMs) VALUES (?, ?, ?, ?)',
      key,
      piece,
      outcome,
      atMs,
    );
  }
  prune(requestsBeforeMs: number, producersBeforeMs: number): void {
    this.#run('DELETE FROM requests WHERE atMs <= ?', requestsBeforeMs);
    this.#run('DELETE FROM producers WHERE atMs <= ?', producersBeforeMs);
  }
  oldestRequestMs(): number | null {
    return (
      this.#all<{ atMs: number | null }>('SELECT min(atMs) AS atMs FROM requests')[0]?.atMs ?? null
    );
  }
  oldestProducerMs(): number | null {
    return (
      this.#all<{ atMs: number | null }>('SELECT min(atMs) AS atMs FROM producers')[0]?.atMs ?? null
    );
  }

  // --- Readers and pins -----------------------------------------------------------------------------

  subscribers(): SubscriberRow[] {
    return this.#all<{ reader: string; bell: string; begin: number }>(
      'SELECT * FROM subscribers',
    ).map((row) => ({ ...row, bell: JSON.parse(row.bell) as StreamBell }));
  }
  saveSubscriber({ reader, bell, begin }: SubscriberRow): void {
    this.#run(
      'INSERT OR REPLACE INTO subscribers (reader, bell, begin) VALUES (?, ?, ?)',
      reader,
      JSON.stringify(bell),
      begin,
    );
  }
  deleteSubscriber(reader: string): void {
    this.#run('DELETE FROM subscribers WHERE reader = ?', reader);
  }
  pins(): Pin[] {
    return this.#all<Pin & Row>('SELECT holder, first, next, untilMs FROM pins');
  }
  savePin(pin: Pin): void {
    this.#run(
      'INSERT OR REPLACE INTO pins (holder, first, next, untilMs) VALUES (?, ?, ?, ?)',
      pin.holder,
      pin.first,
      pin.next,
      pin.untilMs,
    );
  }
  deletePin(holder: string): void {
    this.#run('DELETE FROM pins WHERE holder = ?', holder);
  }

  // --- Statements, counted --------------------------------------------------------------------------

  #all<Result extends Row>(query: string, ...bindings: SqlStorageValue[]): Result[] {
    return [...this.#each<Result>(query, ...bindings)];
  }
  *#each<Result extends Row>(query: string, ...bindings: SqlStorageValue[]): Iterable<Result> {
    const cursor = this.#storage.sql.exec<Result>(query, ...bindings);
    try {
      yield* cursor;
    } finally {
      this.operations.rowRead += cursor.rowsRead;
      this.operations.rowWritten += cursor.rowsWritten;
    }
  }
  #run(query: string, ...bindings: SqlStorageValue[]): void {
    this.#all(query, ...bindings);
  }
}

interface Totals extends Row {
  n: number;
  bytes: number | null;
  claimEvents: number | null;
  claimBytes: number | null;
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

const emptyExtent = (next: number): Extent => ({
  next,
  bytes: 0,
  claimEvents: 0,
  claimBytes: 0,
  segments: 0,
  tail: { first: next, rows: 0, bytes: 0, oldestAtMs: null },
});

const claimBytes = (claims: readonly ClaimOf[]) =>
  claims.reduce((sum, { bytes }) => sum + bytes, 0);

function joined(parts: readonly IdHashes[]): IdHashes {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function chunksOf(hashes: IdHashes, size: number): IdHashes[] {
  return Array.from({ length: Math.ceil(hashes.length / size) }, (_, i) =>
    hashes.slice(i * size, (i + 1) * size),
  );
}
