// Texts that may be too long for one row, cut into pieces. A row takes 2 MB; a UTF-16 unit is three bytes at most.
import { TEXT_PIECE_MAX_CHARS } from '../../shared/limits.ts';
import type { Sql } from './sql.store.ts';

/** At least one piece. A character of two units stays whole: half of it cannot be written as UTF-8. */
export function textPieces(text: string, maxChars: number): string[] {
  const pieces: string[] = [];
  let at = 0;
  do {
    let end = Math.min(text.length, at + maxChars);
    if (end < text.length && end > at + 1 && isFirstHalf(text.charCodeAt(end - 1))) end--;
    pieces.push(text.slice(at, end));
    at = end;
  } while (at < text.length);
  return pieces;
}

const isFirstHalf = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;

/** A table with the columns of a key, `piece` and `text`. */
interface Shape {
  keys?: readonly string[];
  /** A column `pieces` says how many count: those of a longer text that stood there before may stay behind. */
  counted?: boolean;
}

export class LongTexts {
  readonly #sql: Sql;
  readonly #table: string;
  readonly #columns: readonly string[];
  readonly #where: string;
  readonly #counted: boolean;

  constructor(sql: Sql, table: string, { keys = ['name'], counted = false }: Shape = {}) {
    this.#sql = sql;
    this.#table = table;
    this.#counted = counted;
    this.#columns = [...keys, 'piece', ...(counted ? ['pieces'] : []), 'text'];
    this.#where = ['TRUE', ...keys.map((key) => `${key} = ?`)].join(' AND ');
  }

  save(text: string, ...key: SqlStorageValue[]): void {
    const pieces = textPieces(text, TEXT_PIECE_MAX_CHARS);
    const places = this.#columns.map(() => '?').join(', ');
    for (const [piece, part] of pieces.entries()) {
      const count = this.#counted ? [pieces.length] : [];
      this.#sql.run(
        `INSERT OR REPLACE INTO ${this.#table} (${this.#columns.join(', ')}) VALUES (${places})`,
        ...[...key, piece, ...count, part],
      );
    }
    if (this.#counted) return;
    const rest = `DELETE FROM ${this.#table} WHERE ${this.#where} AND piece >= ?`;
    this.#sql.run(rest, ...key, pieces.length);
  }

  load(...key: SqlStorageValue[]): string | null {
    const count = this.#counted ? 'pieces' : 'NULL AS pieces';
    const rows = this.#sql.all<{ pieces: number | null; text: string }>(
      `SELECT ${count}, text FROM ${this.#table} WHERE ${this.#where} ORDER BY piece`,
      ...key,
    );
    if (rows.length === 0) return null;
    const counted = rows.slice(0, rows[0]?.pieces ?? rows.length);
    return counted.map(({ text }) => text).join('');
  }

  json<Value>(...key: SqlStorageValue[]): Value | null {
    const text = this.load(...key);
    return text === null ? null : (JSON.parse(text) as Value);
  }

  delete(...key: SqlStorageValue[]): void {
    this.#sql.run(`DELETE FROM ${this.#table} WHERE ${this.#where}`, ...key);
  }
}
