// The tables that every shard has, whatever its operator keeps beside them, and every statement on them. A change
// writes one row for the record, and others only when there is something to keep in them.
import { isoTime } from '../../../shared/iso-time.ts';
import {
  LATE_KEPT,
  LOG_LINES_MAX,
  OUTBOX_ROW_MAX_BYTES,
  REDONE_KEPT_MS,
  REDONE_MAX,
} from '../../../shared/limits.ts';
import { utf8Length } from '../../../shared/sandbox/strict-json.ts';
import type { Operation } from '../../../shared/pricing.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type {
  LateEvent,
  LateReason,
  ProcessorCounters,
} from '../../../shared/schemas/processor.ts';
import type { StreamEvent } from '../../../shared/schemas/stream.ts';
import { LongTexts } from '../../platform/long-texts.store.ts';
import { Sql, type SqlSource } from '../../platform/sql.store.ts';
import type { Late } from './operator.ts';
import { type Outbox, outboxText, readOutbox } from './outbox.ts';
import type { ShardConfig } from '../../contracts/shard.rpc.ts';

const MIGRATIONS = [
  {
    id: 'shard-1',
    sql: `
      CREATE TABLE shard_texts (name TEXT NOT NULL, piece INTEGER NOT NULL, pieces INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (name, piece)) WITHOUT ROWID;
      CREATE TABLE shard_given_up (source INTEGER NOT NULL, offset INTEGER NOT NULL, error TEXT NOT NULL,
        PRIMARY KEY (source, offset)) WITHOUT ROWID;
      CREATE TABLE shard_redone (source INTEGER NOT NULL, offset INTEGER NOT NULL, atMs INTEGER NOT NULL,
        PRIMARY KEY (source, offset)) WITHOUT ROWID;
      CREATE TABLE shard_late (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, text TEXT NOT NULL);
    `,
  },
];

export interface ShardRecord {
  /** By source: everything before was applied here, or given up on. */
  applied: number[];
  /** Sequences that the next output and the next late event get. */
  next: { output: number; late: number };
  counters: Partial<ProcessorCounters>;
}

export type Operations = Record<Operation, number>;

const noOperations = (): Operations => ({
  workerRequest: 0,
  durableObjectRequest: 0,
  rowWritten: 0,
  rowRead: 0,
  r2Write: 0,
  r2Read: 0,
  queueOperation: 0,
});

interface StoredRecord {
  record: ShardRecord;
  operations: Operations;
}

interface Place {
  source: number;
  offset: number;
}

/** One of late events as it is kept: the rest of it is its line. */
interface LateHead {
  source: number;
  key: string;
  reason: LateReason;
  atMs: number;
}

export class ShardStore {
  readonly operations = noOperations();
  /** Statements through this are counted in `operations`. */
  readonly sql: Sql;
  readonly #texts: LongTexts;
  #saved = '';
  #redone: number | null = null;

  constructor(storage: SqlSource) {
    this.sql = new Sql(storage, this.operations);
    this.sql.migrate(MIGRATIONS, 'shard_migrations');
    this.#texts = new LongTexts(this.sql, 'shard_texts', { counted: true });
    const before = this.#texts.json<StoredRecord>('record');
    if (before) Object.assign(this.operations, before.operations);
  }

  transaction<Result>(work: () => Result): Result {
    return this.sql.transaction(work);
  }

  // --- The configuration, the record, the last log lines ---

  loadConfig(): ShardConfig | null {
    return this.#texts.json<ShardConfig>('config');
  }
  saveConfig(config: ShardConfig): void {
    this.#texts.save(JSON.stringify(config), 'config');
  }
  loadRecord(): ShardRecord | null {
    const stored = this.#texts.json<StoredRecord>('record');
    this.#saved = stored ? JSON.stringify(stored.record) : '';
    return stored?.record ?? null;
  }
  /** What it all costs is kept with it, but is no reason to write it. */
  saveRecord(record: ShardRecord): void {
    const text = JSON.stringify(record);
    if (text === this.#saved) return;
    const stored: StoredRecord = { record, operations: this.operations };
    this.#texts.save(JSON.stringify(stored), 'record');
    this.#saved = text;
  }
  loadLog(): string[] {
    return this.#texts.json<string[]>('log') ?? [];
  }
  saveLog(lines: string[]): void {
    this.#texts.save(JSON.stringify(lines.slice(-LOG_LINES_MAX)), 'log');
  }

  // --- The outbox ---

  loadOutbox(): Outbox | null {
    const text = this.#texts.load('outbox');
    return text === null ? null : readOutbox(text);
  }
  saveOutbox(outbox: Outbox): void {
    this.#texts.save(outboxText(outbox), 'outbox');
  }
  clearOutbox(): void {
    this.#texts.delete('outbox');
  }

  // --- Events that were given up on, until their consumer knows ---

  givenUp(): (Place & { error: TaskError })[] {
    const rows = this.sql.all<{ source: number; offset: number; error: string }>(
      'SELECT source, offset, error FROM shard_given_up',
    );
    return rows.map((row) => ({ ...row, error: JSON.parse(row.error) as TaskError }));
  }
  giveUp(source: number, failures: readonly { offset: number; error: TaskError }[]): void {
    this.sql.run(
      `INSERT OR REPLACE INTO shard_given_up (source, offset, error)
       SELECT ?, value ->> 'offset', value -> 'error' FROM json_each(?)`,
      source,
      JSON.stringify(failures),
    );
  }
  settled(source: number, before: number): void {
    this.sql.run('DELETE FROM shard_given_up WHERE source = ? AND offset < ?', source, before);
  }

  // --- Dead letters that were run again ---

  redoneAmong(source: number, offsets: readonly number[]): Set<number> {
    const rows = this.sql.all<{ offset: number }>(
      'SELECT offset FROM shard_redone WHERE source = ? AND offset IN (SELECT value FROM json_each(?))',
      source,
      JSON.stringify(offsets),
    );
    return new Set(rows.map(({ offset }) => offset));
  }
  redid(source: number, offsets: readonly number[], nowMs: number): void {
    this.sql.run(
      'INSERT OR REPLACE INTO shard_redone (source, offset, atMs) SELECT ?, value, ? FROM json_each(?)',
      source,
      nowMs,
      JSON.stringify(offsets),
    );
    if (this.#redone !== null) this.#redone += offsets.length;
    if (this.#redoneCount() > REDONE_MAX) this.#forgetRedone(nowMs);
  }
  /** They may be run once more. */
  lost(places: readonly Place[]): void {
    this.sql.run(
      `DELETE FROM shard_redone WHERE (source, offset) IN
         (SELECT value ->> 'source', value ->> 'offset' FROM json_each(?))`,
      JSON.stringify(places.map(({ source, offset }) => ({ source, offset }))),
    );
  }
  #redoneCount(): number {
    const query = 'SELECT count(*) AS n FROM shard_redone';
    return (this.#redone ??= this.sql.first<{ n: number }>(query)?.n ?? 0);
  }
  /** Those whose time is over, and of the others the oldest, until a tenth of the room is free. */
  #forgetRedone(nowMs: number): void {
    this.sql.run('DELETE FROM shard_redone WHERE atMs < ?', nowMs - REDONE_KEPT_MS);
    this.#redone = null;
    const tooMany = this.#redoneCount() - Math.floor(REDONE_MAX * 0.9);
    if (tooMany <= 0) return;
    this.sql.run(
      `DELETE FROM shard_redone WHERE (source, offset) IN
         (SELECT source, offset FROM shard_redone ORDER BY atMs LIMIT ?)`,
      tooMany,
    );
    this.#redone = null;
  }
  redoneForgotten(nowMs: number): void {
    this.sql.run('DELETE FROM shard_redone WHERE atMs < ?', nowMs - REDONE_KEPT_MS);
    this.#redone = null;
  }

  // --- Late events, the newest of them ---

  /** `first`: how many came before. */
  addLate(first: number, late: readonly Late[], atMs: number): void {
    let row: string[] = [];
    let bytes = 0;
    let at = first;
    const finish = () => {
      const query = 'INSERT OR REPLACE INTO shard_late (first, count, text) VALUES (?, ?, ?)';
      if (row.length > 0) this.sql.run(query, at, row.length / 2, row.join('\n'));
      at += row.length / 2;
      row = [];
      bytes = 0;
    };
    for (const { source, key, line, reason } of late.slice(-LATE_KEPT)) {
      const head = JSON.stringify({ source, key, reason, atMs } satisfies LateHead);
      const own = utf8Length(head) + utf8Length(line) + 2;
      if (bytes + own > OUTBOX_ROW_MAX_BYTES) finish();
      row.push(head, line);
      bytes += own;
    }
    finish();
    this.sql.run('DELETE FROM shard_late WHERE first + count <= ?', at - LATE_KEPT);
  }
  /** The newest first. */
  late(limit: number, sources: ShardConfig['sources']): LateEvent[] {
    const events: LateEvent[] = [];
    const query = 'SELECT text FROM shard_late ORDER BY first DESC';
    for (const { text } of this.sql.each<{ text: string }>(query)) {
      const lines = text.split('\n');
      for (let i = lines.length - 2; i >= 0 && events.length < limit; i -= 2) {
        const { source, key, reason, atMs } = JSON.parse(lines[i] ?? '') as LateHead;
        const event = JSON.parse(lines[i + 1] ?? '') as StreamEvent;
        const stream = sources[source]?.stream ?? '';
        events.push({ event, stream, key, reason, at: isoTime(atMs) });
      }
      if (events.length >= limit) break;
    }
    return events;
  }
}
