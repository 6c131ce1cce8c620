// What exists: jobs (as summaries), datasets, uploads that go on, and the secret that leases are signed with.
// One object: it is asked per job and per dataset, never per task or per record.
import { DurableObject } from 'cloudflare:workers';
import { IDEMPOTENCY_MS, UPLOAD_KEEP_MS } from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { Dataset } from '../../shared/schemas/dataset.ts';
import type { AnyJobSummary } from '../../shared/schemas/jobs.ts';
import type { StreamSpec } from '../../shared/schemas/stream.ts';
import { guardBindings } from '../platform/bindings.edge.ts';
import { compare, etagOf } from '../platform/conditions.ts';
import type { Env } from '../platform/env.ts';
import { Sql } from '../platform/sql.store.ts';
import { Timers } from '../platform/timers.store.ts';
import { base64url } from '../platform/token.ts';
import type { StreamDefinition } from '../contracts/names.ts';
import type {
  CatalogRpc,
  ConditionsVerdict,
  DatasetConditions,
  Deleted,
  JobFilter,
  NamedEntry,
  ProcessorEntry,
  PutProcessor,
  PutStream,
  StoredDataset,
  Upload,
  UploadPart,
} from '../contracts/catalog.rpc.ts';
import { Definitions, DEFINITIONS_MIGRATION } from './definitions.store.ts';
import { listJobs } from './job-list.store.ts';
import { page } from '../platform/page.ts';

const MIGRATIONS = [
  {
    id: 'catalog-1',
    sql: `
      CREATE TABLE secrets (name TEXT PRIMARY KEY, secret TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE jobs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, summary TEXT NOT NULL) WITHOUT ROWID;
      CREATE INDEX jobs_by_state ON jobs (state, id);
      CREATE TABLE keys (key TEXT PRIMARY KEY, bodyDigest TEXT NOT NULL, job TEXT NOT NULL, untilMs INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE datasets (name TEXT PRIMARY KEY, key TEXT NOT NULL, dataset TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE pins (job TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (job, key)) WITHOUT ROWID;
      CREATE INDEX pins_by_key ON pins (key);
      CREATE TABLE garbage (key TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE uploads (name TEXT PRIMARY KEY, upload TEXT NOT NULL, untilMs INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE parts (name TEXT NOT NULL, part INTEGER NOT NULL, bytes INTEGER NOT NULL, etag TEXT NOT NULL,
        PRIMARY KEY (name, part)) WITHOUT ROWID;
    `,
  },
  DEFINITIONS_MIGRATION,
  {
    id: 'catalog-2',
    sql: `
      ALTER TABLE keys ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX keys_by_job ON keys (job);
    `,
  },
];

const RETRY_MS = 60_000;
/** R2 deletes this many keys a call. */
const DELETE_MAX_KEYS = 1_000;

export class CatalogObject extends DurableObject<Env> implements CatalogRpc {
  readonly #sql: Sql;
  readonly #timers: Timers<'collect' | 'uploads'>;
  readonly #definitions: Definitions;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#sql = new Sql(ctx.storage);
    this.#sql.migrate(MIGRATIONS);
    this.#timers = new Timers(ctx.storage, {
      collect: () => this.#collect(),
      uploads: (nowMs) => this.#abandonUploads(nowMs),
    });
    this.#definitions = new Definitions(this.#sql);
  }

  async secret(): Promise<string> {
    const fresh = base64url(crypto.getRandomValues(new Uint8Array(32)));
    this.#sql.run("INSERT OR IGNORE INTO secrets (name, secret) VALUES ('lease', ?)", fresh);
    return this.#sql.one<{ secret: string }>("SELECT secret FROM secrets WHERE name = 'lease'")
      .secret;
  }

  // --- Jobs -----------------------------------------------------------------------------------------

  async updateJob(summary: AnyJobSummary): Promise<void> {
    const { id, kind, state } = summary;
    this.#sql.run(
      'INSERT OR REPLACE INTO jobs (id, kind, state, summary) VALUES (?, ?, ?, ?)',
      id,
      kind,
      state,
      JSON.stringify(summary),
    );
  }

  async deleteJob(job: string): Promise<void> {
    this.#sql.run('DELETE FROM jobs WHERE id = ?', job);
    this.#sql.run('UPDATE keys SET deleted = 1 WHERE job = ?', job);
    await this.unpin(job);
  }

  async jobs(filter: JobFilter): Promise<List<AnyJobSummary>> {
    return listJobs(this.#sql, filter);
  }

  async activeJobs(): Promise<string[]> {
    const rows = this.#sql.all<{ id: string }>(
      "SELECT id FROM jobs WHERE state IN ('queued', 'mapping') ORDER BY id",
    );
    return rows.map(({ id }) => id);
  }

  async jobsRunning(): Promise<number> {
    const running = "state IN ('queued', 'mapping', 'reducing', 'running')";
    return this.#sql.one<{ n: number }>(`SELECT count(*) AS n FROM jobs WHERE ${running}`).n;
  }

  async reserveIdempotencyKey(
    key: string,
    bodyDigest: string,
    job: string,
  ): Promise<string | 'conflict' | 'deleted'> {
    const nowMs = Date.now();
    this.#sql.run('DELETE FROM keys WHERE untilMs <= ?', nowMs);
    this.#sql.run(
      'INSERT OR IGNORE INTO keys (key, bodyDigest, job, untilMs) VALUES (?, ?, ?, ?)',
      key,
      bodyDigest,
      job,
      nowMs + IDEMPOTENCY_MS,
    );
    const first = this.#sql.one<{ bodyDigest: string; job: string; deleted: number }>(
      'SELECT bodyDigest, job, deleted FROM keys WHERE key = ?',
      key,
    );
    if (first.bodyDigest !== bodyDigest) return 'conflict';
    return first.deleted === 1 ? 'deleted' : first.job;
  }

  async releaseIdempotencyKey(key: string, job: string): Promise<void> {
    this.#sql.run(
      'DELETE FROM keys WHERE key = ?1 AND job = ?2 AND deleted = 0 AND ?2 NOT IN (SELECT id FROM jobs)',
      key,
      job,
    );
  }

  // --- Datasets -------------------------------------------------------------------------------------

  async datasets(cursor: string | undefined, limit: number): Promise<List<Dataset>> {
    const rows = this.#sql.all<{ dataset: string }>(
      'SELECT dataset FROM datasets WHERE (?1 IS NULL OR name > ?1) ORDER BY name LIMIT ?2',
      cursor ?? null,
      limit + 1,
    );
    return page(
      rows.map((row) => JSON.parse(row.dataset) as Dataset),
      limit,
      (dataset) => dataset.name,
    );
  }

  async dataset(name: string): Promise<StoredDataset | null> {
    const row = this.#sql.first<{ key: string; dataset: string }>(
      'SELECT key, dataset FROM datasets WHERE name = ?',
      name,
    );
    return row ? { ...(JSON.parse(row.dataset) as Dataset), key: row.key } : null;
  }

  async putDataset(
    { key, ...dataset }: StoredDataset,
    conditions: DatasetConditions,
  ): Promise<ConditionsVerdict> {
    const verdict = this.#compare(dataset.name, conditions);
    if (verdict !== 'go') return verdict;
    this.#sql.transaction(() => {
      this.#dropObject(dataset.name, key);
      this.#sql.run(
        'INSERT OR REPLACE INTO datasets (name, key, dataset) VALUES (?, ?, ?)',
        dataset.name,
        key,
        JSON.stringify(dataset),
      );
    });
    await this.#collect();
    return verdict;
  }

  async deleteDataset(
    name: string,
    conditions: DatasetConditions,
  ): Promise<ConditionsVerdict | null> {
    const verdict = this.#compare(name, conditions);
    if (verdict !== 'go') return verdict;
    const existed = this.#sql.transaction(() => {
      this.#dropObject(name, null);
      return this.#sql.run('DELETE FROM datasets WHERE name = ?', name) > 0;
    });
    await this.#collect();
    return existed ? verdict : null;
  }

  #compare(name: string, conditions: DatasetConditions): ConditionsVerdict {
    const current = this.#sql.first<{ key: string }>(
      'SELECT key FROM datasets WHERE name = ?',
      name,
    );
    return compare(conditions, current && { etag: etagOf(current.key) });
  }

  async pin(job: string, name: string): Promise<StoredDataset | null> {
    const dataset = await this.dataset(name);
    if (dataset)
      this.#sql.run('INSERT OR IGNORE INTO pins (job, key) VALUES (?, ?)', job, dataset.key);
    return dataset;
  }

  async unpin(job: string): Promise<void> {
    this.#sql.run('DELETE FROM pins WHERE job = ?', job);
    await this.#collect();
  }

  /** The object that a name stands for becomes garbage, unless it is `except`. */
  #dropObject(name: string, except: string | null): void {
    this.#sql.run(
      'INSERT OR IGNORE INTO garbage (key) SELECT key FROM datasets WHERE name = ? AND key IS NOT ?',
      name,
      except,
    );
  }

  /** Deletes garbage that no job reads; tries again later when the bucket does not answer. */
  async #collect(): Promise<void> {
    const rows = this.#sql.all<{ key: string }>(
      'SELECT key FROM garbage WHERE key NOT IN (SELECT key FROM pins) LIMIT ?',
      DELETE_MAX_KEYS,
    );
    const keys = rows.map(({ key }) => key);
    if (keys.length === 0) return;
    try {
      await this.env.BUCKET.delete(keys);
      for (const key of keys) this.#sql.run('DELETE FROM garbage WHERE key = ?', key);
      if (keys.length === DELETE_MAX_KEYS) this.#timers.set('collect', Date.now());
    } catch {
      this.#timers.set('collect', Date.now() + RETRY_MS);
    }
  }

  // --- Uploads in parts -----------------------------------------------------------------------------

  async upload(name: string): Promise<Upload | null> {
    const row = this.#sql.first<{ upload: string }>(
      'SELECT upload FROM uploads WHERE name = ?',
      name,
    );
    return row ? (JSON.parse(row.upload) as Upload) : null;
  }

  async beginUpload(name: string, upload: Upload): Promise<Upload> {
    const untilMs = Date.now() + UPLOAD_KEEP_MS;
    this.#sql.run(
      'INSERT OR IGNORE INTO uploads (name, upload, untilMs) VALUES (?, ?, ?)',
      name,
      JSON.stringify(upload),
      untilMs,
    );
    const { firstMs } = this.#sql.one<{ firstMs: number }>(
      'SELECT min(untilMs) AS firstMs FROM uploads',
    );
    this.#timers.set('uploads', firstMs);
    return (await this.upload(name)) ?? upload;
  }

  async addPart(name: string, uploadId: string, { part, bytes, etag }: UploadPart): Promise<void> {
    const upload = await this.upload(name);
    if (upload?.uploadId !== uploadId) return;
    this.#sql.run(
      'INSERT OR REPLACE INTO parts (name, part, bytes, etag) VALUES (?, ?, ?, ?)',
      name,
      part,
      bytes,
      etag,
    );
  }

  async parts(name: string): Promise<UploadPart[]> {
    const rows = this.#sql.all<{ part: number; bytes: number; etag: string }>(
      'SELECT part, bytes, etag FROM parts WHERE name = ? ORDER BY part',
      name,
    );
    return rows;
  }

  async endUpload(name: string, uploadId: string): Promise<void> {
    if ((await this.upload(name))?.uploadId !== uploadId) return;
    this.#sql.transaction(() => {
      this.#sql.run('DELETE FROM parts WHERE name = ?', name);
      this.#sql.run('DELETE FROM uploads WHERE name = ?', name);
    });
  }

  // --- Streams, processors, schedules ---------------------------------------------------------------

  async putStream(name: string, spec: StreamSpec): Promise<PutStream> {
    return this.#definitions.putStream(name, spec, Date.now());
  }
  async stream(name: string): Promise<StreamDefinition | null> {
    return this.#definitions.stream(name);
  }
  async streams(cursor: string | undefined, limit: number): Promise<List<StreamDefinition>> {
    return this.#definitions.streams(cursor, limit);
  }
  async deleteStream(name: string): Promise<Deleted<StreamDefinition>> {
    return this.#definitions.deleteStream(name);
  }
  async putProcessor(entry: Omit<ProcessorEntry, 'uid'>): Promise<PutProcessor> {
    return this.#definitions.putProcessor(entry, Date.now());
  }
  async processor(name: string): Promise<ProcessorEntry | null> {
    return this.#definitions.processor(name);
  }
  async processors(cursor: string | undefined, limit: number): Promise<List<ProcessorEntry>> {
    return this.#definitions.processors(cursor, limit);
  }
  async readersOf(stream: string): Promise<ProcessorEntry[]> {
    return this.#definitions.readersOf(stream);
  }
  async deleteProcessor(name: string): Promise<void> {
    this.#definitions.deleteProcessor(name);
  }
  async putSchedule(name: string): Promise<string> {
    return this.#definitions.putSchedule(name, Date.now());
  }
  async schedule(name: string): Promise<string | null> {
    return this.#definitions.schedule(name);
  }
  async schedules(cursor: string | undefined, limit: number): Promise<List<NamedEntry>> {
    return this.#definitions.schedules(cursor, limit);
  }
  async deleteSchedule(name: string, uid: string): Promise<void> {
    this.#definitions.deleteSchedule(name, uid);
  }

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  /** Uploads that were not completed: their parts would be stored, and paid for, for ever. */
  async #abandonUploads(nowMs: number): Promise<void> {
    const rows = [
      ...this.#sql.all<{ name: string; upload: string; untilMs: number }>(
        'SELECT * FROM uploads ORDER BY untilMs',
      ),
    ];
    for (const { name, upload, untilMs } of rows) {
      if (untilMs > nowMs) return this.#timers.set('uploads', untilMs);
      const { key, uploadId } = JSON.parse(upload) as Upload;
      // R2 forgets multipart uploads by itself after seven days: a failure here is of no consequence.
      await this.env.BUCKET.resumeMultipartUpload(key, uploadId)
        .abort()
        .catch(() => undefined);
      await this.endUpload(name, uploadId);
    }
  }
}
