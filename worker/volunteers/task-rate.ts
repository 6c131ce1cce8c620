// Tasks a second over the last ten seconds, in one counter per second. Pure.
const WINDOW_SECONDS = 10;

export class TaskRate {
  readonly #seconds = new Map<number, number>();

  add(nowMs: number, tasks: number): void {
    const second = Math.floor(nowMs / 1000);
    this.#seconds.set(second, (this.#seconds.get(second) ?? 0) + tasks);
    for (const known of this.#seconds.keys()) {
      if (known <= second - WINDOW_SECONDS) this.#seconds.delete(known);
    }
  }

  perSecond(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    let tasks = 0;
    for (const [known, count] of this.#seconds) if (known > second - WINDOW_SECONDS) tasks += count;
    return tasks / WINDOW_SECONDS;
  }
}
