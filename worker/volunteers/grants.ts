// How many leases a volunteer should hold: enough that none of its workers ever waits for the next one,
// and no more than a few seconds of work, so that little is lost when the tab closes. Pure.
import { GRANT_AIM_MS, GRANT_MAX_TASKS } from '../../shared/limits.ts';

const SMOOTHING = 0.2;

/** Exponentially weighted mean of a task's running time. */
export function smoothedMs(before: number | null, sampleMs: number): number {
  return before === null ? sampleMs : before + SMOOTHING * (sampleMs - before);
}

/** Leases that a volunteer of `slots` workers should hold of a job whose tasks take `taskMs`. */
export function targetLeases(slots: number, taskMs: number | null): number {
  if (slots <= 0) return 0;
  // Unknown speed: one running and one waiting a worker.
  const perSlot =
    taskMs === null ? 2 : Math.max(2, Math.ceil(GRANT_AIM_MS / Math.max(1, taskMs)) + 1);
  return Math.min(GRANT_MAX_TASKS, slots * perSlot);
}

/** Asking for every single lease would cost a request a task: wait until half of them are used up. */
export function shouldAsk(held: number, target: number): boolean {
  return held <= target / 2;
}

/** A token bucket over frames: `allowance` refills at `perSecond`, up to two seconds' worth. */
export class FrameBudget {
  #allowance: number;
  #lastMs: number;
  readonly #perSecond: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#allowance = perSecond * 2;
    this.#lastMs = nowMs;
  }

  spend(nowMs: number): boolean {
    // Clocks may go back.
    const refill = (Math.max(0, nowMs - this.#lastMs) / 1000) * this.#perSecond;
    this.#allowance = Math.min(this.#perSecond * 2, this.#allowance + refill);
    this.#lastMs = nowMs;
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }
}
