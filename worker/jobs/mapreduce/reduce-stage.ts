// The reduce stage: which partitions still need a reducer, and which wake-ups to send again.
import { REDUCE_ATTEMPTS_MAX, REDUCE_RING_AGAIN_MS } from '../../../shared/limits.ts';
import type { MapReduceSpec, TaskError } from '../../../shared/schemas/job.ts';
import { programKey } from '../../platform/keys.ts';
import type { JobRecord } from './job-record.ts';
import type { PartitionTotal, PartRow, ReduceRows } from './job-rows.ts';
import type { PartCommit, ReduceWork } from '../../contracts/job.rpc.ts';

/** Errors of the program itself: another try would end the same way. */
const FINAL: ReadonlySet<TaskError['code']> = new Set([
  'program_threw',
  'bad_program',
  'bad_key',
  'bad_value',
  'loop_guard',
  'memory',
  'counters',
]);

export class ReduceStage {
  readonly #rows: ReduceRows;
  #totals: PartitionTotal[] | null = null;

  constructor(rows: ReduceRows) {
    this.#rows = rows;
  }

  /** Records in all sections of the committed spills. */
  records(partitions: number): number {
    this.#totals = this.#rows.partitionTotals(partitions);
    return this.#totals.reduce((sum, total) => sum + total.records, 0);
  }

  /** Lists the partitions that need a reducer; empty ones are committed without one. */
  start(partitions: number, nowMs: number): number[] {
    const totals = this.#totalsOf(partitions);
    const waiting: number[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      if (this.#rows.partRow(partition)?.state === 'committed') continue;
      const empty = totals[partition]?.records === 0;
      if (!empty) waiting.push(partition);
      this.#rows.savePart({
        partition,
        attempt: 0,
        state: empty ? 'committed' : 'waiting',
        bytes: 0,
        keys: 0,
        ms: null,
        error: null,
        rungAtMs: nowMs,
      });
    }
    return waiting;
  }

  begin(
    record: JobRecord,
    spec: MapReduceSpec,
    partition: number,
    nowMs: number,
  ): ReduceWork | null {
    const row = this.#rows.partRow(partition);
    const total = this.#totalsOf(spec.partitions)[partition];
    if (!row || !total || row.state === 'committed') return null;
    // A second wake-up while the first one's reducer works would do everything twice.
    if (row.state === 'running' && nowMs - row.rungAtMs < REDUCE_RING_AGAIN_MS) return null;
    const attempt = row.attempt + 1;
    this.#rows.savePart({ ...row, attempt, state: 'running', rungAtMs: nowMs });
    const { job, programHash, reduce, combine, guard } = record.submission;
    return {
      job,
      partition,
      attempt,
      programKey: programKey(job),
      programHash,
      reduce,
      combine,
      params: spec.params,
      nowMs: record.createdAtMs,
      guard,
      ...total,
    };
  }

  /** A reducer asked for more: it lives. */
  alive(partition: number, nowMs: number): void {
    const row = this.#rows.partRow(partition);
    if (row?.state === 'running') this.#rows.savePart({ ...row, rungAtMs: nowMs });
  }

  commit({ partition, attempt, bytes, keys, ms }: PartCommit): boolean {
    const row = this.#rows.partRow(partition);
    if (!row || row.state === 'committed') return false;
    this.#rows.savePart({ ...row, attempt, state: 'committed', bytes, keys, ms, error: null });
    return true;
  }

  /** True: try again; false: given up; null: an older attempt's failure, of no concern. */
  fail(partition: number, attempt: number, error: TaskError, nowMs: number): boolean | null {
    const row = this.#rows.partRow(partition);
    if (!row || row.state === 'committed' || row.attempt !== attempt) return null;
    const again = !FINAL.has(error.code) && attempt < REDUCE_ATTEMPTS_MAX;
    const state = again ? 'waiting' : 'failed';
    this.#rows.savePart({ ...row, state, error: JSON.stringify(error), rungAtMs: nowMs });
    return again;
  }

  /** Partitions whose wake-up was lost, or whose reducer fell silent. */
  ringAgain(nowMs: number): number[] {
    const lost = this.#open().filter((row) => row.rungAtMs + REDUCE_RING_AGAIN_MS <= nowMs);
    for (const row of lost) this.#rows.savePart({ ...row, state: 'waiting', rungAtMs: nowMs });
    return lost.map((row) => row.partition);
  }

  nextRingMs(): number | null {
    const times = this.#open().map((row) => row.rungAtMs + REDUCE_RING_AGAIN_MS);
    return times.length === 0 ? null : Math.min(...times);
  }

  #open(): PartRow[] {
    return this.#rows
      .partRows()
      .filter((row) => row.state === 'waiting' || row.state === 'running');
  }

  #totalsOf(partitions: number) {
    return (this.#totals ??= this.#rows.partitionTotals(partitions));
  }
}
