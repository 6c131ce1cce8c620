// Statements on a partition's tables, with the rows counted that they cost.
import type { Operation } from '../../shared/pricing.ts';
import { type Migration, migrate } from './migrations.ts';

/** What of a DO's storage is needed; tests bring their own. */
export interface LogStorage {
  sql: SqlStorage;
  transactionSync<Result>(work: () => Result): Result;
}

export type Row = Record<string, SqlStorageValue>;

export class LogSql {
  readonly #storage: LogStorage;
  readonly #operations: Record<Operation, number>;

  constructor(storage: LogStorage, operations: Record<Operation, number>) {
    this.#storage = storage;
    this.#operations = operations;
  }

  /** Nothing was ever stored: asking must not make a database of it. */
  get empty(): boolean {
    return this.all("SELECT name FROM sqlite_master WHERE name = 'migrations'").length === 0;
  }

  migrate(migrations: readonly Migration[]): void {
    migrate(this.#storage as DurableObjectStorage, migrations);
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

  /** Nothing may be written while this is read. */
  *each<Result extends Row>(query: string, ...bindings: SqlStorageValue[]): Iterable<Result> {
    const cursor = this.#storage.sql.exec<Result>(query, ...bindings);
    try {
      yield* cursor;
    } finally {
      this.#operations.rowRead += cursor.rowsRead;
      this.#operations.rowWritten += cursor.rowsWritten;
    }
  }

  run(query: string, ...bindings: SqlStorageValue[]): void {
    this.all(query, ...bindings);
  }
}
