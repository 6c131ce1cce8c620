// A shard around the real operator, without a shard's tables: batches of any size, code that fails now and then,
// deaths between a change and its being written, sweeps whenever they are due. What was written survives.
import type { KeyedCode } from '../../../worker/processors/keyed/operator.ts';
import { StateOperator } from '../../../worker/processors/state/state-operator.ts';
import { MapStates } from './map-states.ts';

/** What an event does to its key's state, a list of the numbers seen. */
export type Deed = 'add' | 'same' | 'leave' | 'forget' | 'poison' | 'flaky';
export interface Event {
  key: string;
  deed: Deed;
  /** What it says with `ctx.expire`. */
  expireMs: number | null;
  filling: number;
}

export interface Applied extends Event {
  offset: number;
  atMs: number;
}

export type State = number[];

/** New state; undefined: unchanged. */
export function fold(event: Event, offset: number, state: State | null): State | null | undefined {
  if (event.deed === 'leave') return undefined;
  if (event.deed === 'forget') return null;
  if (event.deed === 'same' && state !== null) return [...state];
  return [...(state ?? []).slice(-3), offset, ...Array<number>(event.filling).fill(7)];
}

export class FoldWorld {
  readonly states = new MapStates();
  readonly applied: Applied[] = [];
  readonly outputs: string[] = [];
  forgotten = 0;
  nowMs = 1_000_000;
  readonly #events: Event[];
  readonly #random: () => number;
  readonly #ttlMs: number | null;
  readonly #maxBytes: number;
  readonly #code: KeyedCode;
  #operator: StateOperator;

  constructor(
    events: Event[],
    code: KeyedCode,
    random: () => number,
    ttlMs: number | null,
    maxBytes: number,
  ) {
    this.#events = events;
    this.#code = code;
    this.#random = random;
    this.#ttlMs = ttlMs;
    this.#maxBytes = maxBytes;
    this.#operator = this.#open();
  }

  #open(): StateOperator {
    return new StateOperator(this.states, this.#code, this.#ttlMs, this.#maxBytes);
  }

  /** From the first event to the last, whatever happens on the way. */
  async run(): Promise<void> {
    let next = 0;
    let attempt = 1;
    let upTo = this.#events.length;
    while (next < this.#events.length) {
      this.nowMs += Math.floor(this.#random() * 3_000);
      await this.sweep();
      const end = Math.min(upTo, next + 1 + Math.floor(this.#random() * 8));
      const arrivals = this.#arrivals(next, end, attempt);
      const change = await this.#operator.apply(arrivals);
      if (this.#random() < 0.15) {
        this.#operator = this.#open();
        continue;
      }
      const failed = change.failures[0];
      if (failed && !arrivals.final) {
        // What lies before it is applied in a call of its own.
        if (failed.offset > next) upTo = failed.offset;
        else attempt++;
        continue;
      }
      change.write();
      const done = change.stoppedAt ?? end;
      const out = new Set(change.failures.map(({ offset }) => offset));
      for (let offset = next; offset < done; offset++) {
        const event = this.#events[offset] as Event;
        if (!out.has(offset)) this.applied.push({ ...event, offset, atMs: this.nowMs });
      }
      this.outputs.push(...change.outputs.map(({ text }) => text));
      this.forgotten += change.counters.forgotten ?? 0;
      [next, attempt, upTo] = [done, 1, this.#events.length];
    }
  }

  #arrivals(next: number, end: number, attempt: number) {
    const events = this.#events.slice(next, end).map((event, i) => ({
      offset: next + i,
      key: event.key,
      line: JSON.stringify({ ...event, offset: next + i }),
      appendedMs: null,
    }));
    return {
      source: 0,
      events,
      attempt,
      final: attempt >= 3,
      redrive: false,
      clock: null,
      nowMs: this.nowMs,
    };
  }

  /** Until nothing is due. Some steps are thrown away. */
  async sweep(): Promise<void> {
    for (;;) {
      const dueAtMs = this.#operator.dueAtMs();
      if (dueAtMs === null || dueAtMs > this.nowMs) return;
      const change = await this.#operator.due(this.nowMs, false);
      if (!change || this.#random() < 0.1) continue;
      change.write();
      this.forgotten += change.counters.forgotten ?? 0;
    }
  }
}
