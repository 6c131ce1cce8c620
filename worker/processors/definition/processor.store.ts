// The ProcessorObject's record, and the mark of a deleted one: a unique id is never used again, since producers'
// sequences in output streams outlive the processor.
import { migrate } from '../../platform/migrations.ts';
import type { ProcessorRecord } from './processor-record.ts';

/** Texts longer than a row allows (2 MB) are cut; UTF-16 units, at most 3 bytes each. */
const TEXT_PIECE_CHARS = 500_000;

const MIGRATIONS = [
  {
    id: 'processor-1',
    sql: `
      CREATE TABLE record (piece INTEGER PRIMARY KEY, text TEXT NOT NULL);
      CREATE TABLE deleted (one INTEGER PRIMARY KEY);
    `,
  },
];

export class ProcessorStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    migrate(storage, MIGRATIONS);
  }

  load(): ProcessorRecord | null {
    const rows = [...this.#sql.exec<{ text: string }>('SELECT text FROM record ORDER BY piece')];
    const text = rows.map((row) => row.text).join('');
    return text === '' ? null : (JSON.parse(text) as ProcessorRecord);
  }

  save(record: ProcessorRecord): void {
    const text = JSON.stringify(record);
    this.#storage.transactionSync(() => {
      this.#sql.exec('DELETE FROM record');
      for (let piece = 0; piece * TEXT_PIECE_CHARS < text.length; piece++) {
        const some = text.slice(piece * TEXT_PIECE_CHARS, (piece + 1) * TEXT_PIECE_CHARS);
        this.#sql.exec('INSERT INTO record (piece, text) VALUES (?, ?)', piece, some);
      }
    });
  }

  /** From now on it is only being forgotten. */
  markDeleted(): void {
    this.#sql.exec('INSERT OR IGNORE INTO deleted (one) VALUES (1)');
  }

  isDeleted(): boolean {
    return this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM deleted').one().n > 0;
  }

  /** All but the mark. */
  wipe(): void {
    this.#sql.exec('DELETE FROM record');
  }
}
