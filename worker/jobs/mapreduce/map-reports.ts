// What mappers report and ask for: turns reports into changes of the map stage, stores them, counts them once and
// writes the events. Runs inside the transactions of job-arbiter.ts.
import { EDGE_LEASE_MS } from '../../../shared/limits.ts';
import { SECTION_PACKED_BYTES } from '../../../shared/mapreduce/spill.ts';
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type { JobEvent, TaskError } from '../../../shared/schemas/job.ts';
import { type AttemptRecord, EDGE } from './attempts.ts';
import type { CreditBook } from './credits.ts';
import { edgeMayBegin } from './job-machine.ts';
import { addInto, countCommitted, leaseMsOf, type LoadedJob } from './job-record.ts';
import type { Exchange, Want } from '../../contracts/job.rpc.ts';
import type { MapRows } from './job-rows.ts';
import { unpackReceiptSections } from './lease.ts';
import { type Changes, noChanges } from './map-stage.ts';
import { splitOf, type SplitPlan } from './plan.ts';
import { fairShare, RecentMappers } from './share.ts';

export type WriteEvent = (type: JobEvent['type'], fields: Record<string, unknown>) => void;

export class MapReports {
  readonly #rows: MapRows;
  readonly #credits: CreditBook;
  readonly #event: WriteEvent;
  readonly #mappers = new RecentMappers();

  constructor(rows: MapRows, credits: CreditBook, event: WriteEvent) {
    this.#rows = rows;
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
    // Entered together: one event per mapper and not per task, one row per attempt and not per change.
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
      if (by !== EDGE) job.lastVolunteerMs = nowMs;
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
      this.#rows.saveAttempt(attempt);
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
    this.#rows.saveCommitted(attempt.task, attempt.attempt, sections);
    countCommitted(record, attempt, receipt.storedBytes);
    addInto(record.operations, mapOperations(receipt.storedBytes, attempt, plan));
  }

  /** Leases tasks to a mapper, up to its fair share. */
  grant(job: LoadedJob, want: Want, nowMs: number): AttemptRecord[] {
    const { map, record } = job;
    this.#mappers.seen(want.by, nowMs);
    // What a volunteer holds counts against its share of what is open: while tasks are quick it asks many
    // times a second, and a share of the unleased each time would soon be all of them. Several edge mappers
    // share one name: each asks for new leases only.
    const isEdge = want.by === EDGE;
    const holds = isEdge ? 0 : map.activeOf(want.by);
    const open = isEdge ? map.unleased : map.tasks - map.committedCount;
    const count = Math.min(want.outstanding, fairShare(open, this.#mappers.count)) - holds;
    if (count <= 0) return [];
    const granted = map.grant(want, count, {
      nowMs,
      leaseMs: isEdge ? EDGE_LEASE_MS : leaseMsOf(record),
      freshForEdge: edgeMayBegin(job, nowMs),
    });
    if (granted.length > 0 && !isEdge) job.lastVolunteerMs = nowMs;
    return granted;
  }

  /** Stores, counts and tells what one mapper was granted. */
  enterGranted({ record }: LoadedJob, { by, name }: Want, granted: AttemptRecord[]): void {
    for (const attempt of granted) this.#rows.saveAttempt(attempt);
    record.counters.attempts += granted.length;
    const tasks = granted.map(({ task, attempt }) => [task, attempt]);
    this.#event('granted', { by, name, tasks });
    for (const { task } of granted.filter(({ backup }) => backup)) {
      record.counters.backups++;
      this.#event('backup', { task, by, name });
    }
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
