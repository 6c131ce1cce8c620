// Named timers over a Durable Object's one alarm, each with its handler. A timer's row is deleted only after its handler
// has succeeded. While the handler runs the row is moved ahead: when the isolate dies, the handler is called again.
import { Alarm, ALARM_AHEAD_MS, type AlarmStorage, retryAtMs, systemClock } from './alarm.store.ts';
import { Failures } from './failures.ts';

/** The other timers do not wait longer than this for one handler. */
export const HANDLER_WAIT_MS = 30_000;
/** A handler that has not ended by then is taken for dead and called again. */
export const HANDLER_DEAD_MS = 900_000;

/** What is done when a timer is due. May be called twice for one setting. */
export type TimerHandlers<Name extends string> = Record<Name, (nowMs: number) => unknown>;

export type TimerStorage = AlarmStorage & Pick<DurableObjectStorage, 'sql' | 'deleteAll'>;

interface Attempt {
  sinceMs: number;
}

export class Timers<Name extends string> {
  readonly #storage: TimerStorage;
  readonly #handlers: TimerHandlers<Name>;
  readonly #clock;
  readonly #alarm: Alarm;
  readonly #failures = new Failures();
  readonly #running = new Map<Name, Attempt>();
  /** Timers that were not set again since their handler began: their row says only when to call it again. */
  readonly #guards = new Map<Name, Attempt>();
  #closed = false;

  /** Sets the alarm again: local alarms may die at a reload. */
  constructor(storage: TimerStorage, handlers: TimerHandlers<Name>, clock = systemClock) {
    this.#storage = storage;
    this.#handlers = handlers;
    this.#clock = clock;
    storage.sql.exec(
      'CREATE TABLE IF NOT EXISTS timers (name TEXT PRIMARY KEY, atMs INTEGER NOT NULL) WITHOUT ROWID',
    );
    this.#alarm = new Alarm(storage, () => this.#firstMs(), clock);
    this.#alarm.arm();
  }

  /** A timer that is set while its handler runs stays set. */
  set(name: Name, atMs: number): void {
    if (this.#closed) return;
    const at = Math.ceil(atMs);
    if (this.#at(name) === at) return;
    this.#guards.delete(name);
    this.#write(name, at);
    this.#alarm.arm();
  }

  /** A time that is set already stays when it is earlier: for timers that look again at what is due. */
  setEarlier(name: Name, atMs: number): void {
    if (this.#closed) return;
    const setMs = this.#at(name);
    if (setMs === null || setMs > atMs) this.set(name, atMs);
  }

  clear(name: Name): void {
    if (this.#closed || this.#row(name) === null) return;
    this.#guards.delete(name);
    this.#delete(name);
  }

  /** For the object's `alarm()`: calls the handlers of what is due, each once. Never throws. */
  run(): Promise<void> {
    return this.#alarm.run(async () => {
      const nowMs = this.#clock.nowMs();
      const called = new Set<string>();
      while (!this.#closed) {
        const next = this.#due(nowMs).find((name) => !called.has(name));
        if (next === undefined) return;
        called.add(next);
        await this.#call(next);
      }
    });
  }

  /** Deletes all that the object has stored, and its alarm. No timer can be set any more. */
  async deleteAll(): Promise<void> {
    this.#closed = true;
    this.#alarm.close();
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }

  async #call(name: Name): Promise<void> {
    const nowMs = this.#clock.nowMs();
    // Stored by a version that knew it.
    if (!Object.hasOwn(this.#handlers, name)) return this.#delete(name);
    this.#write(name, nowMs + ALARM_AHEAD_MS);
    const running = this.#running.get(name);
    if (running && nowMs < running.sinceMs + HANDLER_DEAD_MS) return;
    const attempt: Attempt = { sinceMs: nowMs };
    this.#running.set(name, attempt);
    this.#guards.set(name, attempt);
    const { promise: hangs, resolve } = Promise.withResolvers<'hangs'>();
    const timer = setTimeout(() => resolve('hangs'), HANDLER_WAIT_MS);
    const end = await Promise.race([this.#attempt(name, attempt), hangs]);
    clearTimeout(timer);
    if (end === 'hangs') this.#failures.failed(`timer ${name}`, new Error('it does not end'));
  }

  /** Never rejects. */
  async #attempt(name: Name, attempt: Attempt): Promise<void> {
    let failure: { error: unknown } | null = null;
    try {
      await this.#handlers[name](attempt.sinceMs);
    } catch (error) {
      failure = { error };
    }
    if (this.#closed || this.#running.get(name) !== attempt) return;
    this.#running.delete(name);
    const isGuard = this.#guards.delete(name);
    if (!failure) {
      this.#failures.over(`timer ${name}`);
      if (isGuard) this.#delete(name);
      return;
    }
    const failures = this.#failures.failed(`timer ${name}`, failure.error);
    // The handler, or a call meanwhile, may have cleared it.
    if (this.#row(name) !== null) this.set(name, retryAtMs(this.#clock, failures));
  }

  // --- Rows -----------------------------------------------------------------------------------------

  #at(name: Name): number | null {
    return this.#guards.has(name) ? null : this.#row(name);
  }
  #row(name: Name): number | null {
    const { sql } = this.#storage;
    const rows = sql.exec<{ atMs: number }>('SELECT atMs FROM timers WHERE name = ?', name);
    return [...rows][0]?.atMs ?? null;
  }
  #due(nowMs: number): Name[] {
    const query = 'SELECT name FROM timers WHERE atMs <= ? ORDER BY atMs';
    return [...this.#storage.sql.exec<{ name: Name }>(query, nowMs)].map(({ name }) => name);
  }
  #firstMs(): number | null {
    const query = 'SELECT min(atMs) AS atMs FROM timers';
    return [...this.#storage.sql.exec<{ atMs: number | null }>(query)][0]?.atMs ?? null;
  }
  #write(name: Name, atMs: number): void {
    const query = 'INSERT OR REPLACE INTO timers (name, atMs) VALUES (?, ?)';
    this.#storage.sql.exec(query, name, atMs);
  }
  #delete(name: Name): void {
    this.#storage.sql.exec('DELETE FROM timers WHERE name = ?', name);
  }
}
