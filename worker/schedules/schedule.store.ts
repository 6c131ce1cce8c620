// A schedule's tables: what it is, the versions of its specification that runs still need, and its youngest
// firings, in a table that keeps its first name.
import { SCHEDULE_RUNS_KEPT } from '../../shared/limits.ts';
import type { ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { Sql } from '../platform/sql.store.ts';
import { type Insertion, isOver, isWaiting, newFiring, type ScheduleFiring } from './firings.ts';
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
  readonly #sql: Sql;

  constructor(storage: DurableObjectStorage) {
    this.#sql = new Sql(storage);
    this.#sql.migrate(MIGRATIONS);
  }

  transaction<Result>(work: () => Result): Result {
    return this.#sql.transaction(work);
  }

  record(): ScheduleRecord | null {
    const row = this.#sql.first<{ record: string }>('SELECT record FROM schedule');
    return row ? (JSON.parse(row.record) as ScheduleRecord | null) : null;
  }

  saveRecord(record: ScheduleRecord): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO schedule (one, record) VALUES (1, ?)',
      JSON.stringify(record),
    );
  }

  spec(version: number): ScheduleSpec {
    const row = this.#sql.one<{ spec: string }>(
      'SELECT spec FROM specs WHERE version = ?',
      version,
    );
    return JSON.parse(row.spec) as ScheduleSpec;
  }

  /** Keeps this version, and those that a waiting firing was submitted with. */
  saveSpec(version: number, spec: ScheduleSpec): void {
    this.#sql.run('INSERT INTO specs (version, spec) VALUES (?, ?)', version, JSON.stringify(spec));
    const needed = this.firings().flatMap((firing) =>
      isWaiting(firing) && firing.submitted ? [firing.submitted.version] : [],
    );
    const oldest = Math.min(version, ...needed);
    this.#sql.run('DELETE FROM specs WHERE version < ?', oldest);
  }

  /** Oldest first. */
  firings(): ScheduleFiring[] {
    const rows = this.#sql.all<{ run: string }>('SELECT run FROM runs ORDER BY seq');
    return rows.map(({ run }) => JSON.parse(run) as ScheduleFiring);
  }

  firing(seq: number): ScheduleFiring | null {
    const row = this.#sql.first<{ run: string }>('SELECT run FROM runs WHERE seq = ?', seq);
    return row ? (JSON.parse(row.run) as ScheduleFiring) : null;
  }

  saveFiring(firing: ScheduleFiring): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO runs (seq, run) VALUES (?, ?)',
      firing.seq,
      JSON.stringify(firing),
    );
  }

  /** Adds a firing and deletes the oldest that are over. Changes `record.lastSeq`: the caller saves it. */
  addFiring(record: ScheduleRecord, insertion: Insertion): ScheduleFiring {
    const firing = newFiring(++record.lastSeq, insertion);
    this.saveFiring(firing);
    const firings = this.firings();
    for (const old of firings.slice(0, Math.max(0, firings.length - SCHEDULE_RUNS_KEPT))) {
      if (isOver(old)) this.#sql.run('DELETE FROM runs WHERE seq = ?', old.seq);
    }
    return firing;
  }

  /** For good: see `isDeleted`. */
  delete(): void {
    for (const table of ['specs', 'runs']) this.#sql.run(`DELETE FROM ${table}`);
    this.#sql.run("INSERT OR REPLACE INTO schedule (one, record) VALUES (1, 'null')");
  }

  isDeleted(): boolean {
    return this.#sql.all("SELECT 1 FROM schedule WHERE record = 'null'").length > 0;
  }
}
