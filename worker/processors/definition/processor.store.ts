// The ProcessorObject's record, and the mark of a deleted one: a unique id is never used again, since producers'
// sequences in output streams outlive the processor.
import { LongTexts } from '../../platform/long-texts.store.ts';
import { Sql } from '../../platform/sql.store.ts';
import type { ProcessorRecord } from './processor-record.ts';

const MIGRATIONS = [
  {
    id: 'processor-1',
    sql: `
      CREATE TABLE record (piece INTEGER PRIMARY KEY, text TEXT NOT NULL);
      CREATE TABLE deleted (one INTEGER PRIMARY KEY);
    `,
  },
];

/** Stored records keep the name that the cutover had first. */
type StoredRecord = Omit<ProcessorRecord, 'cutover'> & { takeover: ProcessorRecord['cutover'] };

export class ProcessorStore {
  readonly #sql: Sql;
  readonly #record: LongTexts;

  constructor(storage: DurableObjectStorage) {
    this.#sql = new Sql(storage);
    this.#sql.migrate(MIGRATIONS);
    this.#record = new LongTexts(this.#sql, 'record', { keys: [] });
  }

  load(): ProcessorRecord | null {
    const stored = this.#record.json<StoredRecord>();
    if (!stored) return null;
    const { takeover: cutover, ...record } = stored;
    return { ...record, cutover };
  }

  save({ cutover: takeover, ...record }: ProcessorRecord): void {
    const stored: StoredRecord = { ...record, takeover };
    this.#sql.transaction(() => this.#record.save(JSON.stringify(stored)));
  }

  /** From now on it is only being deleted. */
  markDeleted(): void {
    this.#sql.run('INSERT OR IGNORE INTO deleted (one) VALUES (1)');
  }

  isDeleted(): boolean {
    return this.#sql.one<{ n: number }>('SELECT count(*) AS n FROM deleted').n > 0;
  }

  /** All but the mark. */
  wipe(): void {
    this.#record.delete();
  }
}
