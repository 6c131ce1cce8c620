// What a partition has to do later, by name. Not stored, unlike platform/timers: everything follows from the tables
// and is found again at the next start, and a row for each change would cost more than an append.
export type MaintenanceTask = 'flush' | 'seal' | 'retain' | 'collect' | 'claims' | 'prune';

export class LogTimers {
  readonly #atMs = new Map<MaintenanceTask, number>();

  /** Not later than `atMs`. */
  atLatest(task: MaintenanceTask, atMs: number): void {
    const known = this.#atMs.get(task);
    if (known === undefined || atMs < known) this.#atMs.set(task, atMs);
  }

  /** At `atMs`; null: not at all. */
  set(task: MaintenanceTask, atMs: number | null): void {
    if (atMs === null) this.#atMs.delete(task);
    else this.#atMs.set(task, atMs);
  }

  clear(): void {
    this.#atMs.clear();
  }

  /** Takes what is due. */
  due(nowMs: number): MaintenanceTask[] {
    const due = [...this.#atMs].filter(([, atMs]) => atMs <= nowMs).map(([task]) => task);
    for (const task of due) this.#atMs.delete(task);
    return due;
  }

  nextMs(): number | null {
    return this.#atMs.size === 0 ? null : Math.min(...this.#atMs.values());
  }
}
