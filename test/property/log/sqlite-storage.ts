// A Durable Object's storage on Node's own SQLite: as much of it as is used.
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { SqlSource } from '../../../worker/platform/sql.store.ts';

/** `check` throws when whoever asks is dead. */
export function sqliteStorage(db: DatabaseSync, check: () => void): SqlSource {
  const exec = (query: string, ...bindings: SqlStorageValue[]) => {
    check();
    if (bindings.length === 0 && /;\s*\S/.test(query)) {
      db.exec(query);
      return cursorOver([], 0);
    }
    const rows = db.prepare(query).all(...bindings.map(toSqlite));
    const written = /^\s*(INSERT|DELETE|UPDATE)/.test(query)
      ? Number(db.prepare('SELECT changes() AS n').get()?.n)
      : 0;
    return cursorOver(rows.map(fromSqlite), written);
  };
  const transactionSync = <Result>(work: () => Result): Result => {
    db.exec('SAVEPOINT work');
    try {
      const result = work();
      db.exec('RELEASE work');
      return result;
    } catch (error) {
      db.exec('ROLLBACK TO work');
      db.exec('RELEASE work');
      throw error;
    }
  };
  return { sql: { exec } as unknown as SqlStorage, transactionSync };
}

const toSqlite = (value: SqlStorageValue): SQLInputValue =>
  value instanceof ArrayBuffer ? new Uint8Array(value) : value;

const fromSqlite = (row: Record<string, unknown>): Record<string, SqlStorageValue> =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      (value instanceof Uint8Array ? value.slice().buffer : value) as SqlStorageValue,
    ]),
  );

const cursorOver = (rows: Record<string, SqlStorageValue>[], rowsWritten: number) => ({
  rowsRead: rows.length,
  rowsWritten,
  [Symbol.iterator]: () => rows[Symbol.iterator](),
});
