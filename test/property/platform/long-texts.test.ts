// Long texts in the tables that 0.4.0 wrote: what it stored is read, and a shorter text leaves nothing of a longer one.
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { TEXT_PIECE_MAX_CHARS } from '../../../shared/limits.ts';
import { LongTexts, textPieces } from '../../../worker/platform/long-texts.store.ts';
import { Sql } from '../../../worker/platform/sql.store.ts';
import { sqliteStorage } from '../log/sqlite-storage.ts';

test('pieces are whole characters, no longer than they may be, and make up the text', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'ä', '😀', '\n'), maxLength: 40 });
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 9 }), (text, maxChars) => {
      const pieces = textPieces(text, maxChars);
      expect(pieces.length).toBeGreaterThan(0);
      expect(pieces.join('')).toBe(text);
      for (const piece of pieces) {
        expect(piece.length).toBeLessThanOrEqual(maxChars);
        expect(piece.isWellFormed()).toBe(true);
      }
    }),
  );
});

const SHAPES = {
  'by name': {
    sql: 'CREATE TABLE t (name TEXT NOT NULL, piece INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, piece)) WITHOUT ROWID',
    shape: {},
    key: ['a'],
    stored: `INSERT INTO t VALUES ('a', 0, 'one'), ('a', 1, 'two'), ('b', 0, 'other')`,
  },
  'by name, counted': {
    sql: 'CREATE TABLE t (name TEXT NOT NULL, piece INTEGER NOT NULL, pieces INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, piece)) WITHOUT ROWID',
    shape: { counted: true },
    key: ['a'],
    // The third piece is of an older, longer text.
    stored: `INSERT INTO t VALUES ('a', 0, 2, 'one'), ('a', 1, 2, 'two'), ('a', 2, 3, 'old'), ('b', 0, 1, 'other')`,
  },
  'the only one': {
    sql: 'CREATE TABLE t (piece INTEGER PRIMARY KEY, text TEXT NOT NULL)',
    shape: { keys: [] },
    key: [],
    stored: `INSERT INTO t VALUES (0, 'one'), (1, 'two')`,
  },
  'by several': {
    sql: 'CREATE TABLE t (kind TEXT NOT NULL, n INTEGER NOT NULL, piece INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, n, piece)) WITHOUT ROWID',
    shape: { keys: ['kind', 'n'] },
    key: ['a', 7],
    stored: `INSERT INTO t VALUES ('a', 7, 0, 'one'), ('a', 7, 1, 'two'), ('a', 8, 0, 'other')`,
  },
};

describe.each(Object.entries(SHAPES))('a table %s', (_, { sql, shape, key, stored }) => {
  it('is read as it was written before, and takes other texts', () => {
    const db = new DatabaseSync(':memory:');
    db.exec(sql);
    db.exec(stored);
    const texts = new LongTexts(new Sql(sqliteStorage(db, () => undefined)), 't', shape);
    expect(texts.load(...key)).toBe('onetwo');
    for (const text of ['long '.repeat(TEXT_PIECE_MAX_CHARS / 2), '', 'short']) {
      texts.save(text, ...key);
      expect(texts.load(...key)).toBe(text);
    }
    texts.save('{"a":1}', ...key);
    expect(texts.json(...key)).toEqual({ a: 1 });
    texts.delete(...key);
    expect(texts.load(...key)).toBeNull();
    const others = db.prepare('SELECT text FROM t').all();
    expect(others.every(({ text }) => text === 'other')).toBe(true);
  });
});
