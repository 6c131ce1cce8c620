// Fired windows as a pure machine: which one runs next, who has it and until when, when it is tried again, when it is
// given up. They run in order, one at a time; a window that was given up and is redriven runs beside the order.
// Time and randomness are arguments.
import { backoffMs } from '../../../shared/backoff.ts';
import { WINDOW_LEASE_MS } from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { Batch, RetrySpec } from '../../../shared/schemas/processor.ts';
import type { FiredWindow } from './batch-machine.ts';

/** Tries that came to nothing through no fault of the window wait like this. */
const BLOCKED_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

export interface BatchRecord extends FiredWindow {
  state: Batch['state'];
  /** Tries that count: not those that were blocked. */
  attempts: number;
  /** Attempts begun, blocked ones too; the number of one is its lease. */
  runs: number;
  /** Blocked tries in a row. */
  blocks: number;
  /** How often it was redriven. */
  redriven: number;
  readyAtMs: number;
  /** Null: no Worker has it, or its job has. */
  leaseUntilMs: number | null;
  /** The job that it became. */
  job: string | null;
  /** Its code has run, and what it decided is kept until it is appended. */
  prepared: boolean;
  error: TaskError | null;
  /** When it was given up. */
  deadAtMs: number | null;
  /** Why it waits; empty when it just works. */
  why: string;
}

export const newRecord = (fired: FiredWindow): BatchRecord => ({
  ...fired,
  state: 'waiting',
  attempts: 0,
  runs: 0,
  blocks: 0,
  redriven: 0,
  readyAtMs: fired.firedAtMs,
  leaseUntilMs: null,
  job: null,
  prepared: false,
  error: null,
  deadAtMs: null,
  why: '',
});

/** The windows that wait or run. A window's record is changed in place; the caller stores it. */
export class BatchAttempts {
  readonly #unfinished = new Map<number, BatchRecord>();

  constructor(unfinished: Iterable<BatchRecord>) {
    for (const record of unfinished) this.#unfinished.set(record.number, record);
  }

  get all(): BatchRecord[] {
    return [...this.#unfinished.values()];
  }

  /** How many wait or run in the order of the log. */
  get inOrder(): number {
    return this.all.filter(({ redriven }) => redriven === 0).length;
  }

  get redriven(): number {
    return this.all.length - this.inOrder;
  }

  get running(): BatchRecord | null {
    return this.all.find(({ state }) => state === 'running') ?? null;
  }

  add(record: BatchRecord): void {
    this.#unfinished.set(record.number, record);
  }

  get(number: number): BatchRecord | null {
    return this.#unfinished.get(number) ?? null;
  }

  /** Those of which one may run next: the first in order, and every redriven one. */
  get #candidates(): BatchRecord[] {
    if (this.running) return [];
    const first = Math.min(
      ...this.all.filter(({ redriven }) => redriven === 0).map(({ number }) => number),
    );
    return this.all.filter(({ number, redriven }) => redriven > 0 || number === first);
  }

  /** The window to run now; null when none may. */
  ready(nowMs: number): BatchRecord | null {
    const ready = this.#candidates.filter(({ readyAtMs }) => readyAtMs <= nowMs);
    return ready.sort((a, b) => a.number - b.number)[0] ?? null;
  }

  begin(record: BatchRecord, nowMs: number): void {
    record.state = 'running';
    record.runs++;
    record.attempts++;
    record.leaseUntilMs = nowMs + WINDOW_LEASE_MS;
    record.why = '';
  }

  /** The record, if this run of it still has the lease. */
  leased(number: number, lease: number): BatchRecord | null {
    const record = this.get(number);
    return record?.state === 'running' && record.runs === lease && record.leaseUntilMs !== null
      ? record
      : null;
  }

  alive(record: BatchRecord, nowMs: number): void {
    record.leaseUntilMs = nowMs + WINDOW_LEASE_MS;
  }

  /** Runs as a job from now on: no lease any more. */
  handOver(record: BatchRecord, job: string): void {
    record.job = job;
    record.leaseUntilMs = null;
    record.blocks = 0;
  }

  done(record: BatchRecord): void {
    this.#leave(record, 'done', null);
  }

  /** Waits for another try. True: it was the last one, and the window is given up. */
  failed(
    record: BatchRecord,
    failure: { error: TaskError; final: boolean },
    retry: RetrySpec,
    clock: { nowMs: number; random: number },
  ): boolean {
    const { error, final } = failure;
    if (final || record.attempts >= retry.maxAttempts) {
      this.#leave(record, 'failed', error);
      record.deadAtMs = clock.nowMs;
      return true;
    }
    record.state = 'waiting';
    record.leaseUntilMs = null;
    record.blocks = 0;
    record.error = error;
    record.readyAtMs = clock.nowMs + backoffMs(retry, record.attempts - 1, clock.random);
    record.why = `attempt ${record.attempts} of ${retry.maxAttempts} failed: ${error.message}`;
    return false;
  }

  /** Infrastructure failed: the try does not count. */
  blocked(record: BatchRecord, reason: string, clock: { nowMs: number; random: number }): void {
    record.state = 'waiting';
    record.leaseUntilMs = null;
    record.attempts--;
    record.readyAtMs = clock.nowMs + backoffMs(BLOCKED_BACKOFF, record.blocks++, clock.random);
    record.why = reason;
  }

  /** The one whose lease ran out: the Worker that ran it died. */
  expired(nowMs: number): BatchRecord | null {
    const { running } = this;
    const untilMs = running?.leaseUntilMs ?? null;
    return untilMs !== null && untilMs <= nowMs ? running : null;
  }

  redrive(record: BatchRecord, readyAtMs: number): void {
    record.state = 'waiting';
    record.redriven++;
    record.attempts = 0;
    record.blocks = 0;
    record.readyAtMs = readyAtMs;
    record.why = '';
    this.add(record);
  }

  /** When to look again: a try becomes due, or a lease runs out. Null: nothing waits for time. */
  nextMs(): number | null {
    const times = this.all
      .filter(({ state }) => state === 'running')
      .flatMap(({ leaseUntilMs }) => leaseUntilMs ?? []);
    for (const { readyAtMs } of this.#candidates) times.push(readyAtMs);
    return times.length === 0 ? null : Math.min(...times);
  }

  #leave(record: BatchRecord, state: 'done' | 'failed', error: TaskError | null): void {
    record.state = state;
    record.error = error;
    record.leaseUntilMs = null;
    record.why = '';
    this.#unfinished.delete(record.number);
  }
}
