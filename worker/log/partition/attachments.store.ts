// What hangs on events besides their text: the hashes of their ids, the tokens of their claims. They lie with the
// tail's rows, are gathered into chunks when those are sealed, and outlive the events until they are dealt with.
import type { IdHashes } from './id-index.ts';
import type { Sql } from '../../platform/sql.store.ts';

/** Chunks stay below the platform's 2 MB a value. */
const CHUNK_HASHES = 65_536;
const CHUNK_TOKENS = 8_192;

export interface Gathered {
  ids: IdHashes[];
  /** With the row's first offset. */
  tokens: { first: number; tokens: string[] }[];
  claimEvents: number;
  claimBytes: number;
}

export class LogAttachments {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** From the rows in [first, next). */
  gather(first: number, next: number): Gathered {
    const gathered: Gathered = { ids: [], tokens: [], claimEvents: 0, claimBytes: 0 };
    for (const row of this.#sql.each<{
      first: number;
      claimEvents: number;
      claimBytes: number;
      tokens: string | null;
      ids: ArrayBuffer | null;
    }>(
      `SELECT first, claimEvents, claimBytes, tokens, ids FROM rows
       WHERE first >= ? AND first < ? AND (claimEvents > 0 OR ids IS NOT NULL) ORDER BY first`,
      first,
      next,
    )) {
      if (row.ids) gathered.ids.push(new Uint32Array(row.ids));
      if (row.tokens !== null) {
        gathered.tokens.push({ first: row.first, tokens: JSON.parse(row.tokens) as string[] });
      }
      gathered.claimEvents += row.claimEvents;
      gathered.claimBytes += row.claimBytes;
    }
    return gathered;
  }

  // --- Tokens ---------------------------------------------------------------------------------------

  /** A chunk's place is an offset of an event before which it is not needed: chunks are fewer than events. */
  insertTokens(place: number, tokens: readonly string[]): void {
    for (let i = 0; i * CHUNK_TOKENS < tokens.length; i++) {
      this.#sql.run(
        'INSERT INTO segment_claims (place, tokens) VALUES (?, ?)',
        place + i,
        JSON.stringify(tokens.slice(i * CHUNK_TOKENS, (i + 1) * CHUNK_TOKENS)),
      );
    }
  }

  /** Of rows from `from` on; `to` is where those that were looked at end, null when there are no more. */
  tokensOfRows(from: number, maxRows: number): { tokens: string[]; to: number | null } {
    const rows = this.#sql.all<{ first: number; count: number; tokens: string }>(
      `SELECT first, count, tokens FROM rows WHERE first >= ? AND claimEvents > 0 ORDER BY first LIMIT ?`,
      from,
      maxRows,
    );
    const last = rows.at(-1);
    return {
      tokens: rows.flatMap((row) => JSON.parse(row.tokens) as string[]),
      to: last && rows.length === maxRows ? last.first + last.count : null,
    };
  }

  /** A chunk of tokens whose events lie before `first`. */
  tokensBefore(first: number): { place: number; tokens: string[] } | null {
    const row = this.#sql.first<{ place: number; tokens: string }>(
      'SELECT place, tokens FROM segment_claims WHERE place < ? ORDER BY place LIMIT 1',
      first,
    );
    return row && { place: row.place, tokens: JSON.parse(row.tokens) as string[] };
  }

  /** All tokens of events from `first` on, chunk by chunk. */
  *tokensFrom(first: number): Iterable<string[]> {
    for (const query of [
      'SELECT tokens FROM segment_claims WHERE place >= ?',
      'SELECT tokens FROM rows WHERE first >= ? AND claimEvents > 0',
    ]) {
      for (const { tokens } of this.#sql.each<{ tokens: string }>(query, first)) {
        yield JSON.parse(tokens) as string[];
      }
    }
  }

  deleteTokens(place: number): void {
    this.#sql.run('DELETE FROM segment_claims WHERE place = ?', place);
  }

  // --- Hashes ---------------------------------------------------------------------------------------

  insertIds(place: number, parts: readonly IdHashes[]): void {
    const hashes = joined(parts);
    for (let i = 0; i * CHUNK_HASHES * 2 < hashes.length; i++) {
      const chunk = hashes.slice(i * CHUNK_HASHES * 2, (i + 1) * CHUNK_HASHES * 2);
      this.#sql.run('INSERT INTO segment_ids (place, ids) VALUES (?, ?)', place + i, chunk.buffer);
    }
  }

  /** All of them, from the oldest on. */
  *ids(): Iterable<IdHashes> {
    for (const query of [
      'SELECT ids FROM segment_ids ORDER BY place',
      'SELECT ids FROM rows WHERE ids IS NOT NULL ORDER BY first',
    ]) {
      for (const { ids } of this.#sql.each<{ ids: ArrayBuffer }>(query)) yield new Uint32Array(ids);
    }
  }

  /** Takes the hashes of sealed events before `first` away. */
  takeIdsBefore(first: number): IdHashes[] {
    const rows = this.#sql.all<{ ids: ArrayBuffer }>(
      'SELECT ids FROM segment_ids WHERE place < ?',
      first,
    );
    this.#sql.run('DELETE FROM segment_ids WHERE place < ?', first);
    return rows.map(({ ids }) => new Uint32Array(ids));
  }

  /** Takes the oldest sealed chunk away. */
  takeOldestIds(): IdHashes | null {
    const row = this.#sql.first<{ place: number; ids: ArrayBuffer }>(
      'SELECT place, ids FROM segment_ids ORDER BY place LIMIT 1',
    );
    if (!row) return null;
    this.#sql.run('DELETE FROM segment_ids WHERE place = ?', row.place);
    return new Uint32Array(row.ids);
  }
}

function joined(parts: readonly IdHashes[]): IdHashes {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
