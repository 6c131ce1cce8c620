// The BatchObject's tables. What changes with every look at the log is one row; a window is a row when it has
// fired; outputs are kept, in pieces, between the run of the code and their append.
import { BATCHES_KEPT } from '../../../shared/limits.ts';
import type { Migration } from '../../platform/migrations.store.ts';
import { LongTexts } from '../../platform/long-texts.store.ts';
import { Sql } from '../../platform/sql.store.ts';
import type { BatchConfig, BatchEffects } from '../../contracts/batch.rpc.ts';
import type { Windows } from './batch-machine.ts';
import type { BatchRecord } from './batch-attempts.ts';
import type { BatchCounters } from './batch-counters.ts';

const MIGRATIONS: Migration[] = [
  {
    id: 'windows-1',
    sql: `
      CREATE TABLE texts (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE windows (number INTEGER PRIMARY KEY, state TEXT NOT NULL, redriven INTEGER NOT NULL, record TEXT NOT NULL);
      CREATE TABLE effects (number INTEGER NOT NULL, piece INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (number, piece)) WITHOUT ROWID;
    `,
  },
];

/** What is kept beside the configuration, in one row. */
export interface BatchState {
  windows: Windows;
  stopped: boolean;
  /** Its processor was told that it has caught up. */
  saidCaughtUp: boolean;
}

export class BatchStore {
  readonly #sql: Sql;
  readonly #effects: LongTexts;

  constructor(storage: DurableObjectStorage) {
    this.#sql = new Sql(storage);
    this.#sql.migrate(MIGRATIONS);
    this.#effects = new LongTexts(this.#sql, 'effects', { keys: ['number'] });
  }

  transaction<Result>(work: () => Result): Result {
    return this.#sql.transaction(work);
  }

  saveConfig(config: BatchConfig): void {
    this.#save('config', config);
  }
  loadConfig(): BatchConfig | null {
    return this.#load<BatchConfig>('config');
  }
  saveState(state: BatchState): void {
    this.#save('state', state);
  }
  loadState(): BatchState | null {
    return this.#load<BatchState>('state');
  }
  saveCounters(totals: BatchCounters): void {
    this.#save('tally', totals);
  }
  loadCounters(): BatchCounters | null {
    return this.#load<BatchCounters>('tally');
  }

  #save(name: string, value: unknown): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO texts (name, text) VALUES (?, ?)',
      name,
      JSON.stringify(value),
    );
  }
  #load<Value>(name: string): Value | null {
    const row = this.#sql.first<{ text: string }>('SELECT text FROM texts WHERE name = ?', name);
    return row ? (JSON.parse(row.text) as Value) : null;
  }

  // --- Fired windows --------------------------------------------------------------------------------

  saveWindow(record: BatchRecord): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO windows (number, state, redriven, record) VALUES (?, ?, ?, ?)',
      record.number,
      record.state,
      record.redriven,
      JSON.stringify(record),
    );
  }
  window(number: number): BatchRecord | null {
    return this.#records('number = ?', [number])[0] ?? null;
  }
  unfinished(): BatchRecord[] {
    return this.#records("state IN ('waiting', 'running') ORDER BY number");
  }
  /** Newest first, below a number. */
  windowsBelow(number: number, limit: number): BatchRecord[] {
    return this.#records('number < ? ORDER BY number DESC LIMIT ?', [number, limit]);
  }
  /** Given up, or tried again after that; oldest first, above a number. */
  deadAbove(number: number, limit: number): BatchRecord[] {
    return this.#records(`number > ? AND ${DEAD} ORDER BY number LIMIT ?`, [number, limit]);
  }
  deadCount(): number {
    return this.#sql.one<{ n: number }>(`SELECT count(*) AS n FROM windows WHERE ${DEAD}`).n;
  }
  /** Those that may be redriven: oldest first. */
  failedNumbers(limit: number): number[] {
    const rows = this.#sql.all<{ number: number }>(
      "SELECT number FROM windows WHERE state = 'failed' ORDER BY number LIMIT ?",
      limit,
    );
    return rows.map(({ number }) => number);
  }
  /** Forgets the oldest windows that are done. */
  prune(newest: number): void {
    this.#sql.run(
      "DELETE FROM windows WHERE number <= ? AND state = 'done'",
      newest - BATCHES_KEPT,
    );
  }
  #records(where: string, bindings: (number | string)[] = []): BatchRecord[] {
    const rows = this.#sql.all<{ record: string }>(
      `SELECT record FROM windows WHERE ${where}`,
      ...bindings,
    );
    return rows.map(({ record }) => JSON.parse(record) as BatchRecord);
  }

  // --- Effects --------------------------------------------------------------------------------------

  saveEffects(number: number, effects: BatchEffects): void {
    this.#effects.save(JSON.stringify(effects), number);
  }
  effects(number: number): BatchEffects | null {
    return this.#effects.json<BatchEffects>(number);
  }
  deleteEffects(number: number): void {
    this.#effects.delete(number);
  }
}

const DEAD = "(state = 'failed' OR (redriven > 0 AND state <> 'done'))";
