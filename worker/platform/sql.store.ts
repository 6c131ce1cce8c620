// Statements on an object's tables, with the rows counted that they cost.
import type { Operation } from '../../shared/pricing.ts';
import { type Migration, migrate } from './migrations.store.ts';

/** What of a DO's storage is needed; tests bring their own. */
export type SqlSource = Pick<DurableObjectStorage, 'sql' | 'transactionSync'>;

export type Row = Record<string, SqlStorageValue>;

export type RowCounts = Pick<Record<Operation, number>, 'rowRead' | 'rowWritten'>;

export class Sql {
  readonly #storage: SqlSource;
  readonly #counts: RowCounts;

  /** `counts`: where rows are added up. */
  constructor(storage: SqlSource, counts: RowCounts = { rowRead: 0, rowWritten: 0 }) {
    this.#storage = storage;
    this.#counts = counts;
  }

  /** Nothing was ever stored: asking must not make a database of it. */
  get empty(): boolean {
    return this.all("SELECT name FROM sqlite_master WHERE name = 'migrations'").length === 0;
  }

  migrate(migrations: readonly Migration[], table?: 'shard_migrations'): void {
    migrate(this.#storage, migrations, table);
  }

  transaction<Result>(work: () => Result): Result {
    return this.#storage.transactionSync(work);
  }

  all<Result extends Row>(query: string, ...bindings: SqlStorageValue[]): Result[] {
    return [...this.each<Result>(query, ...bindings)];
  }

  first<Result extends Row>(query: string, ...bindings: SqlStorageValue[]): Result | null {
    return this.all<Result>(query, ...bindings)[0] ?? null;
  }

  /** The only row. */
  one<Result extends Row>(query: string, ...bindings: SqlStorageValue[]): Result {
    const row = this.first<Result>(query, ...bindings);
    if (!row) throw new Error(`no row of ${query}`);
    return row;
  }

  /** Nothing may be written while this is read. */
  *each<Result extends Row>(query: string, ...bindings: SqlStorageValue[]): Iterable<Result> {
    const cursor = this.#storage.sql.exec<Result>(query, ...bindings);
    try {
      yield* cursor;
    } finally {
      this.#counts.rowRead += cursor.rowsRead;
      this.#counts.rowWritten += cursor.rowsWritten;
    }
  }

  /** Comes to the rows written, those of indexes included. */
  run(query: string, ...bindings: SqlStorageValue[]): number {
    const before = this.#counts.rowWritten;
    this.all(query, ...bindings);
    return this.#counts.rowWritten - before;
  }
}
