// The map stage as a pure state machine: which task goes to whom next, which attempt commits, when to give
// up. It holds open tasks only; the JobObject stores what each call says has changed. Time and
// randomness are arguments.
import { ATTEMPTS_MAX } from '../../../shared/limits.ts';
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type { MapReduceSpec, TaskError } from '../../../shared/schemas/job.ts';
import { type AttemptRecord, copiesOf, EDGE, isDeterministic } from './attempts.ts';

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

interface OpenTask {
  attempts: AttemptRecord[];
  /** A volunteer's result that the edge is to repeat and compare (`adaptive`). */
  checking: boolean;
  lapses: number;
}

export interface MapStageOptions {
  tasks: number;
  verify: MapReduceSpec['verify'];
  mappers: MapReduceSpec['mappers'];
  /** Share of volunteers' results that the edge repeats; used in `adaptive`. */
  recheckShare: number;
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
  readonly #copies: number;
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
    this.#copies = copiesOf(options.verify);
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
      const held = open.attempts.filter((a) => a.state === 'held');
      open.checking =
        this.#options.verify.mode === 'adaptive' && held.some((attempt) => attempt.by !== EDGE);
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

  /** Tasks that nobody has now, and somebody must take. */
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
    const open = this.#openTask(task);
    // One volunteer is one voice, also when a lease that ran out and the one that followed both end well.
    const spoke =
      record.by !== EDGE && open.attempts.some((a) => a.state === 'held' && a.by === record.by);
    const state = spoke ? 'discarded' : 'held';
    Object.assign(record, { state, digest: receipt.digest, receipt, ms, error: null });
    changes.changed.push(record);
    if (spoke) {
      changes.freed++;
      this.#reconsider(task);
      return changes;
    }
    const { verify, mappers, recheckShare, random } = this.#options;
    if (verify.mode === 'adaptive' && !open.checking && record.by !== EDGE && mappers !== 'edge') {
      open.checking = random() < recheckShare;
    }
    this.#decide(task, open, changes);
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
    const failures = attempts.filter((a) => a.state === 'failed' && !hasLapsed(a));
    const deterministic = failures.filter((a) => a.error && isDeterministic(a.error));
    const certain =
      isDeterministic(error) && (record.by === EDGE || this.#voices(deterministic) >= 2);
    if (certain || this.#voices(failures) >= ATTEMPTS_MAX) changes.fatal = { ...error, task };
    this.#reconsider(task);
    changes.freed++;
    return changes;
  }

  /** Given back unfinished: nobody's fault. */
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
    if (!open) this.#open.set(task, (open = { attempts: [], checking: false, lapses: 0 }));
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

  /** Attempts that the task needs beyond those out and those that agree. */
  #need(open: OpenTask): number {
    const active = open.attempts.filter((a) => a.state === 'leased').length;
    if (open.checking) {
      return active > 0 ? 0 : 1;
    }
    return Math.max(0, this.#copies - active - this.#largestVote(open).length);
  }

  #reconsider(task: number): void {
    const open = this.#open.get(task);
    const needed = open !== undefined && this.#need(open) > 0;
    // Adding what is there already leaves it in its place.
    if (needed && !open.checking) this.#wanting.add(task);
    else this.#wanting.delete(task);
    if (needed && (open.checking || this.#edgeHelps(open))) this.#wantingEdge.add(task);
    else this.#wantingEdge.delete(task);
  }

  /** With volunteers at work the edge helps where one stalled or failed, all give it back, or they disagree. */
  #edgeHelps({ attempts }: OpenTask): boolean {
    if (this.#options.mappers !== 'any') return false;
    if (attempts.some((a) => a.state === 'failed')) return true;
    if (attempts.filter((a) => a.state === 'returned').length >= RETURNS_MAX) return true;
    return new Set(attempts.filter((a) => a.state === 'held').map((a) => a.digest)).size > 1;
  }

  /** Nobody checks himself; and who failed at it leaves it to others, the edge if there is nobody else. */
  #mayTake({ attempts }: OpenTask, by: string, nowMs: number): boolean {
    const leftToOthers = this.#options.mappers === 'any';
    const own = attempts.filter((a) => a.by === by);
    const barred = own.some(
      ({ state }) => state === 'held' || state === 'leased' || (leftToOthers && state === 'failed'),
    );
    if (barred) return false;
    const returned = own.filter(({ state }) => state === 'returned');
    if (returned.length < RETURNS_MAX) return true;
    const waitMs = RETURNED_WAIT_MS * 2 ** (returned.length - RETURNS_MAX);
    const lastMs = returned.at(-1)?.grantedAtMs ?? 0;
    return nowMs - lastMs >= Math.min(RETURNED_WAIT_MAX_MS, waitMs);
  }

  /** One volunteer must not be able to fail a job that others could finish: where there are others. */
  #voices(records: AttemptRecord[]): number {
    if (this.#options.mappers !== 'any') return records.length;
    const edge = records.filter((record) => record.by === EDGE).length;
    return edge + new Set(records.map((record) => record.by).filter((by) => by !== EDGE)).size;
  }

  #largestVote(open: OpenTask): AttemptRecord[] {
    const votes = new Map<string, AttemptRecord[]>();
    let largest: AttemptRecord[] = [];
    for (const record of open.attempts) {
      if (record.state !== 'held' || record.digest === null) continue;
      const vote = [...(votes.get(record.digest) ?? []), record];
      votes.set(record.digest, vote);
      if (vote.length > largest.length) largest = vote;
    }
    return largest;
  }

  #decide(task: number, open: OpenTask, changes: Changes): void {
    const held = open.attempts.filter((a) => a.state === 'held');
    let winner: AttemptRecord | undefined;
    if (open.checking) winner = held.find((a) => a.by === EDGE);
    else {
      const vote = this.#largestVote(open);
      if (vote.length >= this.#copies) winner = vote[0];
    }
    if (winner) this.#commit(task, winner, held, changes);
    else {
      this.#reconsider(task);
      if (new Set(held.map((a) => a.digest)).size > 1) {
        changes.disagreements.push({ task, attempts: held.map((a) => a.attempt) });
      }
      if (held.length >= this.#copies + ATTEMPTS_MAX) {
        const message = `${held.length} attempts at task ${task} gave no ${this.#copies} equal results`;
        changes.fatal = { code: 'disagreement', message, task };
      }
      changes.freed++;
    }
  }

  /** Commits one attempt; equal ones are discarded, others have failed, those still out are revoked. */
  #commit(task: number, winner: AttemptRecord, held: AttemptRecord[], changes: Changes): void {
    const differing = held.filter((record) => record.digest !== winner.digest);
    if (differing.length > 0) {
      changes.disagreements.push({ task, attempts: differing.map((record) => record.attempt) });
    }
    for (const record of differing) {
      const message = `its digest differs from the one that ${winner.by} and the vote agree on`;
      Object.assign(record, { state: 'failed', error: { code: 'disagreement', message, task } });
      changes.changed.push(record);
    }
    // An equal volunteer's attempt is the one committed when the edge merely checked it.
    const credited = held.find((a) => a.by !== EDGE && a.digest === winner.digest) ?? winner;
    for (const record of this.#openTask(task).attempts) {
      if (record === credited) record.state = 'committed';
      else if (record.state === 'held') record.state = 'discarded';
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
    changes.committed.push(credited);
  }
}

/** Its lease ran out in silence: nobody knows whether it failed. */
const hasLapsed = ({ state, error, ms }: AttemptRecord): boolean =>
  state === 'failed' && error?.code === 'deadline' && ms === null;

/** Whether a result that comes now is the attempt's first word: out, given back, or thought lost. */
const mayStillFinish = (record: AttemptRecord): boolean =>
  record.digest === null &&
  (record.state === 'leased' ||
    record.state === 'returned' ||
    record.state === 'revoked' ||
    hasLapsed(record));
