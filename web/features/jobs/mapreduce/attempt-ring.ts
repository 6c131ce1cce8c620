// Attempts over time, for the task stream: those that ended lie in a ring of typed arrays (the oldest fall
// out), those that are out in a map.

export const ATTEMPT_ENDS = ['committed', 'failed', 'returned', 'dropped'] as const;
export type AttemptEnd = (typeof ATTEMPT_ENDS)[number];

export interface EndedAttempt {
  task: number;
  attempt: number;
  lane: number;
  startMs: number;
  endMs: number;
  end: AttemptEnd;
}

export interface OpenAttempt {
  task: number;
  attempt: number;
  lane: number;
  grantedMs: number;
}

const RING_ATTEMPTS = 16_384;

export class AttemptRing {
  readonly #tasks: Uint32Array;
  readonly #attempts: Uint16Array;
  readonly #lanes: Uint16Array;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #kinds: Uint8Array;
  readonly #size: number;
  #count = 0;
  /** task → its open attempts. */
  readonly #open = new Map<number, OpenAttempt[]>();

  constructor(size = RING_ATTEMPTS) {
    this.#size = size;
    this.#tasks = new Uint32Array(size);
    this.#attempts = new Uint16Array(size);
    this.#lanes = new Uint16Array(size);
    this.#starts = new Float64Array(size);
    this.#ends = new Float64Array(size);
    this.#kinds = new Uint8Array(size);
  }

  open(task: number, attempt: number, lane: number, grantedMs: number): void {
    const others = this.#open.get(task);
    const opened = { task, attempt, lane, grantedMs };
    if (others) others.push(opened);
    else this.#open.set(task, [opened]);
  }

  /** The lane it ran in, or null if it was not open. `ms` is its own running time, where it is known. */
  close(
    task: number,
    attempt: number,
    end: AttemptEnd,
    atMs: number,
    ms: number | null,
  ): number | null {
    const open = this.#open.get(task);
    const at = open?.findIndex((other) => other.attempt === attempt) ?? -1;
    const [closed] = at < 0 || !open ? [] : open.splice(at, 1);
    if (!closed) return null;
    if (open?.length === 0) this.#open.delete(task);
    // Leases are granted ahead of time: what is shown is the running, not the waiting.
    const startMs = ms === null ? closed.grantedMs : Math.max(closed.grantedMs, atMs - ms);
    const slot = this.#count++ % this.#size;
    this.#tasks[slot] = task;
    this.#attempts[slot] = attempt;
    this.#lanes[slot] = closed.lane;
    this.#starts[slot] = startMs;
    this.#ends[slot] = atMs;
    this.#kinds[slot] = ATTEMPT_ENDS.indexOf(end);
    return closed.lane;
  }

  openOf(task: number): number[] {
    return this.#open.get(task)?.map((open) => open.attempt) ?? [];
  }

  allOpen(): OpenAttempt[] {
    return [...this.#open.values()].flat();
  }

  /** Attempts ever ended; those kept are the last ones. */
  get ended(): number {
    return this.#count;
  }

  /** Those kept, in the order in which they ended. */
  *kept(): Generator<EndedAttempt> {
    for (let n = Math.max(0, this.#count - this.#size); n < this.#count; n++) {
      const slot = n % this.#size;
      yield {
        task: this.#tasks[slot] ?? 0,
        attempt: this.#attempts[slot] ?? 0,
        lane: this.#lanes[slot] ?? 0,
        startMs: this.#starts[slot] ?? 0,
        endMs: this.#ends[slot] ?? 0,
        end: ATTEMPT_ENDS[this.#kinds[slot] ?? 0] ?? 'dropped',
      };
    }
  }
}
