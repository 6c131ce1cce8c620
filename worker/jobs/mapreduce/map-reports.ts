// The desk where mappers report and are given leases: turns reports into changes of the map stage, stores
// them, counts them once and writes the events. Runs inside the JobObject's transactions.
import {
  EDGE_GRACE_MS,
  EDGE_LEASE_MS,
  LEASE_FACTOR,
  LEASE_MAX_MS,
  LEASE_MIN_MS,
  LEASE_MS,
} from '../../../shared/limits.ts';
import { SECTION_PACKED_BYTES } from '../../../shared/mapreduce/spill.ts';
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type { JobEvent, TaskError } from '../../../shared/schemas/job.ts';
import { type AttemptRecord, EDGE, leaseLengthMs } from './attempts.ts';
import type { CreditBook } from './credits.ts';
import { addInto, countCommitted, type JobRecord, type LoadedJob } from './job-record.ts';
import type { Exchange, Want } from '../../contracts/job.rpc.ts';
import type { JobStore } from './job.store.ts';
import { unpackReceiptSections } from './lease.ts';
import { type Changes, noChanges } from './map-stage.ts';
import { splitOf, type SplitPlan } from './plan.ts';
import { fairShare, RecentMappers } from './share.ts';

export type WriteEvent = (type: JobEvent['type'], fields: Record<string, unknown>) => void;

export class MapReports {
  readonly #store: JobStore;
  readonly #credits: CreditBook;
  readonly #event: WriteEvent;
  readonly #mappers = new RecentMappers();
  #lastVolunteerMs = 0;

  constructor(store: JobStore, credits: CreditBook, event: WriteEvent) {
    this.#store = store;
    this.#credits = credits;
    this.#event = event;
  }

  /** Applies what mappers say, and what time says about silent ones. Receipts are those of the reports, opened. */
  apply(
    job: LoadedJob,
    { reports, gone }: Exchange,
    receipts: (SpillReceipt | null)[],
    nowMs: number,
  ): { fatal: TaskError | null; freed: number } {
    const { map, record } = job;
    // Entered together: one event a mapper and not one a task, one row an attempt and not one a change.
    const all = noChanges();
    const apply = (changes: Changes) => {
      all.changed.push(...changes.changed);
      all.committed.push(...changes.committed);
      all.disagreements.push(...changes.disagreements);
      all.fatal ??= changes.fatal;
      all.freed += changes.freed;
    };
    reports.forEach((report, i) => {
      const { task, attempt, by, outcome, ms } = report;
      if (by !== EDGE) this.#lastVolunteerMs = nowMs;
      switch (outcome.kind) {
        case 'alive':
          return map.alive(task, attempt, nowMs + leaseMsOf(record));
        case 'returned':
          this.#event('returned', { by, tasks: [[task, attempt]], reason: outcome.reason });
          return apply(map.returned(task, attempt, outcome.reason));
        case 'failed':
          return apply(map.failed(task, attempt, outcome.error, ms));
        case 'done': {
          const receipt = receipts[i];
          const message = receiptProblem(job, task, attempt, receipt);
          if (receipt && message === null) return apply(map.done(task, attempt, receipt, ms));
          return apply(
            map.failed(task, attempt, { code: 'bad_spill', message: message ?? '' }, ms),
          );
        }
      }
    });
    for (const { by, reason } of gone) {
      const changes = map.gone(by, reason);
      if (changes.changed.length > 0) {
        const tasks = changes.changed.map(({ task, attempt }) => [task, attempt]);
        this.#event('returned', { by, tasks, reason });
      }
      apply(changes);
    }
    apply(map.expire(nowMs));
    this.enter(job, all);
    return { fatal: all.fatal ?? tooManyBadRecords(job), freed: all.freed };
  }

  /** Stores what changed, counts commits, writes events, credits volunteers. */
  enter(job: LoadedJob, changes: Changes): void {
    const { record } = job;
    // One call may touch an attempt twice: what it is in the end is what counts.
    const changed = [...new Set(changes.changed)];
    this.#credits.enter(changed);
    for (const attempt of changed) {
      this.#store.saveAttempt(attempt);
      if (attempt.state !== 'failed' || !attempt.error) continue;
      const { task, by, name, error } = attempt;
      this.#event('attemptFailed', { task, attempt: attempt.attempt, by, name, error });
      if (error.code === 'disagreement') record.counters.disagreements++;
    }
    for (const disagreement of changes.disagreements) this.#event('disagreement', disagreement);
    const committedBy = new Map<string, AttemptRecord[]>();
    for (const attempt of changes.committed) {
      this.#commit(job, attempt);
      committedBy.set(attempt.by, [...(committedBy.get(attempt.by) ?? []), attempt]);
    }
    for (const [by, attempts] of committedBy) {
      const tasks = attempts.map(({ task, attempt, ms, receipt }) => [
        task,
        attempt,
        Math.round(ms ?? 0),
        receipt?.trailer.recordsIn ?? 0,
        receipt?.trailer.bytesIn ?? 0,
      ]);
      this.#event('committed', { by, name: attempts[0]?.name, tasks });
    }
  }

  #commit({ record, spec, plan }: LoadedJob, attempt: AttemptRecord): void {
    const { receipt } = attempt;
    if (!receipt) throw new Error(`task ${attempt.task} was committed without a receipt`);
    const sections = unpackReceiptSections(receipt);
    if (sections.length !== spec.partitions * SECTION_PACKED_BYTES) {
      throw new Error(
        `task ${attempt.task}: ${sections.length} bytes of index for ${spec.partitions} partitions`,
      );
    }
    this.#store.saveCommitted(attempt.task, attempt.attempt, sections);
    countCommitted(record, attempt, receipt.storedBytes);
    addInto(record.operations, mapOperations(receipt.storedBytes, attempt, plan));
  }

  grant(job: LoadedJob, want: Want, nowMs: number): AttemptRecord[] {
    const { map, record } = job;
    this.#mappers.seen(want.by, nowMs);
    // What a volunteer holds counts against its share of what is open: while tasks are quick it asks many
    // times a second, and a share of the unleased each time would soon be all of them. Several edge mappers
    // share one name: each asks for new leases only.
    const isEdge = want.by === EDGE;
    const held = isEdge ? 0 : map.activeOf(want.by);
    const open = isEdge ? map.unleased : map.tasks - map.committedCount;
    const count = Math.min(want.outstanding, fairShare(open, this.#mappers.count)) - held;
    if (count <= 0) return [];
    const granted = map.grant(want, count, {
      nowMs,
      leaseMs: want.by === EDGE ? EDGE_LEASE_MS : leaseMsOf(record),
      freshForEdge: this.edgeMayBegin(job, nowMs),
    });
    if (granted.length === 0) return granted;
    if (want.by !== EDGE) this.#lastVolunteerMs = nowMs;
    if (record.state === 'queued') {
      record.state = 'mapping';
      record.startedAtMs ??= nowMs;
      this.#event('mapping', {});
    }
    for (const attempt of granted) this.#store.saveAttempt(attempt);
    record.counters.attempts += granted.length;
    const tasks = granted.map(({ task, attempt }) => [task, attempt]);
    this.#event('granted', { by: want.by, name: want.name, tasks });
    for (const { task, by, name } of granted.filter(({ backup }) => backup)) {
      record.counters.backups++;
      this.#event('backup', { task, by, name });
    }
    return granted;
  }

  /** Whether the edge may take tasks that nobody has tried yet. */
  edgeMayBegin(job: LoadedJob, nowMs: number): boolean {
    const { spec, map } = job;
    if (spec.mappers === 'edge') return true;
    if (spec.mappers === 'volunteers' || map.volunteersActive) return false;
    return nowMs >= this.edgeBeginsMs(job);
  }

  /** When the edge may begin, unless a volunteer does something before. */
  edgeBeginsMs({ record }: LoadedJob): number {
    return Math.max(record.edgeFromMs, this.#lastVolunteerMs + EDGE_GRACE_MS);
  }

  /** Why nothing is being mapped; empty when something is. `work`: what the edge could take now. */
  waitingReason(job: LoadedJob, work: number, nowMs: number): string {
    const { map, spec, record } = job;
    if (map.volunteersActive || map.activeOf(EDGE) > 0) return '';
    if (work > 0) return 'an edge mapper was woken; it begins when those before it are done';
    if (spec.mappers === 'any') {
      const seconds = Math.max(1, Math.ceil((this.edgeBeginsMs(job) - nowMs) / 1000));
      return `no volunteer connected; edge mappers start in ${seconds} s`;
    }
    if (record.counters.attempts === 0 || spec.verify.mode !== 'quorum') {
      return 'waiting for a volunteer: none has a task of this job';
    }
    return `waiting for another volunteer: a quorum needs ${spec.verify.copies} different ones`;
  }
}

/** Why a reported receipt does not count; null when it does. */
function receiptProblem(
  { record, plan }: LoadedJob,
  task: number,
  attempt: number,
  receipt: SpillReceipt | null | undefined,
): string | null {
  const { job } = record.submission;
  if (receipt?.job !== job || receipt.task !== task || receipt.attempt !== attempt) {
    return 'the receipt is not one that the edge signed for this attempt';
  }
  if (plan.kind !== 'integers') return null;
  const split = splitOf(plan, task);
  const items = split.kind === 'integers' ? split.to - split.from : 0;
  const seen = receipt.trailer.recordsIn + receipt.trailer.badRecords;
  return seen === items ? null : `its trailer says ${seen} items were read, the split has ${items}`;
}

export function leaseMsOf({ medianMs }: JobRecord): number {
  const bounds = { initial: LEASE_MS, min: LEASE_MIN_MS, max: LEASE_MAX_MS, factor: LEASE_FACTOR };
  return leaseLengthMs(medianMs, bounds);
}

function tooManyBadRecords({ record, spec }: LoadedJob): TaskError | null {
  const { badRecords } = record.counters;
  if (badRecords <= spec.skipBadRecords) return null;
  const first = record.badRecords[0];
  const message = `${badRecords} bad records, ${spec.skipBadRecords} may be skipped; the first: ${first?.error ?? 'not listed'}`;
  const place = first && { record: first.offset, task: first.task };
  return { code: 'too_many_bad_records', message, ...place };
}

/** Operations that one committed map attempt cost: two requests, range reads (the input, and two probes that align it), one object. */
function mapOperations(
  storedBytes: number,
  attempt: AttemptRecord,
  plan: SplitPlan,
): Record<string, number> {
  const bytesIn = attempt.receipt?.trailer.bytesIn ?? 0;
  const reads = plan.kind === 'bytes' ? 3 : 1;
  return {
    workerRequest: attempt.by === EDGE ? 0 : 2,
    r2Read: bytesIn > 0 ? reads : 0,
    r2Write: storedBytes > 0 ? 1 : 0,
    rowWritten: 3,
  };
}
