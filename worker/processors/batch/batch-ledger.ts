// Where fired windows are handed out and come back: turns reports into changes of the attempts, counts them once and
// stores them. Runs inside the BatchObject's transactions.
import { WINDOWS_REDRIVEN_MAX } from '../../../shared/limits.ts';
import type { Job, TaskError } from '../../../shared/schemas/job.ts';
import type { RedriveBody } from '../../../shared/schemas/processor.ts';
import type {
  BatchConfig,
  BatchEffects,
  BatchReport,
  BatchWork,
} from '../../contracts/batch.rpc.ts';
import { commit, type Counted, samePartition } from './batch-machine.ts';
import { newRecord, BatchAttempts, type BatchRecord } from './batch-attempts.ts';
import type { BatchState, BatchStore } from './batch.store.ts';
import { countDone, type BatchCounters, windowOfLetter } from './batch-counters.ts';
import { addCounts, lastLines } from '../definition/counters.ts';
import { workOf } from './batch-work.ts';

/** A batch processor's windows in memory: what is stored, and what decides about it. */
export interface Loaded {
  config: BatchConfig;
  state: BatchState;
  totals: BatchCounters;
  attempts: BatchAttempts;
  /** Windows among the dead letters. */
  dead: number;
}

export interface Clock {
  nowMs: number;
  /** 0 ≤ random < 1. */
  random: number;
}

const hasEnded = ({ state }: Job) =>
  state === 'done' || state === 'failed' || state === 'cancelled';

export class BatchLedger {
  readonly #store: BatchStore;

  constructor(store: BatchStore) {
    this.#store = store;
  }

  load(): Loaded | null {
    const config = this.#store.loadConfig();
    const state = this.#store.loadState();
    const totals = this.#store.loadCounters();
    if (!config || !state || !totals) return null;
    const attempts = new BatchAttempts(this.#store.unfinished());
    return { config, state, totals, attempts, dead: this.#store.deadCount() };
  }

  /** What an answer of the log, or time, has changed. */
  enter(
    { state, totals, attempts }: Loaded,
    { fired, expired }: Pick<Counted, 'fired' | 'expired'>,
  ): void {
    if (fired) {
      const record = newRecord(fired);
      attempts.add(record);
      this.#store.saveWindow(record);
    }
    totals.counters.expired += expired;
    addCounts(totals.operations, { durableObjectRequest: 2, rowWritten: fired ? 4 : 1 });
    this.#store.saveState(state);
    if (fired) this.#store.saveCounters(totals);
  }

  begin(loaded: Loaded, record: BatchRecord, nowMs: number): BatchWork {
    const { attempts, totals, config } = loaded;
    if (record.runs > 0 && record.attempts > 0) totals.counters.retried++;
    attempts.begin(record, nowMs);
    this.#save(loaded, record);
    const effects = record.prepared ? this.#store.effects(record.number) : null;
    return workOf(config, record, effects);
  }

  alive(loaded: Loaded, record: BatchRecord, nowMs: number): void {
    loaded.attempts.alive(record, nowMs);
    this.#save(loaded, record);
  }

  prepare(loaded: Loaded, record: BatchRecord, effects: BatchEffects, nowMs: number): void {
    record.prepared = true;
    this.#store.saveEffects(record.number, effects);
    this.alive(loaded, record, nowMs);
  }

  settle(loaded: Loaded, record: BatchRecord, report: BatchReport, clock: Clock): void {
    const { attempts, totals } = loaded;
    switch (report.kind) {
      case 'done':
        totals.counters.emitted += report.emitted;
        totals.counters.duplicates += report.duplicates;
        totals.log = lastLines(totals.log, report.log);
        addCounts(totals.operations, report.operations);
        this.#done(loaded, record, clock);
        break;
      case 'failed':
        totals.log = lastLines(totals.log, report.log);
        this.#failed(loaded, record, report, clock);
        break;
      case 'submitted':
        attempts.handOver(record, report.job);
        break;
      case 'expired':
        this.#expired(loaded, record, report, clock);
        break;
      case 'blocked':
        attempts.blocked(record, report.reason, clock);
        break;
    }
    this.#save(loaded, record);
  }

  /** The lease ran out; the reason is unknown. */
  expire(loaded: Loaded, record: BatchRecord, clock: Clock): void {
    const message =
      'the Worker that ran the window fell silent: out of memory, or the edge restarted';
    // What its code decided is known: only the append has to be done again.
    if (record.prepared) loaded.attempts.blocked(record, message, clock);
    else
      this.#failed(loaded, record, { error: { code: 'deadline', message }, final: false }, clock);
    this.#save(loaded, record);
  }

  /** A window follows its job. False: the job goes on. */
  follow(loaded: Loaded, record: BatchRecord, job: Job | null, clock: Clock): boolean {
    if (job && !hasEnded(job)) return false;
    if (job?.state === 'done') this.#done(loaded, record, clock);
    else {
      const message = job ? `its job was ${job.state}` : 'its job was deleted';
      const error = job?.error ?? { code: 'internal', message };
      this.#failed(loaded, record, { error, final: true }, clock);
    }
    this.#save(loaded, record);
    return true;
  }

  /** How many windows are tried again. */
  redrive(loaded: Loaded, body: RedriveBody, nowMs: number): number {
    const numbers = body.ids
      ? [...new Set(body.ids.flatMap((id) => windowOfLetter(id) ?? []))]
      : this.#store.failedNumbers(WINDOWS_REDRIVEN_MAX);
    const stepMs = body.ratePerSecond ? 1000 / body.ratePerSecond : 0;
    let count = 0;
    for (const number of numbers) {
      const record = this.#store.window(number);
      if (record?.state !== 'failed') continue;
      if (loaded.attempts.redriven >= WINDOWS_REDRIVEN_MAX) break;
      loaded.attempts.redrive(record, nowMs + stepMs * count++);
      this.#save(loaded, record);
    }
    return count;
  }

  #done(loaded: Loaded, record: BatchRecord, { nowMs }: Clock): void {
    loaded.attempts.done(record);
    countDone(loaded.totals, record, nowMs);
    if (record.redriven > 0) {
      loaded.totals.counters.redriven++;
      loaded.dead--;
    }
    this.#finish(loaded, record);
    this.#store.prune(record.number);
  }

  #failed(
    loaded: Loaded,
    record: BatchRecord,
    failure: { error: TaskError; final: boolean },
    clock: Clock,
  ): void {
    if (!loaded.attempts.failed(record, failure, loaded.config.spec.retry, clock)) return;
    if (record.redriven === 0) {
      loaded.totals.counters.deadLettered++;
      loaded.dead++;
    }
    this.#finish(loaded, record);
  }

  /** Run or given up: its partitions are further, and nothing is left to append. */
  #finish(loaded: Loaded, record: BatchRecord): void {
    if (record.redriven === 0) commit(loaded.state.windows, record.ranges);
    if (record.prepared) this.#store.deleteEffects(record.number);
    record.prepared = false;
    this.#store.saveState(loaded.state);
  }

  /** Retention was faster: what is left of the window is run; it is done when nothing is. */
  #expired(
    loaded: Loaded,
    record: BatchRecord,
    gone: { streamUid: string; partition: number; first: number },
    clock: Clock,
  ): void {
    const range = record.ranges.find((one) => samePartition(one, gone));
    if (range) {
      const from = Math.min(range.to, Math.max(range.from, gone.first));
      loaded.totals.counters.expired += from - range.from;
      record.events -= from - range.from;
      range.from = from;
    }
    if (record.events === 0) return this.#done(loaded, record, clock);
    // A range that has become empty stays: nothing is read of it.
    loaded.attempts.blocked(record, 'retention took a part of it', { ...clock, random: 0 });
  }

  #save(loaded: Loaded, record: BatchRecord): void {
    addCounts(loaded.totals.operations, { durableObjectRequest: 1, rowWritten: 2 });
    this.#store.saveWindow(record);
    this.#store.saveCounters(loaded.totals);
  }
}
