// The unit of work of a run's turn, what it writes: the rows that changed, the attempts that ended, and what happened, told from how steps
// were before. All of it within the turn's transaction.
import { isoTime } from '../../../../shared/iso-time.ts';
import { RUN_COUNTS_STORED_MS, STEP_ITEMS_PER_ROW } from '../../../../shared/limits.ts';
import type { StepState } from '../../../../shared/schemas/dag.ts';
import type { JobEvent, TaskError } from '../../../../shared/schemas/job.ts';
import type { Attempt } from './run-calls.ts';
import type { Unit } from '../../../contracts/run.rpc.ts';
import type { AttemptRecord, RunRecord, StepRecord } from './run-record.ts';
import type { RunStore } from './run.store.ts';

/** Longer messages are cut: an event tells what happened, the step has the rest. */
const MESSAGE_MAX_CHARS = 500;

type Fields = Record<string, unknown>;

export class UnitOfWork {
  readonly #store: RunStore;
  readonly #seen = new Map<string, StepState>();
  #seenRun: RunRecord['state'];
  /** Rows of items that changed, by step. */
  readonly #rows = new Map<string, Set<number>>();
  readonly #newItems = new Set<string>();
  readonly #attempts = new Map<string, AttemptRecord[]>();
  readonly #itemsStarted = new Map<string, number[]>();
  readonly #itemsDone = new Map<string, number[]>();
  #events: [type: JobEvent['type'], fields: Fields][] = [];
  #signalsChanged = false;
  #signalsSeen: string;
  #countsStoredMs: number;

  constructor(store: RunStore, record: RunRecord, nowMs: number) {
    this.#store = store;
    this.#countsStoredMs = nowMs;
    this.#signalsSeen = countsOf(record.signals);
    this.#seenRun = record.state;
    for (const [name, { state }] of Object.entries(record.steps)) this.#seen.set(name, state);
  }

  event(type: JobEvent['type'], fields: Fields = {}): void {
    this.#events.push([type, fields]);
  }

  started(attempts: readonly Attempt[]): void {
    for (const { unit } of attempts) {
      this.touch(unit);
      if (unit.item !== null) push(this.#itemsStarted, unit.step, unit.item);
    }
  }

  itemDone(step: string, item: number): void {
    push(this.#itemsDone, step, item);
  }

  /** `again`: another attempt is made. */
  failed({ step, item }: Unit, attempt: number, error: TaskError, again: boolean): void {
    const { code, message, line } = error;
    const told = { code, message: message.slice(0, MESSAGE_MAX_CHARS), ...(line && { line }) };
    const which = item === null ? { step } : { step, item };
    if (again) this.event('stepRetried', { ...which, attempt, error: told });
    // The failure of a whole step is told by its state.
    else if (item !== null) this.event('stepFailed', { ...which, attempt, error: told });
  }

  /** Worth a row: one that failed, logged something, or was not the first. */
  attempt(step: string, record: AttemptRecord): void {
    if (record.attempt > 1 || record.error || record.log.length > 0) {
      push(this.#attempts, step, record);
    }
  }

  touch({ step, item }: Unit): void {
    if (item !== null) this.#rowsOf(step).add(Math.floor(item / STEP_ITEMS_PER_ROW));
  }

  touchAll(step: string, record: StepRecord): void {
    const rows = this.#rowsOf(step);
    const count = Math.ceil((record.items?.length ?? 0) / STEP_ITEMS_PER_ROW);
    for (let row = 0; row < count; row++) rows.add(row);
  }

  #rowsOf(step: string): Set<number> {
    let rows = this.#rows.get(step);
    if (!rows) this.#rows.set(step, (rows = new Set()));
    return rows;
  }

  /** It has items now, and nothing became of them yet. */
  newItems(step: string): void {
    this.#newItems.add(step);
  }

  /** One came; that one was taken is seen by their number. */
  signalCame(): void {
    this.#signalsChanged = true;
  }

  /** True: the run's own state is another one now. `changed`: steps. */
  write(
    record: RunRecord,
    changed: readonly string[],
    operations: Record<string, number>,
    nowMs: number,
  ): boolean {
    const store = this.#store;
    for (const [step, items] of this.#itemsStarted) this.event('stepStarted', { step, items });
    for (const [step, items] of this.#itemsDone) this.event('stepDone', { step, items });
    for (const name of changed) this.#step(name, record.steps[name] as StepRecord);
    for (const [step, rows] of this.#rows) this.#units(step, rows, record.steps[step]);
    for (const [step, attempts] of this.#attempts) store.addAttempts(step, attempts);
    const signals = countsOf(record.signals);
    if (this.#signalsChanged || signals !== this.#signalsSeen) store.saveSignals(record.signals);
    this.#signalsSeen = signals;
    const { state, createdAtMs, finishedAtMs, error } = record;
    const another = state !== this.#seenRun;
    if (another) {
      this.#seenRun = state;
      if (state !== 'running') this.event(state, error ? { error } : {});
    }
    const due = state === 'running' && nowMs - this.#countsStoredMs >= RUN_COUNTS_STORED_MS;
    if (another || due) {
      this.#countsStoredMs = nowMs;
      store.saveHead({ state, createdAtMs, finishedAtMs, error, operations });
    }
    const time = isoTime(nowMs);
    for (const [type, fields] of this.#events) store.addEvent({ time, type, ...fields });
    store.saveEvents();
    this.#clear();
    return another;
  }

  #clear(): void {
    for (const lists of [this.#rows, this.#attempts, this.#itemsStarted, this.#itemsDone]) {
      lists.clear();
    }
    this.#newItems.clear();
    this.#events = [];
    this.#signalsChanged = false;
  }

  #step(name: string, step: StepRecord): void {
    const before = this.#seen.get(name);
    const { state, reason, error } = step;
    if (this.#newItems.has(name) && step.items) this.#store.saveItems(name, step.items);
    this.#store.saveStep(name, step);
    if (state === before) return;
    this.#seen.set(name, state);
    // What becomes of all items at once.
    const sweeping = ['failed', 'cancelled'];
    const whole = sweeping.includes(state) || (before !== undefined && sweeping.includes(before));
    if (whole || (state === 'done' && step.job !== null)) this.touchAll(name, step);
    switch (state) {
      case 'ready':
        if (before === 'waiting') this.event('stepReady', { step: name });
        return;
      case 'running':
        return this.event('stepStarted', { step: name });
      case 'done':
        return this.event('stepDone', { step: name });
      case 'failed':
        return this.event('stepFailed', { step: name, error });
      case 'skipped':
        return this.event('stepSkipped', { step: name, reason });
      case 'cancelled':
        return this.event('stepCancelled', { step: name, reason });
    }
  }

  #units(step: string, rows: Iterable<number>, record: StepRecord | undefined): void {
    for (const row of rows) {
      const from = row * STEP_ITEMS_PER_ROW;
      const items = record?.items?.slice(from, from + STEP_ITEMS_PER_ROW) ?? [];
      this.#store.saveUnits(
        step,
        row,
        items.map(({ unit }) => unit),
      );
    }
  }
}

const countsOf = (signals: RunRecord['signals']): string =>
  JSON.stringify(Object.entries(signals).map(([name, waiting]) => [name, waiting.length]));

function push<Item>(lists: Map<string, Item[]>, name: string, item: Item): void {
  const list = lists.get(name);
  if (list) list.push(item);
  else lists.set(name, [item]);
}
