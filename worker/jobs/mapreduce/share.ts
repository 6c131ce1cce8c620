// Guided self-scheduling (C. D. Polychronopoulos, D. J. Kuck, 1987): a grant is at most a share of what is left,
// so that grants shrink toward the end, and no mapper keeps the last tasks while others wait. Pure.

/** Shares never shrink below this: tasks being uploaded, run, downloaded and reported overlap. */
const SHARE_MIN_TASKS = 4;
/** A mapper counts for this long after it last asked. */
const RECENT_MS = 30_000;

/** Tasks that one of `mappers` may hold at once while `open` ones are not done. */
export function fairShare(open: number, mappers: number): number {
  return Math.max(SHARE_MIN_TASKS, Math.ceil(open / (2 * Math.max(1, mappers))));
}

/** Who asked for work lately. Bounded by who can be connected. */
export class RecentMappers {
  readonly #lastMs = new Map<string, number>();

  get count(): number {
    return this.#lastMs.size;
  }

  seen(by: string, nowMs: number): void {
    // In order of the last time, so that the old ones are the first.
    this.#lastMs.delete(by);
    this.#lastMs.set(by, nowMs);
    for (const [other, lastMs] of this.#lastMs) {
      if (nowMs - lastMs <= RECENT_MS) return;
      this.#lastMs.delete(other);
    }
  }
}
