// The ClaimObject's tables and every statement on them. A claim has a due time while it has no holder: then it is
// collected. Held claims have none, so that the index is as small as what there is to do.
import {
  CLAIM_ORPHAN_MS,
  CLAIM_RELEASE_GRACE_MS,
  CLAIM_TOMBSTONE_MS,
} from '../../shared/limits.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import { claimKey } from '../platform/keys.ts';
import { Sql } from '../platform/sql.store.ts';
import type { FoundClaim } from '../contracts/claim.rpc.ts';

const MIGRATIONS = [
  {
    id: 'claims-1',
    sql: `
      CREATE TABLE claims (token TEXT PRIMARY KEY, state TEXT NOT NULL, claim TEXT, dueMs INTEGER) WITHOUT ROWID;
      CREATE INDEX claims_due ON claims (dueMs) WHERE dueMs IS NOT NULL;
      CREATE TABLE holders (token TEXT NOT NULL, holder TEXT NOT NULL, PRIMARY KEY (token, holder)) WITHOUT ROWID;
    `,
  },
];

/** `collecting`: its object is being deleted, and nothing brings it back. `collected`: the object is gone. */
type State = 'there' | 'collecting' | 'collected';

interface ClaimRow {
  state: State;
  claim: Claim | null;
  dueMs: number | null;
}

export class ClaimStore {
  readonly #sql: Sql;

  constructor(storage: DurableObjectStorage) {
    this.#sql = new Sql(storage);
    this.#sql.migrate(MIGRATIONS);
  }

  register(claims: readonly Claim[], nowMs: number): void {
    this.#sql.transaction(() => {
      for (const claim of claims) {
        this.#sql.run(
          "INSERT OR IGNORE INTO claims (token, state, claim, dueMs) VALUES (?, 'there', ?, ?)",
          claim.token,
          JSON.stringify(claim),
          nowMs + CLAIM_ORPHAN_MS,
        );
      }
    });
  }

  find(token: string): FoundClaim {
    const row = this.#row(token);
    if (!row) return { kind: 'unknown' };
    if (row.state !== 'there' || !row.claim) return { kind: 'collected' };
    return { kind: 'there', claim: row.claim, key: claimKey(token) };
  }

  /** Finds, and keeps a claim without a holder for at least half of an orphan's time. */
  touch(tokens: readonly string[], nowMs: number): FoundClaim[] {
    return this.#sql.transaction(() =>
      tokens.map((token) => {
        const dueMs = this.#row(token)?.dueMs ?? null;
        const found = this.find(token);
        if (found.kind === 'there' && dueMs !== null && dueMs < nowMs + CLAIM_ORPHAN_MS / 2) {
          this.#setDue(token, nowMs + CLAIM_ORPHAN_MS);
        }
        return found;
      }),
    );
  }

  hold(holder: string, tokens: readonly string[]): void {
    this.#sql.transaction(() => {
      for (const token of tokens) {
        const row = this.#row(token);
        if (row?.state !== 'there') continue;
        this.#sql.run('INSERT OR IGNORE INTO holders (token, holder) VALUES (?, ?)', token, holder);
        if (row.dueMs !== null) this.#setDue(token, null);
      }
    });
  }

  release(holder: string, tokens: readonly string[], nowMs: number): void {
    this.#sql.transaction(() => {
      for (const token of tokens) {
        const released = this.#sql.run(
          'DELETE FROM holders WHERE token = ? AND holder = ?',
          token,
          holder,
        );
        if (released > 0 && !this.#isHeld(token)) {
          this.#setDue(token, nowMs + CLAIM_RELEASE_GRACE_MS);
        }
      }
    });
  }

  /** When the first claim or tombstone is due; null: nothing waits. */
  nextDueMs(): number | null {
    return this.#sql.one<{ dueMs: number | null }>(
      'SELECT min(dueMs) AS dueMs FROM claims WHERE dueMs IS NOT NULL',
    ).dueMs;
  }

  /** Forgets tombstones whose time is over, and takes claims to be collected. Both bounded by `limit`. */
  takeDue(nowMs: number, limit: number): string[] {
    return this.#sql.transaction(() => {
      const rows = [
        ...this.#sql.all<{ token: string; state: State }>(
          'SELECT token, state FROM claims WHERE dueMs <= ? ORDER BY dueMs LIMIT ?',
          nowMs,
          limit,
        ),
      ];
      const tokens: string[] = [];
      for (const { token, state } of rows) {
        if (state === 'collected') {
          this.#sql.run('DELETE FROM claims WHERE token = ?', token);
          continue;
        }
        if (state === 'there') {
          this.#sql.run("UPDATE claims SET state = 'collecting' WHERE token = ?", token);
        }
        tokens.push(token);
      }
      return tokens;
    });
  }

  /** Their objects are gone: what stays is that they were there. */
  collected(tokens: readonly string[], nowMs: number): void {
    this.#sql.transaction(() => {
      for (const token of tokens) {
        this.#sql.run(
          "UPDATE claims SET state = 'collected', claim = NULL, dueMs = ? WHERE token = ?",
          nowMs + CLAIM_TOMBSTONE_MS,
          token,
        );
      }
    });
  }

  #row(token: string): ClaimRow | null {
    const row = this.#sql.first<{ state: State; claim: string | null; dueMs: number | null }>(
      'SELECT state, claim, dueMs FROM claims WHERE token = ?',
      token,
    );
    if (!row) return null;
    return { ...row, claim: row.claim === null ? null : (JSON.parse(row.claim) as Claim) };
  }

  #isHeld(token: string): boolean {
    return this.#sql.all('SELECT 1 FROM holders WHERE token = ? LIMIT 1', token).length > 0;
  }

  #setDue(token: string, dueMs: number | null): void {
    this.#sql.run('UPDATE claims SET dueMs = ? WHERE token = ?', dueMs, token);
  }
}
