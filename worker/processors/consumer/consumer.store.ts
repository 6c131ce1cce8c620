// The ConsumerObject's tables and every statement on them. A batch that goes well writes two rows: what was
// decided, and the record.
import { READ_MAX_BYTES } from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { Claim } from '../../../shared/schemas/claim.ts';
import type { StreamEvent } from '../../../shared/schemas/stream.ts';
import { LongTexts } from '../../platform/long-texts.store.ts';
import { Sql } from '../../platform/sql.store.ts';
import type { ConsumerConfig, Effects, Letter } from '../../contracts/consumer.rpc.ts';
import type { ConsumerRecord } from './consumer-record.ts';
import type { ConsumerStorage, Loaded } from './consumer-storage.ts';

const MIGRATIONS = [
  {
    id: 'consumer-1',
    sql: `
      CREATE TABLE texts (name TEXT NOT NULL, piece INTEGER NOT NULL, pieces INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (name, piece)) WITHOUT ROWID;
      CREATE TABLE letters (offset INTEGER PRIMARY KEY, id TEXT NOT NULL, redriveAtMs INTEGER, attempts INTEGER NOT NULL,
        atMs INTEGER NOT NULL, error TEXT NOT NULL, token TEXT, line TEXT NOT NULL);
      CREATE INDEX letters_to_redrive ON letters (redriveAtMs) WHERE redriveAtMs IS NOT NULL;
      CREATE INDEX letters_by_token ON letters (token) WHERE token IS NOT NULL;
      CREATE TABLE tokens (token TEXT PRIMARY KEY, held INTEGER NOT NULL) WITHOUT ROWID;
    `,
  },
];

interface LetterRow extends Record<string, SqlStorageValue> {
  offset: number;
  id: string;
  redriveAtMs: number | null;
  attempts: number;
  atMs: number;
  error: string;
  line: string;
}

export interface StoredLetter extends Letter {
  redriveAtMs: number | null;
}

export class ConsumerStore implements ConsumerStorage {
  readonly #sql: Sql;
  readonly #texts: LongTexts;

  constructor(storage: DurableObjectStorage) {
    this.#sql = new Sql(storage);
    this.#sql.migrate(MIGRATIONS);
    this.#texts = new LongTexts(this.#sql, 'texts', { counted: true });
  }

  transaction<Result>(work: () => Result): Result {
    return this.#sql.transaction(work);
  }

  // --- The place and what was decided ---

  load(): Loaded | null {
    const config = this.#texts.json<ConsumerConfig>('config');
    const record = this.#texts.json<ConsumerRecord>('record');
    return config && record
      ? { config, record, log: this.#texts.json<string[]>('log') ?? [] }
      : null;
  }
  saveConfig(config: ConsumerConfig): void {
    this.#texts.save(JSON.stringify(config), 'config');
  }
  saveRecord(record: ConsumerRecord): void {
    this.#texts.save(JSON.stringify(record), 'record');
  }
  saveLog(lines: string[]): void {
    this.#texts.save(JSON.stringify(lines), 'log');
  }
  /** One line of JSON, and the outputs' texts as they are: as a part of the JSON they would be written a second time. */
  savePrepared(serial: number, effects: Effects): void {
    const texts = effects.outputs.map(({ text }) => text);
    const outputs = effects.outputs.map((some) => ({ ...some, text: '' }));
    const chars = texts.map((text) => text.length);
    const head = JSON.stringify({ serial, effects: { ...effects, outputs }, chars });
    this.#texts.save(`${head}\n${texts.join('')}`, 'prepared');
  }
  loadPrepared(serial: number): Effects | null {
    const text = this.#texts.load('prepared');
    if (text === null) return null;
    let at = text.indexOf('\n') + 1;
    const prepared = JSON.parse(text.slice(0, at)) as {
      serial: number;
      effects: Effects;
      chars: number[];
    };
    if (prepared.serial !== serial) return null;
    const outputs = prepared.effects.outputs.map((some, i) => {
      const start = at;
      at += prepared.chars[i] as number;
      return { ...some, text: text.slice(start, at) };
    });
    return { ...prepared.effects, outputs };
  }

  // --- Dead letters ---

  addLetter({ id, offset, line, error, attempts, atMs }: Letter): void {
    const token = claimOf(line)?.token ?? null;
    this.#sql.run(
      'INSERT OR IGNORE INTO letters (offset, id, attempts, atMs, error, token, line) VALUES (?, ?, ?, ?, ?, ?, ?)',
      offset,
      id,
      attempts,
      atMs,
      JSON.stringify(error),
      token,
      line,
    );
    if (token === null) return;
    this.#sql.run('INSERT OR IGNORE INTO tokens (token, held) VALUES (?, 0)', token);
  }
  putLetter(letter: Letter): boolean {
    const { offset, error, attempts, atMs } = letter;
    this.#sql.run(
      `UPDATE letters SET redriveAtMs = NULL, error = ?, attempts = attempts + ?, atMs = ?
       WHERE offset = ? AND redriveAtMs IS NOT NULL`,
      JSON.stringify(error),
      attempts,
      atMs,
      offset,
    );
    if (this.#changes() > 0) return true;
    const found = this.#sql.all('SELECT 1 FROM letters WHERE offset = ?', offset);
    if (found.length > 0) return false;
    this.addLetter(letter);
    return true;
  }
  removeLetter(id: string, attempts: number | null): void {
    this.#sql.run(
      'DELETE FROM letters WHERE offset = ?1 AND attempts = coalesce(?2, attempts)',
      this.#offsetOf(id),
      attempts,
    );
  }
  letterFailedAgain(id: string, error: TaskError): void {
    this.#sql.run(
      'UPDATE letters SET attempts = attempts + 1, error = ?, redriveAtMs = NULL WHERE offset = ?',
      JSON.stringify(error),
      this.#offsetOf(id),
    );
  }
  /** Ids end with the offset, which is the key. */
  #offsetOf(id: string): number {
    return Number(id.slice(id.lastIndexOf(':') + 1));
  }
  letterCount(): number {
    return this.#sql.one<{ n: number }>('SELECT count(*) AS n FROM letters').n;
  }
  lettersDue(nowMs: number, limit: number): Letter[] {
    return this.#letters(
      'WHERE redriveAtMs <= ? ORDER BY redriveAtMs, offset LIMIT ?',
      nowMs,
      limit,
    );
  }
  nextRedriveMs(): number | null {
    return this.#sql.one<{ atMs: number | null }>(
      'SELECT min(redriveAtMs) AS atMs FROM letters WHERE redriveAtMs IS NOT NULL',
    ).atMs;
  }
  lettersAfter(offset: number, limit: number): StoredLetter[] {
    return this.#letters('WHERE offset > ? ORDER BY offset LIMIT ?', offset, limit);
  }
  /** Some MiB of them at most, but one at least. */
  #letters(where: string, ...bindings: number[]): StoredLetter[] {
    const rows = this.#sql.all<LetterRow>(
      `SELECT offset, id, redriveAtMs, attempts, atMs, error, line FROM letters ${where}`,
      ...bindings,
    );
    const letters: StoredLetter[] = [];
    let chars = 0;
    for (const row of rows) {
      chars += row.line.length;
      if (letters.length > 0 && chars > READ_MAX_BYTES) break;
      letters.push({ ...row, error: JSON.parse(row.error) as TaskError });
    }
    return letters;
  }
  /** Gives each of them a time, `spacingMs` apart, and says how many got one. Those that have one keep it. */
  redriveAll(fromMs: number, spacingMs: number): number {
    this.#sql.run(
      `UPDATE letters SET redriveAtMs = ?1 + CAST(found.n * ?2 AS INTEGER)
       FROM (SELECT offset AS at, row_number() OVER (ORDER BY offset) - 1 AS n FROM letters WHERE redriveAtMs IS NULL) AS found
       WHERE letters.offset = found.at`,
      fromMs,
      spacingMs,
    );
    return this.#changes();
  }
  redriveOne(id: string, atMs: number): boolean {
    this.#sql.run(
      'UPDATE letters SET redriveAtMs = coalesce(redriveAtMs, ?) WHERE offset = ? AND id = ?',
      atMs,
      this.#offsetOf(id),
      id,
    );
    return this.#changes() > 0;
  }
  #changes(): number {
    return this.#sql.one<{ n: number }>('SELECT changes() AS n').n;
  }

  // --- The claims of dead letters, which must not be collected under them ---

  /** Tokens that are not held yet, and tokens that are held though no letter has them any more. */
  unsettledTokens(limit: number): { hold: string[]; release: string[] } {
    const used = 'EXISTS (SELECT 1 FROM letters WHERE letters.token = tokens.token)';
    const tokens = (where: string) =>
      [
        ...this.#sql.all<{ token: string }>(
          `SELECT token FROM tokens WHERE ${where} LIMIT ?`,
          limit,
        ),
      ].map(({ token }) => token);
    return { hold: tokens(`held = 0 AND ${used}`), release: tokens(`NOT ${used}`) };
  }
  tokenHeld(token: string): void {
    this.#sql.run('UPDATE tokens SET held = 1 WHERE token = ?', token);
  }
  /** Another letter may have come with it meanwhile. */
  tokenReleased(token: string): void {
    this.#sql.run(
      'DELETE FROM tokens WHERE token = ?1 AND NOT EXISTS (SELECT 1 FROM letters WHERE letters.token = ?1)',
      token,
    );
    this.#sql.run('UPDATE tokens SET held = 0 WHERE token = ?', token);
  }
  tokens(after: string, limit: number): string[] {
    return [
      ...this.#sql.all<{ token: string }>(
        'SELECT token FROM tokens WHERE token > ? ORDER BY token LIMIT ?',
        after,
        limit,
      ),
    ].map(({ token }) => token);
  }
}

/** The event of a letter; null for a text that is none. */
export function eventOf(line: string): StreamEvent | null {
  return line === '' ? null : (JSON.parse(line) as StreamEvent);
}

function claimOf(line: string): Claim | null {
  // Most letters have none: no need to parse them.
  return line.includes('"claim":') ? (eventOf(line)?.claim ?? null) : null;
}
