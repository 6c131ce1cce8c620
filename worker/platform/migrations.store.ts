// Schema migrations of an object's SQLite: an append-only list. What was applied once must not change.
export interface Migration {
  id: string;
  sql: string;
}

/**
 * Applies what is missing, in order, in one transaction. Throws when an applied migration was edited or moved. Two who
 * share a database keep their own lists, in tables of their own.
 */
export function migrate(
  storage: Pick<DurableObjectStorage, 'sql' | 'transactionSync'>,
  migrations: readonly Migration[],
  table: 'migrations' | 'shard_migrations' = 'migrations',
): void {
  storage.transactionSync(() => {
    const { sql } = storage;
    sql.exec(
      `CREATE TABLE IF NOT EXISTS ${table} (position INTEGER PRIMARY KEY, id TEXT NOT NULL, sql TEXT NOT NULL)`,
    );
    const applied = [
      ...sql.exec<{ id: string; sql: string }>(`SELECT id, sql FROM ${table} ORDER BY position`),
    ];
    applied.forEach((row, position) => {
      const migration = migrations[position];
      if (migration?.id !== row.id || migration.sql !== row.sql) {
        throw new Error(`migration ${row.id} at ${position} was applied and must not change`);
      }
    });
    migrations.slice(applied.length).forEach((migration, i) => {
      sql.exec(migration.sql);
      sql.exec(
        `INSERT INTO ${table} (position, id, sql) VALUES (?, ?, ?)`,
        applied.length + i,
        migration.id,
        migration.sql,
      );
    });
  });
}
