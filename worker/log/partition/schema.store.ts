// The tables of one partition. Every row written costs, and every index entry: events are packed, hashes and
// tokens are blobs, and what can be lost without harm lies in one row that is written now and then.
import type { Migration } from '../../platform/migrations.store.ts';

export const LOG_MIGRATIONS: readonly Migration[] = [
  {
    id: 'log-1',
    // `rows` is the tail. Texts stand last: sums over the columns before them leave their pages unread.
    // `segment_ids` and `segment_claims` hold chunks at first, first + 1, … of their segment.
    sql: `
      CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE rows (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, bytes INTEGER NOT NULL, atMs INTEGER NOT NULL,
        claimEvents INTEGER NOT NULL, claimBytes INTEGER NOT NULL, tokens TEXT, ids BLOB, text TEXT NOT NULL);
      CREATE TABLE segments (first INTEGER PRIMARY KEY, next INTEGER NOT NULL, bytes INTEGER NOT NULL,
        firstAtMs INTEGER NOT NULL, lastAtMs INTEGER NOT NULL, claimEvents INTEGER NOT NULL, claimBytes INTEGER NOT NULL,
        "index" TEXT NOT NULL);
      CREATE TABLE segment_ids (place INTEGER PRIMARY KEY, ids BLOB NOT NULL);
      CREATE TABLE segment_claims (place INTEGER PRIMARY KEY, tokens TEXT NOT NULL);
      CREATE TABLE producers (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, atMs INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE requests (key TEXT NOT NULL, piece INTEGER NOT NULL, outcome TEXT NOT NULL, atMs INTEGER NOT NULL,
        PRIMARY KEY (key, piece)) WITHOUT ROWID;
      CREATE TABLE subscribers (reader TEXT PRIMARY KEY, bell TEXT NOT NULL, begin INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE pins (holder TEXT PRIMARY KEY, first INTEGER NOT NULL, next INTEGER NOT NULL, untilMs INTEGER NOT NULL) WITHOUT ROWID;
    `,
  },
];
