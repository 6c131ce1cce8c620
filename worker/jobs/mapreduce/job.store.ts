// The JobObject's tables and every statement on them. Rows cost money and time: a grant is one row, a
// commit two, an event one row for a whole batch.
import { SECTION_PACKED_BYTES, unpackSection } from '../../../shared/mapreduce/spill.ts';
import type {
  Attempt,
  JobEvent,
  MapReduceSpec,
  StreamRange,
  Task,
} from '../../../shared/schemas/job.ts';
import { LongTexts } from '../../platform/long-texts.store.ts';
import { Sql } from '../../platform/sql.store.ts';
import { spillKey } from '../../platform/keys.ts';
import { type AttemptRecord, storedAttempt } from './attempts.ts';
import type { JobRecord } from './job-record.ts';
import type { JobRows, PartRow } from './job-rows.ts';
import type { Part, ReduceSource } from '../../contracts/job.rpc.ts';
import type { SplitPlan } from './plan.ts';

const MIGRATIONS = [
  {
    id: 'job-1',
    sql: `
      CREATE TABLE texts (name TEXT NOT NULL, piece INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, piece)) WITHOUT ROWID;
      CREATE TABLE committed (task INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, sections BLOB NOT NULL);
      CREATE TABLE attempts (task INTEGER NOT NULL, attempt INTEGER NOT NULL, by TEXT NOT NULL, state TEXT NOT NULL,
        record TEXT NOT NULL, PRIMARY KEY (task, attempt)) WITHOUT ROWID;
      CREATE TABLE parts (partition INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, state TEXT NOT NULL, bytes INTEGER NOT NULL,
        keys INTEGER NOT NULL, ms INTEGER, error TEXT, rungAtMs INTEGER NOT NULL);
      CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
    `,
  },
];

type Row = Record<string, SqlStorageValue>;

export class JobStore implements JobRows {
  readonly #sql: Sql;
  readonly #texts: LongTexts;

  constructor(storage: DurableObjectStorage) {
    this.#sql = new Sql(storage);
    this.#texts = new LongTexts(this.#sql, 'texts');
  }

  migrate(): void {
    this.#sql.migrate(MIGRATIONS);
  }

  transaction<Result>(work: () => Result): Result {
    return this.#sql.transaction(work);
  }

  // --- The job itself ---
  saveRecord(record: JobRecord): void {
    this.#texts.save(JSON.stringify(record), 'record');
  }
  loadRecord(): JobRecord | null {
    return this.#texts.json<JobRecord>('record');
  }
  saveSpec(spec: MapReduceSpec): void {
    this.#texts.save(JSON.stringify(spec), 'spec');
  }
  loadSpec(): MapReduceSpec | null {
    return this.#texts.json<MapReduceSpec>('spec');
  }
  savePlan(plan: SplitPlan): void {
    this.#texts.save(JSON.stringify(plan), 'plan');
  }
  loadPlan(): SplitPlan | null {
    return this.#texts.json<SplitPlan>('plan');
  }
  /** Stores ranges, or answers those that are there already. */
  fixRanges(ranges: StreamRange[]): StreamRange[] {
    const fixed = this.#texts.json<StreamRange[]>('ranges');
    if (!fixed) this.#texts.save(JSON.stringify(ranges), 'ranges');
    return fixed ?? ranges;
  }
  saveScan(state: string): void {
    this.#texts.save(state, 'scan');
  }
  loadScan(): string | null {
    return this.#texts.load('scan');
  }

  // --- Map attempts ---
  saveAttempt(record: AttemptRecord): void {
    // Only a waiting attempt's receipt is needed again; a committed one's sections go to `committed`.
    const kept = record.state === 'awaiting-quorum' ? record : { ...record, receipt: null };
    this.#sql.run(
      'INSERT OR REPLACE INTO attempts (task, attempt, by, state, record) VALUES (?, ?, ?, ?, ?)',
      record.task,
      record.attempt,
      record.by,
      record.state,
      JSON.stringify(kept),
    );
  }
  saveCommitted(task: number, attempt: number, sections: Uint8Array<ArrayBuffer>): void {
    this.#sql.run(
      'INSERT INTO committed (task, attempt, sections) VALUES (?, ?, ?)',
      task,
      attempt,
      sections.buffer,
    );
  }
  committedTasks(): number[] {
    return this.#sql
      .all<{ task: number }>('SELECT task FROM committed ORDER BY task')
      .map((r) => r.task);
  }
  committedCount(): number {
    return this.#sql.one<{ n: number }>('SELECT count(*) AS n FROM committed').n;
  }
  clearMap(): void {
    this.#sql.run('DELETE FROM committed');
    this.#sql.run('DELETE FROM attempts');
  }
  /** Attempts of tasks that are not committed. */
  openAttempts(): AttemptRecord[] {
    const rows = this.#sql.all<{ record: string }>(
      'SELECT record FROM attempts WHERE task NOT IN (SELECT task FROM committed) ORDER BY task, attempt',
    );
    return rows.map((row) => storedAttempt(row.record));
  }

  /** Map tasks from `fromTask` on that were ever leased, with their attempts. */
  tasksFrom(fromTask: number, limit: number): Task[] {
    const rows = this.#sql.all<{ task: number; record: string; winner: number | null }>(
      `SELECT a.task AS task, a.record AS record, c.attempt AS winner
       FROM attempts a LEFT JOIN committed c ON c.task = a.task
       WHERE a.task >= ? AND a.task < ? ORDER BY a.task, a.attempt`,
      fromTask,
      fromTask + limit,
    );
    const tasks = new Map<number, Task>();
    for (const row of rows) {
      const record = storedAttempt(row.record);
      const task: Task = tasks.get(row.task) ?? {
        task: row.task,
        stage: 'map',
        state: 'waiting',
        attempts: [],
      };
      task.attempts.push(shownAttempt(record));
      if (row.winner !== null) task.state = 'committed';
      else if (record.state === 'leased') task.state = 'running';
      else if (record.state === 'awaiting-quorum' && task.state === 'waiting')
        task.state = 'checking';
      tasks.set(row.task, task);
    }
    return Array.from(
      { length: limit },
      (_, i) =>
        tasks.get(fromTask + i) ?? {
          task: fromTask + i,
          stage: 'map',
          state: 'waiting',
          attempts: [],
        },
    );
  }

  // --- Sections for reducers ---
  /** What partition r holds: records, stored bytes, and in how many spills. */
  partitionTotals(partitions: number): { records: number; storedBytes: number; sources: number }[] {
    const totals = Array.from({ length: partitions }, () => ({
      records: 0,
      storedBytes: 0,
      sources: 0,
    }));
    for (const row of this.#sql.all<{ sections: ArrayBuffer }>('SELECT sections FROM committed')) {
      const packed = new Uint8Array(row.sections);
      if (packed.length !== partitions * SECTION_PACKED_BYTES) {
        throw new Error(
          `a committed spill has ${packed.length} bytes of index for ${partitions} sections`,
        );
      }
      totals.forEach((total, partition) => {
        const section = unpackSection(packed, partition * SECTION_PACKED_BYTES);
        total.records += section.records;
        total.storedBytes += section.storedBytes;
        if (section.records > 0) total.sources++;
      });
    }
    return totals;
  }
  sources(job: string, partition: number, fromTask: number, limit: number): ReduceSource[] {
    const rows = this.#sql.all<{ task: number; attempt: number; section: ArrayBuffer }>(
      `SELECT task, attempt, substr(sections, ?, ?) AS section FROM committed
       WHERE task >= ? AND substr(sections, ?, 4) <> x'00000000' ORDER BY task LIMIT ?`,
      partition * SECTION_PACKED_BYTES + 1,
      SECTION_PACKED_BYTES,
      fromTask,
      partition * SECTION_PACKED_BYTES + 9, // `records`, the third u32 of a packed section
      limit,
    );
    return rows.map((row) => {
      const { offset, storedBytes, records } = unpackSection(new Uint8Array(row.section), 0);
      return {
        task: row.task,
        key: spillKey(job, row.task, row.attempt),
        offset,
        storedBytes,
        records,
      };
    });
  }

  // --- Parts ---
  savePart(part: PartRow): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO parts (partition, attempt, state, bytes, keys, ms, error, rungAtMs)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      part.partition,
      part.attempt,
      part.state,
      part.bytes,
      part.keys,
      part.ms,
      part.error,
      part.rungAtMs,
    );
  }
  partRow(partition: number): PartRow | null {
    const rows = this.#sql.all<PartRow & Row>('SELECT * FROM parts WHERE partition = ?', partition);
    return rows[0] ?? null;
  }
  partRows(): PartRow[] {
    return this.#sql.all<PartRow & Row>('SELECT * FROM parts ORDER BY partition');
  }
  clearParts(): void {
    this.#sql.run("DELETE FROM parts WHERE state <> 'committed'");
  }

  clearAllParts(): void {
    this.#sql.run('DELETE FROM parts');
  }

  // --- The end ---
  /** Forgets everything but the job's id, which the last sweep needs. */
  wipe(job: string): void {
    for (const table of ['texts', 'committed', 'attempts', 'parts', 'events']) {
      this.#sql.run(`DELETE FROM ${table}`);
    }
    this.#texts.save(job, 'forgotten');
  }
  forgottenJob(): string | null {
    return this.#texts.load('forgotten');
  }

  // --- Events ---
  addEvent(event: Omit<JobEvent, 'seq'>): void {
    this.#sql.run('INSERT INTO events (event) VALUES (?)', JSON.stringify(event));
  }
  eventsAfter(after: number, limit: number): JobEvent[] {
    const rows = this.#sql.all<{ seq: number; event: string }>(
      'SELECT seq, event FROM events WHERE seq > ? ORDER BY seq LIMIT ?',
      after,
      limit,
    );
    return rows.map((row) => ({ seq: row.seq, ...(JSON.parse(row.event) as object) }) as JobEvent);
  }
}

function shownAttempt(record: AttemptRecord): Attempt {
  const { attempt, by, state, ms, digest, error } = record;
  return { attempt, by, state, ms, digest, error };
}

export const shownPart = (key: string, row: PartRow): Part => ({
  partition: row.partition,
  key,
  bytes: row.bytes,
  keys: row.keys,
});
