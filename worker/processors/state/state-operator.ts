// What a stateful processor's shard does with events: reads the states of their keys, folds, and hands the new
// states over to be written together with the offset and the outputs.
import { FOLD_STATES_MAX_BYTES } from '../../../shared/limits.ts';
import type { FoldOutcome } from '../../../shared/streaming/process.ts';
import {
  type Arrival,
  type Arrivals,
  type Change,
  type KeyedCode,
  NO_CHANGE,
  type Operator,
  type Output,
} from '../keyed/operator.ts';
import { changeStates } from './state-change.ts';
import { type Held, isOver, type States } from './states.ts';
import { Sweep } from './sweep.ts';

export class StateOperator<Store extends States = States> implements Operator {
  readonly states: Store;
  readonly #code: KeyedCode;
  readonly #ttlMs: number | null;
  readonly #maxBytes: number;
  readonly #sweep: Sweep;

  /** `ttlMs`: of keys that say nothing else; null: they stay. */
  constructor(
    states: Store,
    code: KeyedCode,
    ttlMs: number | null,
    maxBytes = FOLD_STATES_MAX_BYTES,
  ) {
    this.states = states;
    this.#code = code;
    this.#ttlMs = ttlMs;
    this.#maxBytes = maxBytes;
    this.#sweep = new Sweep(states);
  }

  async apply(arrivals: Arrivals): Promise<Change> {
    const { events, final, nowMs } = arrivals;
    if (events.length === 0) return NO_CHANGE;
    const held = new Map<string, Held>();
    const end = this.#read(events, held, nowMs);
    const outcome = await this.#fold(arrivals, end, held);
    const { failures, log } = outcome;
    if (failures.length > 0 && !final) return { ...NO_CHANGE, failures, log };
    return this.#change(arrivals, end, held, outcome);
  }

  /** Fills `held` with the rows of the events' keys. Answers how many events' states fit into one call. */
  #read(events: Arrival[], held: Map<string, Held>, nowMs: number): number {
    const firsts = new Map<string, number>();
    events.forEach(({ key }, i) => {
      if (!firsts.has(key)) firsts.set(key, i);
    });
    let bytes = 0;
    for (const row of this.states.read([...firsts.keys()])) {
      if (!isOver(row, nowMs)) bytes += row.bytes;
      const first = firsts.get(row.key) as number;
      if (bytes > this.#maxBytes && first > 0) return first;
      held.set(row.key, row);
    }
    return events.length;
  }

  #fold(arrivals: Arrivals, end: number, held: Map<string, Held>): Promise<FoldOutcome> {
    const { events, attempt, final, nowMs } = arrivals;
    const lines: string[] = [];
    const keys: string[] = [];
    const states = new Map<string, string[]>();
    for (let i = 0; i < end; i++) {
      const { key, line } = events[i] as Arrival;
      lines.push(line);
      keys.push(key);
      const row = held.get(key);
      if (row && !isOver(row, nowMs) && !states.has(key)) states.set(key, [row.state]);
    }
    return this.#code.fold({
      calls: 'process',
      text: lines.join('\n'),
      keys,
      shownKeys: null,
      states: [...states],
      keepGoing: final,
      attempt,
    });
  }

  #change(
    { source, events, nowMs }: Arrivals,
    end: number,
    held: Map<string, Held>,
    outcome: FoldOutcome,
  ): Change {
    const before = this.states.totals();
    const change = changeStates(held, outcome.changed, this.#ttlMs, before, nowMs);
    const { puts, drops, totals, forgotten } = change;
    return {
      ...NO_CHANGE,
      write: () => {
        if (puts.length + drops.length === 0) return;
        this.states.write(puts, drops, totals, nowMs);
        this.#sweep.wrote(totals.sweepAtMs);
      },
      outputs: outputsOf(outcome, source),
      counters: forgotten > 0 ? { forgotten } : {},
      log: outcome.log,
      failures: outcome.failures,
      stoppedAt: outcome.stoppedAt ?? events[end]?.offset ?? null,
    };
  }

  rested(): void {
    // States do not care how far a partition has been read.
  }

  /** Nothing is open here, so there is nothing to drain. */
  async due(nowMs: number, drain: boolean): Promise<(Change & { ended: number }) | null> {
    const step = drain ? null : this.#sweep.step(nowMs);
    if (!step) return null;
    const { write, forgotten } = step;
    return { ...NO_CHANGE, write, counters: { forgotten }, ended: forgotten };
  }

  dueAtMs(): number | null {
    return this.states.totals().sweepAtMs;
  }

  keys(): number {
    return this.states.totals().keys;
  }

  bytes(): number {
    return this.states.totals().bytes;
  }
}

function outputsOf({ outputs, outputOffsets }: FoldOutcome, source: number): Output[] {
  if (outputOffsets.length === 0) return [];
  const texts = outputs.split('\n');
  return outputOffsets.map((offset, i) => ({ source, offset, text: texts[i] as string }));
}
