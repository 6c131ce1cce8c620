// Users, and the events about them that are still owed to the stream `users`: a change and its event are stored
// together, and the event is sent until it is there, in the order of the changes.
import { DurableObject } from 'cloudflare:workers';
import { backoffMs } from '../../shared/backoff.ts';
import { USER_EVENTS_OWED_MAX, USER_EVENTS_TOLD_AT_ONCE } from '../../shared/limits.ts';
import type { Faults, User } from '../../shared/schemas/service.ts';
import { guardBindings } from '../platform/bindings.edge.ts';
import type { Env } from '../platform/env.ts';
import { Sql } from '../platform/sql.store.ts';
import { Failures } from '../platform/failures.ts';
import { Timers } from '../platform/timers.store.ts';
import { tellChanges, type UserChange } from './user-events.edge.ts';
import type { UserServiceRpc } from '../contracts/user-service.rpc.ts';

const MIGRATIONS = [
  {
    id: 'users-1',
    sql: `
      CREATE TABLE users (id TEXT PRIMARY KEY, user TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE faults (only INTEGER PRIMARY KEY, faults TEXT NOT NULL);
      CREATE TABLE owed (place INTEGER PRIMARY KEY AUTOINCREMENT, change TEXT NOT NULL);
    `,
  },
];

const TELLING = 'telling the stream users of changes';
const NO_FAULTS: Faults = { latencyMs: 0, errorRate: 0 };
/** A telling that was cut off is begun again after this long. */
const TELL_AGAIN_MS = 10_000;
const RETRY = { baseMs: 500, maxMs: 60_000 };

export class UserServiceObject extends DurableObject<Env> implements UserServiceRpc {
  readonly #sql: Sql;
  readonly #timers: Timers<'tell'>;
  #telling = false;
  /** In a row. */
  readonly #failures = new Failures();
  #failed = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#sql = new Sql(ctx.storage);
    this.#sql.migrate(MIGRATIONS);
    this.#timers = new Timers(ctx.storage, { tell: () => this.#tell() });
  }

  async get(id: string): Promise<{ user: User | null; faults: Faults }> {
    const found = this.#find(id);
    return { user: found?.user ?? null, faults: await this.faults() };
  }

  async put(user: User): Promise<{ faults: Faults } | 'owing'> {
    const owed = this.#sql.one<{ n: number }>('SELECT count(*) AS n FROM owed').n;
    if (owed >= USER_EVENTS_OWED_MAX) return 'owing';
    const nowMs = Date.now();
    this.#sql.transaction(() => {
      const revision = (this.#find(user.id)?.revision ?? 0) + 1;
      this.#sql.run(
        'INSERT OR REPLACE INTO users (id, user, revision) VALUES (?, ?, ?)',
        user.id,
        JSON.stringify(user),
        revision,
      );
      const change: UserChange = { user, revision, atMs: nowMs };
      this.#sql.run('INSERT INTO owed (change) VALUES (?)', JSON.stringify(change));
    });
    // Told at once; the timer is for when this is cut off. While telling fails, its own timer says when to go on.
    if (this.#failed === 0) {
      this.#timers.set('tell', nowMs + TELL_AGAIN_MS);
      this.ctx.waitUntil(this.#tell());
    }
    return { faults: await this.faults() };
  }

  async faults(): Promise<Faults> {
    const row = this.#sql.first<{ faults: string }>('SELECT faults FROM faults');
    return row ? (JSON.parse(row.faults) as Faults) : NO_FAULTS;
  }

  async setFaults(faults: Faults): Promise<void> {
    this.#sql.run(
      'INSERT OR REPLACE INTO faults (only, faults) VALUES (1, ?)',
      JSON.stringify(faults),
    );
  }

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  #find(id: string): { user: User; revision: number } | null {
    const row = this.#sql.first<{ user: string; revision: number }>(
      'SELECT user, revision FROM users WHERE id = ?',
      id,
    );
    return row ? { user: JSON.parse(row.user) as User, revision: row.revision } : null;
  }

  /** Sends what is owed, oldest first, one batch after the other; what does not arrive is sent again later. */
  async #tell(): Promise<void> {
    // Should the telling that goes on be cut off.
    if (this.#telling) return this.#timers.setEarlier('tell', Date.now() + TELL_AGAIN_MS);
    this.#telling = true;
    try {
      for (let owed = this.#owed(); owed.length > 0; owed = this.#owed()) {
        await tellChanges(
          this.env,
          owed.map(({ change }) => JSON.parse(change) as UserChange),
        );
        this.#sql.run('DELETE FROM owed WHERE place <= ?', owed.at(-1)?.place ?? 0);
        this.#failed = 0;
        this.#failures.over(TELLING);
      }
      this.#timers.clear('tell');
    } catch (error) {
      this.#failed = this.#failures.failed(TELLING, error);
      const delayMs = backoffMs(RETRY, this.#failed - 1, Math.random());
      this.#timers.set('tell', Date.now() + RETRY.baseMs + delayMs);
    } finally {
      this.#telling = false;
    }
  }

  #owed(): { place: number; change: string }[] {
    return [
      ...this.#sql.all<{ place: number; change: string }>(
        'SELECT place, change FROM owed ORDER BY place LIMIT ?',
        USER_EVENTS_TOLD_AT_ONCE,
      ),
    ];
  }
}
