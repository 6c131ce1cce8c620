// The catalog's part for streams, processors and schedules: which there are, what uses what, and their unique
// ids. What is refused because of something else that exists is refused here, where nothing can come between.
import { isoTime } from '../../shared/iso-time.ts';
import type { List } from '../../shared/schemas/common.ts';
import { STREAM_DEFAULTS, type StreamSpec } from '../../shared/schemas/stream.ts';
import { newId } from '../platform/new-id.edge.ts';
import type { Migration } from '../platform/migrations.store.ts';
import type { StreamDefinition } from '../contracts/names.ts';
import type {
  Deleted,
  NamedEntry,
  OutputField,
  ProcessorEntry,
  PutProcessor,
  PutStream,
} from '../contracts/catalog.rpc.ts';
import { cycleWith } from './cycles.ts';
import { page } from '../platform/page.ts';
import type { Sql } from '../platform/sql.store.ts';

export const DEFINITIONS_MIGRATION: Migration = {
  id: 'definitions-1',
  sql: `
    CREATE TABLE streams (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE processors (name TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE schedules (name TEXT PRIMARY KEY, uid TEXT NOT NULL) WITHOUT ROWID;
  `,
};

export class Definitions {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  putStream(name: string, spec: StreamSpec, nowMs: number): PutStream {
    const before = this.stream(name);
    const { partitions } = spec;
    if (before && partitions !== undefined && partitions !== before.partitions) {
      return { kind: 'fixedPartitions', partitions: before.partitions };
    }
    const definition: StreamDefinition = {
      name,
      uid: before?.uid ?? newId('stream', nowMs),
      partitions: before?.partitions ?? partitions ?? STREAM_DEFAULTS.partitions,
      claimCheckBytes:
        spec.claimCheckBytes ?? before?.claimCheckBytes ?? STREAM_DEFAULTS.claimCheckBytes,
      retentionHours:
        spec.retention?.hours ?? before?.retentionHours ?? STREAM_DEFAULTS.retention.hours,
      partitionMaxBytes:
        spec.partitionMaxBytes ?? before?.partitionMaxBytes ?? STREAM_DEFAULTS.partitionMaxBytes,
      createdAt: before?.createdAt ?? isoTime(nowMs),
    };
    this.#sql.run(
      'INSERT OR REPLACE INTO streams (name, definition) VALUES (?, ?)',
      name,
      JSON.stringify(definition),
    );
    return { kind: before ? 'changed' : 'created', definition };
  }

  stream(name: string): StreamDefinition | null {
    const row = this.#sql.first<{ definition: string }>(
      'SELECT definition FROM streams WHERE name = ?',
      name,
    );
    return row ? (JSON.parse(row.definition) as StreamDefinition) : null;
  }

  streams(cursor: string | undefined, limit: number): List<StreamDefinition> {
    const rows = this.#sql.all<{ definition: string }>(
      'SELECT definition FROM streams WHERE (?1 IS NULL OR name > ?1) ORDER BY name LIMIT ?2',
      cursor ?? null,
      limit + 1,
    );
    const found = rows.map((row) => JSON.parse(row.definition) as StreamDefinition);
    return page(found, limit, ({ name }) => name);
  }

  deleteStream(name: string): Deleted<StreamDefinition> {
    const definition = this.stream(name);
    if (!definition) return { kind: 'unknown' };
    const usedBy = this.#processors()
      .filter((entry) => entry.streams.includes(name) || outputsOf(entry).includes(name))
      .map((entry) => entry.name);
    if (usedBy.length > 0) return { kind: 'used', by: usedBy };
    this.#sql.run('DELETE FROM streams WHERE name = ?', name);
    return { kind: 'deleted', entry: definition };
  }

  putProcessor(entry: Omit<ProcessorEntry, 'uid'>, nowMs: number): PutProcessor {
    const { name, kind, streams, output, late } = entry;
    const definitions: StreamDefinition[] = [];
    for (const stream of streams) {
      const definition = this.stream(stream);
      if (!definition) return { kind: 'unknownStream', field: 'stream', stream };
      definitions.push(definition);
    }
    const fields: [OutputField, string | null | undefined][] = [
      ['output', output],
      ['late', late],
    ];
    for (const [field, stream] of fields) {
      if (stream && !this.stream(stream)) return { kind: 'unknownStream', field, stream };
    }
    const flows = this.#processors().map((other) => ({
      processor: other.name,
      streams: other.streams,
      outputs: outputsOf(other),
    }));
    const path = cycleWith(flows, { processor: name, streams, outputs: outputsOf(entry) });
    if (path) return { kind: 'cycle', field: path[2] === output ? 'output' : 'late', path };
    const uid = this.processor(name)?.uid ?? newId('processor', nowMs);
    this.#sql.run(
      'INSERT OR REPLACE INTO processors (name, entry) VALUES (?, ?)',
      name,
      JSON.stringify({
        name,
        uid,
        kind,
        streams,
        output,
        ...(late && { late }),
      } satisfies ProcessorEntry),
    );
    return { kind: 'put', uid, streams: definitions };
  }

  processor(name: string): ProcessorEntry | null {
    const row = this.#sql.first<{ entry: string }>(
      'SELECT entry FROM processors WHERE name = ?',
      name,
    );
    return row ? (JSON.parse(row.entry) as ProcessorEntry) : null;
  }

  processors(cursor: string | undefined, limit: number): List<ProcessorEntry> {
    const after = this.#processors().filter(({ name }) => cursor === undefined || name > cursor);
    return page(after.slice(0, limit + 1), limit, ({ name }) => name);
  }

  readersOf(stream: string): ProcessorEntry[] {
    return this.#processors().filter(({ streams }) => streams.includes(stream));
  }

  deleteProcessor(name: string): void {
    this.#sql.run('DELETE FROM processors WHERE name = ?', name);
  }

  /** In order of their names. They are as many as people define: read whole. */
  #processors(): ProcessorEntry[] {
    const rows = this.#sql.all<{ entry: string }>('SELECT entry FROM processors ORDER BY name');
    return rows.map((row) => JSON.parse(row.entry) as ProcessorEntry);
  }

  putSchedule(name: string, nowMs: number): string {
    this.#sql.run(
      'INSERT OR IGNORE INTO schedules (name, uid) VALUES (?, ?)',
      name,
      newId('schedule', nowMs),
    );
    return this.#sql.one<{ uid: string }>('SELECT uid FROM schedules WHERE name = ?', name).uid;
  }

  schedule(name: string): string | null {
    const rows = this.#sql.all<{ uid: string }>('SELECT uid FROM schedules WHERE name = ?', name);
    return rows[0]?.uid ?? null;
  }

  schedules(cursor: string | undefined, limit: number): List<NamedEntry> {
    const rows = this.#sql.all<{ name: string; uid: string }>(
      'SELECT name, uid FROM schedules WHERE (?1 IS NULL OR name > ?1) ORDER BY name LIMIT ?2',
      cursor ?? null,
      limit + 1,
    );
    return page(rows, limit, ({ name }) => name);
  }

  deleteSchedule(name: string, uid: string): void {
    this.#sql.run('DELETE FROM schedules WHERE name = ? AND uid = ?', name, uid);
  }
}

const outputsOf = ({ output, late }: Pick<ProcessorEntry, 'output' | 'late'>): string[] =>
  [output, late].filter((stream) => typeof stream === 'string');
