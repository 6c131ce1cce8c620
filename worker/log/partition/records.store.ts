// Who deals with a partition: producers and their sequences, requests and their outcomes, readers, pins.
import type { StreamWakeUp } from '../../contracts/wake-ups.ts';
import type { Sql, Row } from '../../platform/sql.store.ts';

export interface Subscriber {
  reader: string;
  wakeUp: StreamWakeUp;
  /** Where its reading began. */
  begin: number;
}

/** Segments of [first, next) are kept for somebody. */
export interface Pin {
  holder: string;
  first: number;
  next: number;
  untilMs: number;
}

export class LogRecords {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  sequenceOf(producer: string): number | null {
    const query = 'SELECT sequence FROM producers WHERE id = ?';
    return this.#sql.first<{ sequence: number }>(query, producer)?.sequence ?? null;
  }
  saveSequence(producer: string, sequence: number, atMs: number): void {
    this.#sql.run(
      `INSERT INTO producers (id, sequence, atMs) VALUES (?1, ?2, ?3)
       ON CONFLICT (id) DO UPDATE SET sequence = ?2, atMs = ?3`,
      producer,
      sequence,
      atMs,
    );
  }

  requestOutcome(key: string, piece: number, sinceMs: number): string | null {
    const query = 'SELECT outcome FROM requests WHERE key = ? AND piece = ? AND atMs > ?';
    return this.#sql.first<{ outcome: string }>(query, key, piece, sinceMs)?.outcome ?? null;
  }
  saveRequest(key: string, piece: number, outcome: string, atMs: number): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO requests (key, piece, outcome, atMs) VALUES (?, ?, ?, ?)',
      key,
      piece,
      outcome,
      atMs,
    );
  }

  oldestRequestMs(): number | null {
    return this.#oldest('SELECT min(atMs) AS atMs FROM requests');
  }
  oldestProducerMs(): number | null {
    return this.#oldest('SELECT min(atMs) AS atMs FROM producers');
  }
  #oldest(query: string): number | null {
    return this.#sql.first<{ atMs: number | null }>(query)?.atMs ?? null;
  }
  prune(requestsUntilMs: number, producersUntilMs: number): void {
    this.#sql.run('DELETE FROM requests WHERE atMs <= ?', requestsUntilMs);
    this.#sql.run('DELETE FROM producers WHERE atMs <= ?', producersUntilMs);
  }

  subscribers(): Subscriber[] {
    return this.#sql
      .all<{ reader: string; bell: string; begin: number }>('SELECT * FROM subscribers')
      .map(({ reader, bell, begin }) => ({
        reader,
        wakeUp: JSON.parse(bell) as StreamWakeUp,
        begin,
      }));
  }
  subscriber(reader: string): { begin: number } | null {
    return this.#sql.first('SELECT begin FROM subscribers WHERE reader = ?', reader);
  }
  saveSubscriber({ reader, wakeUp, begin }: Subscriber): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO subscribers (reader, bell, begin) VALUES (?, ?, ?)',
      reader,
      JSON.stringify(wakeUp),
      begin,
    );
  }
  deleteSubscriber(reader: string): void {
    this.#sql.run('DELETE FROM subscribers WHERE reader = ?', reader);
  }

  pins(): Pin[] {
    return this.#sql.all<Pin & Row>('SELECT holder, first, next, untilMs FROM pins');
  }
  savePin({ holder, first, next, untilMs }: Pin): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO pins (holder, first, next, untilMs) VALUES (?, ?, ?, ?)',
      holder,
      first,
      next,
      untilMs,
    );
  }
  deletePin(holder: string): void {
    this.#sql.run('DELETE FROM pins WHERE holder = ?', holder);
  }
}
