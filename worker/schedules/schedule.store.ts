// A schedule's tables: what it is, the versions of its specification that runs still need, and its youngest runs.
import { SCHEDULE_RUNS_KEPT } from '../../shared/limits.ts';
import type { ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { migrate } from '../platform/migrations.ts';
import { type Insertion, isOver, isWaiting, newRun, type RunRecord } from './firings.ts';
import type { ScheduleRecord } from './schedule-record.ts';

const MIGRATIONS = [
  {
    id: 'schedule-1',
    sql: `
      CREATE TABLE schedule (one INTEGER PRIMARY KEY CHECK (one = 1), record TEXT NOT NULL);
      CREATE TABLE specs (version INTEGER PRIMARY KEY, spec TEXT NOT NULL);
      CREATE TABLE runs (seq INTEGER PRIMARY KEY, run TEXT NOT NULL);
    `,
  },
];

export class ScheduleStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    migrate(storage, MIGRATIONS);
  }

  transaction<Result>(work: () => Result): Result {
    return this.#storage.transactionSync(work);
  }

  record(): ScheduleRecord | null {
    const row = [...this.#sql.exec<{ record: string }>('SELECT record FROM schedule')][0];
    return row ? (JSON.parse(row.record) as ScheduleRecord | null) : null;
  }

  saveRecord(record: ScheduleRecord): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO schedule (one, record) VALUES (1, ?)',
      JSON.stringify(record),
    );
  }

  spec(version: number): ScheduleSpec {
    const rows = this.#sql.exec<{ spec: string }>(
      'SELECT spec FROM specs WHERE version = ?',
      version,
    );
    return JSON.parse(rows.one().spec) as ScheduleSpec;
  }

  /** Keeps this version, and those that a run which waits was submitted with. */
  saveSpec(version: number, spec: ScheduleSpec): void {
    this.#sql.exec(
      'INSERT INTO specs (version, spec) VALUES (?, ?)',
      version,
      JSON.stringify(spec),
    );
    const needed = this.runs().flatMap((run) =>
      isWaiting(run) && run.submitted ? [run.submitted.version] : [],
    );
    const oldest = Math.min(version, ...needed);
    this.#sql.exec('DELETE FROM specs WHERE version < ?', oldest);
  }

  /** Oldest first. */
  runs(): RunRecord[] {
    const rows = this.#sql.exec<{ run: string }>('SELECT run FROM runs ORDER BY seq');
    return [...rows].map(({ run }) => JSON.parse(run) as RunRecord);
  }

  run(seq: number): RunRecord | null {
    const row = [...this.#sql.exec<{ run: string }>('SELECT run FROM runs WHERE seq = ?', seq)][0];
    return row ? (JSON.parse(row.run) as RunRecord) : null;
  }

  saveRun(run: RunRecord): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO runs (seq, run) VALUES (?, ?)',
      run.seq,
      JSON.stringify(run),
    );
  }

  /** Adds a run and forgets the oldest that are over. Changes `record.lastSeq`: the caller saves it. */
  addRun(record: ScheduleRecord, insertion: Insertion): RunRecord {
    const run = newRun(++record.lastSeq, insertion);
    this.saveRun(run);
    const runs = this.runs();
    for (const old of runs.slice(0, Math.max(0, runs.length - SCHEDULE_RUNS_KEPT))) {
      if (isOver(old)) this.#sql.exec('DELETE FROM runs WHERE seq = ?', old.seq);
    }
    return run;
  }

  /** For good: see `isForgotten`. */
  forget(): void {
    for (const table of ['specs', 'runs']) this.#sql.exec(`DELETE FROM ${table}`);
    this.#sql.exec("INSERT OR REPLACE INTO schedule (one, record) VALUES (1, 'null')");
  }

  isForgotten(): boolean {
    return [...this.#sql.exec("SELECT 1 FROM schedule WHERE record = 'null'")].length > 0;
  }
}
