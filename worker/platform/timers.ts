// Named timers over a Durable Object's one alarm. Alarm handlers take what is due, work, and re-arm; a
// timer set while its handler runs stays set. The constructor re-arms: local alarms may die at a reload.
export class Timers {
  readonly #storage: DurableObjectStorage;
  /** What the alarm is set to, as far as this instance knows. */
  #armedMs: number | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.sql.exec(
      'CREATE TABLE IF NOT EXISTS timers (name TEXT PRIMARY KEY, atMs INTEGER NOT NULL) WITHOUT ROWID',
    );
    this.rearm();
  }

  set(name: string, atMs: number): void {
    const at = Math.ceil(atMs);
    if (this.#at(name) === at) return;
    this.#storage.sql.exec('INSERT OR REPLACE INTO timers (name, atMs) VALUES (?, ?)', name, at);
    this.#arm();
  }

  /** A time that is set already stays when it is earlier: for timers that look again at what is due. */
  setEarlier(name: string, atMs: number): void {
    const setMs = this.#at(name);
    if (setMs === null || setMs > atMs) this.set(name, atMs);
  }

  clear(name: string): void {
    if (this.#at(name) === null) return;
    this.#storage.sql.exec('DELETE FROM timers WHERE name = ?', name);
    this.#arm();
  }

  /** Takes the timers that are due: their rows are gone when this returns. */
  due(nowMs: number): string[] {
    const rows = [
      ...this.#storage.sql.exec<{ name: string }>(
        'SELECT name FROM timers WHERE atMs <= ? ORDER BY atMs',
        nowMs,
      ),
    ];
    this.#storage.sql.exec('DELETE FROM timers WHERE atMs <= ?', nowMs);
    return rows.map(({ name }) => name);
  }

  /** Sets the alarm again, whatever this instance believes it is set to. */
  rearm(): void {
    this.#armedMs = null;
    this.#arm();
  }

  #at(name: string): number | null {
    const rows = [
      ...this.#storage.sql.exec<{ atMs: number }>('SELECT atMs FROM timers WHERE name = ?', name),
    ];
    return rows[0]?.atMs ?? null;
  }

  #arm(): void {
    const { atMs } = this.#storage.sql
      .exec<{ atMs: number | null }>('SELECT min(atMs) AS atMs FROM timers')
      .one();
    // An alarm that fires early finds nothing due and re-arms: cheaper than a write for every change.
    if (
      atMs === null ||
      (this.#armedMs !== null && this.#armedMs <= atMs && this.#armedMs > Date.now())
    )
      return;
    this.#armedMs = atMs;
    void this.#storage.setAlarm(atMs);
  }
}
