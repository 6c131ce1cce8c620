// The map stage as a pure state machine: which task goes to which mapper next, what every attempt has come to.
// verification.ts decides which result is believed. The stage holds open tasks only; the JobObject stores what
// each call says has changed. Time and randomness are arguments.
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import { type AttemptRecord, EDGE, hasLapsed, mayStillFinish } from './attempts.ts';
import * as verification from './verification.ts';

/** Silent lapses a task may have before the job is given up. */
const LAPSES_MAX = 8;
/** Restarts of the edge that one task may cause, or be unlucky with. */
const EDGE_DEATHS_MAX = 3;
const EDGE_RESTARTED = 'the edge restarted';
/** A mapper that gave a task back this often waits before it gets that one again, longer each time. */
const RETURNS_MAX = 3;
const RETURNED_WAIT_MS = 5_000;
const RETURNED_WAIT_MAX_MS = 60_000;
/** Candidates looked at in one grant before the rest is left for the next one. */
const SCAN_MAX = 2_000;

interface OpenTask extends verification.TaskResults {
  attempts: AttemptRecord[];
  lapses: number;
}

export interface MapStageOptions extends verification.TrustRules {
  tasks: number;
  /** 0 ≤ n < 1; must not be foreseeable by volunteers. */
  random: () => number;
}

/** What one call changed. `changed` is to be stored, `committed` counted, `fatal` ends the job. */
export interface Changes {
  changed: AttemptRecord[];
  committed: AttemptRecord[];
  disagreements: { task: number; attempts: number[] }[];
  fatal: TaskError | null;
  /** Tasks that may be leased again. */
  freed: number;
}

export const noChanges = (): Changes => ({
  changed: [],
  committed: [],
  disagreements: [],
  fatal: null,
  freed: 0,
});

export class MapStage {
  readonly tasks: number;
  readonly #options: MapStageOptions;
  readonly #committed: Uint8Array;
  readonly #open = new Map<number, OpenTask>();
  /** Open tasks that need another attempt now, oldest first: by a volunteer, or by anybody. */
  readonly #wanting = new Set<number>();
  /** Those of them, and those being checked, that the edge may take even while volunteers are at work. */
  readonly #wantingEdge = new Set<number>();
  /** Active attempts by mapper. */
  readonly #activeBy = new Map<string, Set<AttemptRecord>>();
  #nextFresh = 0;
  #committedCount = 0;
  #volunteerActive = 0;

  constructor(options: MapStageOptions) {
    this.#options = options;
    this.tasks = options.tasks;
    this.#committed = new Uint8Array(options.tasks);
  }

  /** Brings back what was stored, after the object was evicted or restarted. */
  restore(committed: Iterable<number>, attempts: Iterable<AttemptRecord>): void {
    for (const task of committed) {
      this.#committed[task] = 1;
      this.#committedCount++;
      this.#nextFresh = Math.max(this.#nextFresh, task + 1);
    }
    for (const attempt of attempts) {
      if (this.#committed[attempt.task]) continue;
      const open = this.#openTask(attempt.task);
      open.attempts.push(attempt);
      if (attempt.state === 'leased') this.#activate(attempt);
      if (hasLapsed(attempt)) open.lapses++;
      this.#nextFresh = Math.max(this.#nextFresh, attempt.task + 1);
    }
    // Tasks below the mark without any row were never leased: possible after a crash in the middle.
    for (let task = 0; task < this.#nextFresh; task++) {
      if (!this.#committed[task] && !this.#open.has(task)) this.#openTask(task);
    }
    for (const [task, open] of this.#open) {
      open.phase = verification.restoredPhase(this.#options, open.attempts);
      this.#reconsider(task);
    }
  }

  get committedCount(): number {
    return this.#committedCount;
  }

  get complete(): boolean {
    return this.#committedCount === this.tasks;
  }

  get volunteersActive(): boolean {
    return this.#volunteerActive > 0;
  }

  isCommitted(task: number): boolean {
    return this.#committed[task] === 1;
  }

  activeOf(by: string): number {
    return this.#activeBy.get(by)?.size ?? 0;
  }

  /** Leases up to `count` tasks to a mapper. The edge gets `fresh` tasks only if it may map at all. */
  grant(
    mapper: { by: string; name: string; network: string },
    count: number,
    timing: { nowMs: number; leaseMs: number; freshForEdge: boolean },
  ): AttemptRecord[] {
    const granted: AttemptRecord[] = [];
    const edge = mapper.by === EDGE;
    if (!edge && this.#options.mappers === 'edge') return granted;
    const take = (task: number): void => {
      granted.push(this.#lease(task, mapper, timing));
    };
    if (edge) {
      for (const task of this.#wantingEdge) {
        if (granted.length >= count) break;
        take(task);
      }
    }
    if (!edge || timing.freshForEdge) {
      const passed: number[] = [];
      for (const task of this.#wanting) {
        if (granted.length >= count || passed.length >= SCAN_MAX) break;
        const open = this.#open.get(task);
        if (open && (edge || this.#mayTake(open, mapper.by, timing.nowMs))) take(task);
        else passed.push(task);
      }
      // A long row of tasks that this mapper may not take must not hide those behind it.
      if (passed.length >= SCAN_MAX) {
        for (const task of passed) {
          this.#wanting.delete(task);
          this.#wanting.add(task);
        }
      }
      while (granted.length < count && this.#nextFresh < this.tasks) {
        const task = this.#nextFresh++;
        if (this.#committed[task] || this.#open.has(task)) continue;
        take(task);
      }
    }
    return granted;
  }

  /** How many tasks the edge could take now. */
  edgeWork(freshForEdge: boolean): number {
    if (!freshForEdge) return this.#wantingEdge.size;
    let work = this.tasks - this.#nextFresh + this.#wanting.size;
    for (const task of this.#wantingEdge) if (!this.#wanting.has(task)) work++;
    return work;
  }

  /** Tasks that no mapper has now, and one must take. */
  get unleased(): number {
    return this.tasks - this.#nextFresh + this.#wanting.size;
  }

  /** True if anything could be leased to some volunteer. */
  get hasWork(): boolean {
    return this.#nextFresh < this.tasks || this.#wanting.size > 0;
  }

  /** A result arrived, its receipt already verified. Late ones count while the task is open. */
  done(task: number, attempt: number, receipt: SpillReceipt, ms: number): Changes {
    const changes = noChanges();
    const record = this.#find(task, attempt);
    if (!record || !mayStillFinish(record)) return changes;
    this.#deactivate(record);
    const { digest } = receipt;
    Object.assign(record, { state: 'awaiting-quorum', digest, receipt, ms, error: null });
    changes.changed.push(record);
    const open = this.#openTask(task);
    const verdict = verification.judge(this.#options, open, record, this.#options.random);
    if (verdict.kind === 'commit') {
      this.#commit(task, verdict.winner, changes);
      return changes;
    }
    if (verdict.kind === 'refuse') record.state = 'discarded';
    else {
      open.phase = verdict.phase;
      if (verdict.disagreeing.length > 0) {
        changes.disagreements.push({ task, attempts: verdict.disagreeing });
      }
      changes.fatal = verdict.error;
    }
    changes.freed++;
    this.#reconsider(task);
    return changes;
  }

  failed(task: number, attempt: number, error: TaskError, ms: number): Changes {
    const changes = noChanges();
    const record = this.#find(task, attempt);
    if (!record || (record.state !== 'leased' && record.state !== 'returned')) return changes;
    this.#deactivate(record);
    Object.assign(record, { state: 'failed', error: { ...error, task }, ms });
    changes.changed.push(record);
    const { attempts } = this.#openTask(task);
    if (verification.endsJob(this.#options, attempts, record)) changes.fatal = { ...error, task };
    this.#reconsider(task);
    changes.freed++;
    return changes;
  }

  /** Given back unfinished: this is not a failure. */
  returned(task: number, attempt: number, reason: string): Changes {
    const changes = noChanges();
    const record = this.#find(task, attempt);
    if (record?.state === 'leased') this.#release(record, reason, changes);
    return changes;
  }

  /**
   * The edge may have died with what it had in hand. A task that it dies of again and again ends the job:
   * where nothing bounds memory, one program could otherwise bring the edge down for ever.
   */
  edgeRestarted(): Changes {
    const changes = this.gone(EDGE, EDGE_RESTARTED);
    for (const { task } of changes.changed) {
      const deaths = this.#openTask(task).attempts.filter(
        ({ by, error }) => by === EDGE && error?.message === EDGE_RESTARTED,
      );
      if (deaths.length < EDGE_DEATHS_MAX) continue;
      const message = `the edge restarted ${deaths.length} times while it ran this task: out of memory?`;
      changes.fatal = { code: 'memory', message, task };
    }
    return changes;
  }

  /** A volunteer left: all its leases are free at once. */
  gone(by: string, reason: string): Changes {
    const changes = noChanges();
    for (const record of [...(this.#activeBy.get(by) ?? [])]) {
      this.#release(record, reason, changes);
    }
    return changes;
  }

  alive(task: number, attempt: number, deadlineMs: number): void {
    const record = this.#find(task, attempt);
    if (record?.state === 'leased') record.deadlineMs = Math.max(record.deadlineMs, deadlineMs);
  }

  /** Leases past their deadline go back. */
  expire(nowMs: number): Changes {
    const changes = noChanges();
    for (const records of [...this.#activeBy.values()]) {
      for (const record of [...records]) {
        if (record.deadlineMs > nowMs) continue;
        const error: TaskError = {
          code: 'deadline',
          message: `no sign of life from ${record.name} before the lease ran out`,
          task: record.task,
        };
        this.#deactivate(record);
        Object.assign(record, { state: 'failed', error });
        changes.changed.push(record);
        changes.freed++;
        const open = this.#openTask(record.task);
        if (++open.lapses >= LAPSES_MAX) changes.fatal = error;
        this.#reconsider(record.task);
      }
    }
    return changes;
  }

  /** When the next lease runs out; null with none out. */
  nextDeadlineMs(): number | null {
    let next: number | null = null;
    for (const records of this.#activeBy.values()) {
      for (const { deadlineMs } of records) next = Math.min(next ?? deadlineMs, deadlineMs);
    }
    return next;
  }

  /** The job ended or failed: every lease is taken back. */
  revokeAll(reason: string): Changes {
    const changes = noChanges();
    for (const records of [...this.#activeBy.values()]) {
      for (const record of [...records]) {
        this.#deactivate(record);
        Object.assign(record, { state: 'revoked', error: { code: 'returned', message: reason } });
        changes.changed.push(record);
      }
    }
    return changes;
  }

  /** A failed job is tried again: failures of open tasks are forgiven, not forgotten. */
  forgive(): Changes {
    const changes = noChanges();
    for (const [task, open] of this.#open) {
      open.lapses = 0;
      for (const record of open.attempts) {
        if (record.state !== 'failed') continue;
        record.state = 'discarded';
        changes.changed.push(record);
      }
      this.#reconsider(task);
    }
    return changes;
  }

  #openTask(task: number): OpenTask {
    let open = this.#open.get(task);
    if (!open) this.#open.set(task, (open = { attempts: [], phase: 'collecting', lapses: 0 }));
    return open;
  }

  #find(task: number, attempt: number): AttemptRecord | undefined {
    return this.#open.get(task)?.attempts.find((record) => record.attempt === attempt);
  }

  #lease(
    task: number,
    { by, name, network }: { by: string; name: string; network: string },
    { nowMs, leaseMs }: { nowMs: number; leaseMs: number },
  ): AttemptRecord {
    const open = this.#openTask(task);
    // It would not be needed if the attempts that fell silent still counted as out.
    const silent = open.attempts.filter(hasLapsed).length;
    const backup = silent > 0 && this.#lacking(open, silent).count === 0;
    const record: AttemptRecord = {
      task,
      attempt: (open.attempts.at(-1)?.attempt ?? 0) + 1,
      by,
      name,
      network,
      state: 'leased',
      grantedAtMs: nowMs,
      deadlineMs: nowMs + leaseMs,
      ms: null,
      digest: null,
      error: null,
      receipt: null,
      ...(backup && { backup }),
    };
    open.attempts.push(record);
    this.#activate(record);
    this.#reconsider(task);
    return record;
  }

  #activate(record: AttemptRecord): void {
    let records = this.#activeBy.get(record.by);
    if (!records) this.#activeBy.set(record.by, (records = new Set()));
    records.add(record);
    if (record.by !== EDGE) this.#volunteerActive++;
  }

  #deactivate(record: AttemptRecord): void {
    const records = this.#activeBy.get(record.by);
    if (!records?.delete(record)) return;
    if (records.size === 0) this.#activeBy.delete(record.by);
    if (record.by !== EDGE) this.#volunteerActive--;
  }

  #release(record: AttemptRecord, reason: string, changes: Changes): void {
    this.#deactivate(record);
    Object.assign(record, { state: 'returned', error: { code: 'returned', message: reason } });
    changes.changed.push(record);
    changes.freed++;
    this.#reconsider(record.task);
  }

  /** What the task lacks; `silent` attempts count as out besides those that are. */
  #lacking(open: OpenTask, silent = 0): verification.Lacking {
    const active = open.attempts.filter((a) => a.state === 'leased').length;
    return verification.lacking(this.#options, open, active + silent);
  }

  #reconsider(task: number): void {
    const open = this.#open.get(task);
    const { count, by } = open ? this.#lacking(open) : { count: 0, by: 'edge' };
    // Adding what is there already leaves it in its place.
    if (count > 0 && by === 'anybody') this.#wanting.add(task);
    else this.#wanting.delete(task);
    if (count > 0 && open && (by === 'edge' || this.#edgeHelps(open))) this.#wantingEdge.add(task);
    else this.#wantingEdge.delete(task);
  }

  /** With volunteers at work the edge helps where one stalled or failed, all give it back, or they disagree. */
  #edgeHelps(open: OpenTask): boolean {
    if (this.#options.mappers !== 'any') return false;
    const { attempts } = open;
    if (attempts.some((a) => a.state === 'failed')) return true;
    if (attempts.filter((a) => a.state === 'returned').length >= RETURNS_MAX) return true;
    return verification.wantsReferee(open);
  }

  /** A volunteer that failed at a task leaves it to others: to the edge if there is no other volunteer. */
  #mayTake(open: OpenTask, by: string, nowMs: number): boolean {
    if (!verification.mayAnswer(open, by)) return false;
    const own = open.attempts.filter((a) => a.by === by);
    if (this.#options.mappers === 'any' && own.some(({ state }) => state === 'failed'))
      return false;
    const returned = own.filter(({ state }) => state === 'returned');
    if (returned.length < RETURNS_MAX) return true;
    const waitMs = RETURNED_WAIT_MS * 2 ** (returned.length - RETURNS_MAX);
    const lastMs = returned.at(-1)?.grantedAtMs ?? 0;
    return nowMs - lastMs >= Math.min(RETURNED_WAIT_MAX_MS, waitMs);
  }

  /** Commits one attempt; equal ones are discarded, others have failed, those still out are revoked. */
  #commit(task: number, winner: AttemptRecord, changes: Changes): void {
    const { attempts } = this.#openTask(task);
    const { committed, blamed, error } = verification.settle(attempts, winner);
    if (blamed.length > 0) {
      changes.disagreements.push({ task, attempts: blamed.map(({ attempt }) => attempt) });
    }
    for (const record of blamed) {
      Object.assign(record, { state: 'failed', error });
      changes.changed.push(record);
    }
    for (const record of attempts) {
      if (record === committed) record.state = 'committed';
      else if (record.state === 'awaiting-quorum') record.state = 'discarded';
      else if (record.state === 'leased') {
        this.#deactivate(record);
        record.state = 'revoked';
      } else continue;
      changes.changed.push(record);
    }
    this.#committed[task] = 1;
    this.#committedCount++;
    this.#open.delete(task);
    this.#reconsider(task);
    changes.committed.push(committed);
  }
}
