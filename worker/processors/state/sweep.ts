// Forgetting keys that were not written for their time to live. There is no index by time (each write would cost a second row):
// a sweep walks the keys in order, in steps, and says when the next one is worth while.
import {
  STATE_SWEEP_KEYS,
  STATE_SWEEP_MAX_MS,
  STATE_SWEEP_MIN_MS,
} from '../../../shared/limits.ts';
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
    let after = from;
    let nextMs = this.#nextMs;
    let forgotten = 0;
    let ended = false;
    for (let looks = 0; looks < LOOKS_PER_STEP && forgotten < STATE_SWEEP_KEYS && !ended; looks++) {
      const slice = this.#states.look(after, STATE_SWEEP_KEYS, nowMs);
      forgotten += slice.dead;
      totals.keys -= slice.dead;
      totals.bytes -= slice.deadBytes;
      totals.expiring -= slice.dead;
      if (slice.nextExpiryMs !== null && slice.shortestMs !== null) {
        nextMs = Math.min(nextMs, slice.nextExpiryMs + sweepSlackMs(slice.shortestMs));
      }
      after = slice.last ?? after;
      ended = slice.keys < STATE_SWEEP_KEYS || totals.expiring === 0;
    }
    const last = after;
    if (ended) {
      totals.sweepAtMs = nextSweepMs(totals, nextMs, nowMs);
      [after, nextMs] = [null, Infinity];
    }
    const goOn = () => {
      this.#after = after;
      this.#nextMs = nextMs;
    };
    // A walk that found nothing yet is no change.
    if (forgotten === 0 && !ended) {
      goOn();
      return null;
    }
    return {
      forgotten,
      write: () => {
        if (last !== null && forgotten > 0) this.#states.sweep(from, last, totals, nowMs);
        else this.#states.write([], [], totals, nowMs);
        goOn();
      },
    };
  }
}

/** On the average no more than one slice of keys is looked at a second. */
function nextSweepMs({ keys, expiring }: Totals, wantedMs: number, nowMs: number): number | null {
  if (expiring === 0) return null;
  const walkMs = Math.min(STATE_SWEEP_MAX_MS, Math.ceil((keys / STATE_SWEEP_KEYS) * 1_000));
  const soonestMs = nowMs + Math.max(STATE_SWEEP_MIN_MS, walkMs);
  return Math.max(soonestMs, Number.isFinite(wantedMs) ? wantedMs : nowMs + STATE_SWEEP_MAX_MS);
}
