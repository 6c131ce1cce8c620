// Forgetting what nobody wrote for its time to live. There is no index by time (each write would cost a second row):
// a sweep walks the keys in order, in steps, and says when the next one is worth while.
import { STATE_SWEEP_KEYS, STATE_SWEEP_MAX_MS, STATE_SWEEP_MIN_MS } from '../../shared/limits.ts';
import { sweepSlackMs } from './state-change.ts';
import type { States, Totals } from './states.ts';

/** Looks of one step at most: events wait meanwhile. */
const LOOKS_PER_STEP = 10;

export interface SweepStep {
  /** Writes what the step found; in a transaction. */
  write(): void;
  forgotten: number;
}

export class Sweep {
  readonly #states: States;
  /** Where the walk is; null: it begins. Not stored: after a restart it begins anew. */
  #after: string | null = null;
  /** When what the walk left alive is to be swept, at the earliest. */
  #nextMs = Infinity;

  constructor(states: States) {
    this.#states = states;
  }

  /** Keys were written while a walk is on, maybe behind it. */
  wrote(sweepAtMs: number | null): void {
    if (this.#after !== null && sweepAtMs !== null)
      this.#nextMs = Math.min(this.#nextMs, sweepAtMs);
  }

  /** Null: nothing to write. While the totals' `sweepAtMs` is over, there is more to look at. */
  step(nowMs: number): SweepStep | null {
    const totals = this.#states.totals();
    if (totals.sweepAtMs === null || totals.sweepAtMs > nowMs) return null;
    const from = this.#after;
    let forgotten = 0;
    for (let looks = 0; looks < LOOKS_PER_STEP && forgotten < STATE_SWEEP_KEYS; looks++) {
      const slice = this.#states.look(this.#after, STATE_SWEEP_KEYS, nowMs);
      forgotten += slice.dead;
      totals.keys -= slice.dead;
      totals.bytes -= slice.deadBytes;
      totals.expiring -= slice.dead;
      if (slice.nextExpiryMs !== null && slice.shortestMs !== null) {
        const atMs = slice.nextExpiryMs + sweepSlackMs(slice.shortestMs);
        this.#nextMs = Math.min(this.#nextMs, atMs);
      }
      if (slice.last !== null) this.#after = slice.last;
      if (slice.keys < STATE_SWEEP_KEYS) return this.#ended(from, totals, forgotten, nowMs);
    }
    return forgotten === 0 ? null : this.#written(from, totals, forgotten, nowMs);
  }

  #ended(from: string | null, totals: Totals, forgotten: number, nowMs: number): SweepStep {
    // On the average no more keys are looked at than one slice a second.
    const walkMs = Math.min(STATE_SWEEP_MAX_MS, (totals.keys / STATE_SWEEP_KEYS) * 1_000);
    const soonestMs = nowMs + Math.ceil(Math.max(STATE_SWEEP_MIN_MS, walkMs));
    const nextMs = Number.isFinite(this.#nextMs) ? this.#nextMs : nowMs + STATE_SWEEP_MAX_MS;
    totals.sweepAtMs = totals.expiring === 0 ? null : Math.max(soonestMs, nextMs);
    const step = this.#written(from, totals, forgotten, nowMs);
    this.#after = null;
    this.#nextMs = Infinity;
    return step;
  }

  #written(from: string | null, totals: Totals, forgotten: number, nowMs: number): SweepStep {
    const last = this.#after;
    return {
      forgotten,
      write: () => {
        if (last !== null && forgotten > 0) this.#states.sweep(from, last, totals, nowMs);
        else this.#states.write([], [], totals, nowMs);
      },
    };
  }
}
