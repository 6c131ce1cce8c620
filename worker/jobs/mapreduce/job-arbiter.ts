// The only arbiter of what is committed: holds a job in memory, and changes memory and rows together. It decides
// nothing itself: job-machine.ts decides about the job, map-stage.ts about attempts, reduce-stage.ts about
// partitions. What has to go out is returned to the JobObject.
import { change } from '../../platform/change.ts';
import { ADAPTIVE_RECHECK_SHARE, TASKS_MAX } from '../../../shared/limits.ts';
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type { MapReduceSpec, TaskError } from '../../../shared/schemas/job.ts';
import { programKey } from '../../platform/keys.ts';
import type { AttemptRecord } from './attempts.ts';
import { CreditBook } from './credits.ts';
import { EdgeWakeUps } from './edge-wake-ups.ts';
import {
  askEdge,
  edgeReason,
  type Happening,
  happen,
  hasEnded,
  isMapping,
  type JobTimer,
  lookAgainMs,
  reconcile,
  stageOf,
  waitingEventMs,
} from './job-machine.ts';
import { addInto, countPart, type JobRecord, type LoadedJob, newJobRecord } from './job-record.ts';
import type {
  EdgeWork,
  Exchange,
  PartCommit,
  ReduceWork,
  Submission,
} from '../../contracts/job.rpc.ts';
import type { JobRows } from './job-rows.ts';
import { MapReports, type WriteEvent } from './map-reports.ts';
import { type Changes, MapStage } from './map-stage.ts';
import { type SplitPlan, splitCount } from './plan.ts';
import { ReduceStage } from './reduce-stage.ts';

/** Sets a timer; null clears it. */
export type SetTimer = (name: JobTimer, atMs: number | null) => void;

export interface JobPorts {
  rows: JobRows;
  event: WriteEvent;
  timer: SetTimer;
  /** 0 ≤ n < 1; must not be foreseeable by volunteers. */
  random: () => number;
}

/** What goes out after a change: wake-ups for edge mappers and reducers. */
export interface Outgoing {
  rings: number[];
  partitions: number[];
  /** The job went from one stage to the next. */
  moved: boolean;
}

export class JobArbiter {
  readonly credits = new CreditBook();
  readonly #ports: JobPorts;
  readonly #rows: JobRows;
  readonly #reports: MapReports;
  readonly #reduce: ReduceStage;
  #job: LoadedJob | null = null;
  #saidReason = '';

  constructor(ports: JobPorts, nowMs: number) {
    this.#ports = ports;
    this.#rows = ports.rows;
    this.#reports = new MapReports(ports.rows, this.credits, ports.event);
    this.#reduce = new ReduceStage(ports.rows);
    this.#load();
    this.#resume(nowMs);
  }

  get job(): LoadedJob | null {
    return this.#job;
  }

  #load(): void {
    this.#job = null;
    const record = this.#rows.loadRecord();
    const spec = this.#rows.loadSpec();
    const plan = this.#rows.loadPlan();
    if (record && spec && plan) this.#open(record, spec, plan);
  }

  /** Wake-ups are remembered in memory only, and edge mappers may have died with it. One that lives may report. */
  #resume(nowMs: number): void {
    const job = this.#job;
    if (!job || hasEnded(job.record.state)) return;
    this.#change(() => {
      this.#enter(job, job.map.edgeRestarted(), nowMs);
      this.#ports.timer('advance', nowMs);
    });
  }

  #open(record: JobRecord, spec: MapReduceSpec, plan: SplitPlan): LoadedJob {
    const { verify, mappers } = spec;
    const { random } = this.#ports;
    const tasks = splitCount(plan);
    const map = new MapStage({
      tasks,
      verify,
      mappers,
      recheckShare: ADAPTIVE_RECHECK_SHARE,
      random,
    });
    map.restore(this.#rows.committedTasks(), this.#rows.openAttempts());
    const lastVolunteerMs = this.#job?.lastVolunteerMs ?? 0;
    const wakeUps = new EdgeWakeUps(record.lastRing);
    return (this.#job = { record, spec, plan, map, wakeUps, lastVolunteerMs });
  }

  #change<Result>(work: () => Result): Result {
    return change(this.#rows, work, () => this.#load());
  }

  /** Carries out what the machine decides; false when it decides that this does not happen any more. */
  #happen(job: LoadedJob, what: Happening, nowMs: number): boolean {
    const { record, spec, map } = job;
    const move = happen(record, what, spec, nowMs);
    if (!move) return false;
    const { life, events, timers, revoke } = move;
    if (revoke !== null) {
      for (const attempt of map.revokeAll(revoke).changed) this.#rows.saveAttempt(attempt);
    }
    Object.assign(record, life);
    for (const [type, fields] of events) this.#ports.event(type, fields);
    for (const [name, atMs] of Object.entries(timers)) this.#ports.timer(name as JobTimer, atMs);
    this.#rows.saveRecord(record);
    return true;
  }

  /** Stores what the map stage changed; the job ends when one of the changes is fatal. */
  #enter(job: LoadedJob, changes: Changes, nowMs: number): void {
    this.#reports.enter(job, changes);
    if (changes.fatal) this.#happen(job, { kind: 'failed', error: changes.fatal }, nowMs);
    else if (changes.changed.length > 0) this.#rows.saveRecord(job.record);
  }

  // --- The job's life ------------------------------------------------------------------------------

  submit({ spec, plan, ...kept }: Submission, nowMs: number): LoadedJob {
    const record = newJobRecord(kept, nowMs);
    // A partition's end was asked for and its range pinned; later it is let go.
    addInto(record.operations, { durableObjectRequest: 3 * (kept.stream?.partitions.length ?? 0) });
    return this.#change(() => {
      this.#rows.saveSpec(spec);
      this.#rows.savePlan(plan);
      const job = this.#open(record, spec, plan);
      const splits = plan.kind === 'scan' ? null : plan.splits;
      this.#happen(job, { kind: 'submitted', name: spec.name, splits }, nowMs);
      return job;
    });
  }

  fail(error: TaskError, nowMs: number): boolean {
    return this.#inJob((job) => this.#happen(job, { kind: 'failed', error }, nowMs)) ?? false;
  }

  /** False: it has ended already. */
  cancel(nowMs: number): boolean {
    return this.#inJob((job) => this.#happen(job, { kind: 'cancelled' }, nowMs)) ?? false;
  }

  /** False: it has not failed. */
  retry(nowMs: number): boolean {
    const again = this.#inJob((job) => {
      const { record, map } = job;
      if (!this.#happen(job, { kind: 'retried', mapped: record.mapped }, nowMs)) return false;
      for (const attempt of map.forgive().changed) this.#rows.saveAttempt(attempt);
      this.#rows.clearParts();
      job.wakeUps = new EdgeWakeUps(record.lastRing);
      return true;
    });
    return again ?? false;
  }

  /** A failed job's spills are gone: what is tried again starts over. */
  startOver(): void {
    this.#inJob(({ record, spec, plan }) => {
      if (record.state !== 'failed') return;
      this.#rows.clearMap();
      this.#rows.clearAllParts();
      const { state, reason, error, finishedAtMs, startedAtMs, csvHeader, lastRing } = record;
      const kept = { state, reason, error, finishedAtMs, startedAtMs, csvHeader, lastRing };
      const fresh = Object.assign(newJobRecord(record.submission, record.createdAtMs), kept);
      this.#rows.saveRecord(fresh);
      this.#open(fresh, spec, plan);
    });
  }

  /** The job is deleted: `wipe` takes it out of storage. */
  delete(wipe: () => void): void {
    this.#change(wipe);
    this.#job = null;
  }

  /** A change of the job; null when there is none. */
  #inJob<Result>(work: (job: LoadedJob) => Result): Result | null {
    const job = this.#job;
    return job && this.#change(() => work(job));
  }

  // --- Mapping -------------------------------------------------------------------------------------

  /** Takes reports and grants leases. `freed`: tasks that may be leased again. Receipts: of the reports, opened. */
  take(
    exchange: Exchange,
    receipts: (SpillReceipt | null)[],
    nowMs: number,
  ): { granted: AttemptRecord[]; freed: number } {
    const nothing = { granted: [], freed: 0 };
    const taken = this.#inJob((job) => {
      const { record, map, plan, wakeUps } = job;
      if (!isMapping(record.state)) return nothing;
      const { ring, wants } = exchange;
      const enoughMappers = ring !== undefined && !wakeUps.seen(ring.ring, nowMs);
      if (ring?.leaving) wakeUps.left(ring.ring);
      const { fatal, freed } = this.#reports.apply(job, exchange, receipts, nowMs);
      if (fatal) {
        this.#happen(job, { kind: 'failed', error: fatal }, nowMs);
        return nothing;
      }
      const granted: AttemptRecord[] = [];
      const none = enoughMappers || map.complete || plan.kind === 'scan';
      for (const want of none ? [] : wants) {
        const some = this.#reports.grant(job, want, nowMs);
        if (some.length === 0) continue;
        this.#happen(job, { kind: 'granted' }, nowMs);
        this.#reports.enterGranted(job, want, some);
        granted.push(...some);
      }
      addInto(record.operations, { durableObjectRequest: 1, rowWritten: 1 + granted.length });
      this.#rows.saveRecord(record);
      return { granted, freed };
    });
    return taken ?? nothing;
  }

  /** Leases that ran out go back; answers how many tasks that frees. */
  expire(nowMs: number): number {
    const freed = this.#inJob((job) => {
      if (!isMapping(job.record.state)) return 0;
      const changes = job.map.expire(nowMs);
      this.#enter(job, changes, nowMs);
      return changes.freed;
    });
    return freed ?? 0;
  }

  /** What the edge mapper that this wake-up woke has to do; null: nothing. */
  edgeWork(ring: number, nowMs: number): EdgeWork | null {
    const job = this.#job;
    if (!job || !isMapping(job.record.state) || !job.wakeUps.seen(ring, nowMs)) return null;
    const { job: id, programHash, guard, input } = job.record.submission;
    if (job.plan.kind !== 'scan') {
      return { kind: 'map', programKey: programKey(id), programHash, guard };
    }
    if (!input) throw new Error('a scan without an input');
    const { splitBytes, bytes } = job.plan;
    return { kind: 'scan', key: input.key, splitBytes, bytes, state: this.#rows.loadScan() };
  }

  /** A scan goes on in another message. False: the job does not scan. */
  scanned(ring: number, state: string): boolean {
    const job = this.#scanning();
    if (!job) return false;
    this.#rows.saveScan(state);
    job.wakeUps.left(ring);
    return true;
  }

  /** The scan found where records begin. False: the job does not scan. */
  planned(boundaries: number[], csvHeader: string[], nowMs: number): boolean {
    const job = this.#scanning();
    if (!job) return false;
    const splits = boundaries.length - 1;
    if (splits > TASKS_MAX) {
      const message = `the input has ${splits} splits, the most is ${TASKS_MAX}; use a larger splitBytes`;
      return this.fail({ code: 'memory', message }, nowMs);
    }
    const plan: SplitPlan = { kind: 'boundaries', boundaries, splits };
    return this.#change(() => {
      this.#rows.savePlan(plan);
      this.#rows.saveScan('');
      job.record.csvHeader = csvHeader;
      this.#happen(job, { kind: 'planned', splits }, nowMs);
      this.#open(job.record, job.spec, plan);
      return true;
    });
  }

  #scanning(): LoadedJob | null {
    const job = this.#job;
    return job?.plan.kind === 'scan' && isMapping(job.record.state) ? job : null;
  }

  // --- Reducing ------------------------------------------------------------------------------------

  #reducing(): LoadedJob | null {
    return this.#job?.record.state === 'reducing' ? this.#job : null;
  }

  /** Null: already committed, at work, or the job does not reduce. */
  beginPart(partition: number, nowMs: number): ReduceWork | null {
    const job = this.#reducing();
    return job && this.#reduce.begin(job.record, job.spec, partition, nowMs);
  }

  /** False: the job does not reduce any more. */
  partAlive(partition: number, nowMs: number): boolean {
    if (!this.#reducing()) return false;
    this.#reduce.alive(partition, nowMs);
    return true;
  }

  /** False: it is committed already, or the job has ended. */
  commitPart(commit: PartCommit, nowMs: number): boolean {
    const job = this.#reducing();
    if (!job) return false;
    const { record, spec } = job;
    return this.#change(() => {
      if (!this.#reduce.commit(commit)) return false;
      countPart(record, commit);
      const { partition, keys, bytes, ms } = commit;
      this.#ports.event('partReduced', { partition, keys, bytes, ms });
      if (record.reduced === spec.partitions) this.#happen(job, { kind: 'reduced' }, nowMs);
      this.#rows.saveRecord(record);
      return true;
    });
  }

  /** True: wake again; false: given up, the job has failed; null: nothing to do. */
  failPart(partition: number, attempt: number, error: TaskError, nowMs: number): boolean | null {
    const job = this.#reducing();
    if (!job) return null;
    return this.#change(() => {
      const again = this.#reduce.fail(partition, attempt, error, nowMs);
      if (again === null) return null; // An older attempt, or it is committed.
      this.#ports.event('reduceFailed', { partition, attempt, error });
      if (!again) this.#happen(job, { kind: 'failed', error: { ...error, partition } }, nowMs);
      return again;
    });
  }

  // --- Going on ------------------------------------------------------------------------------------

  /** After every change: the next stage, wake-ups to send, and the time to look again. */
  goOn(nowMs: number): Outgoing {
    const out = this.#inJob((job) => {
      const stage = stageOf(job);
      const rings = stage === 'map' ? this.#askEdge(job, nowMs) : [];
      const partitions =
        stage === 'begin-reduce'
          ? this.#beginReduce(job, nowMs)
          : stage === 'reduce'
            ? this.#reduce.ringAgain(nowMs)
            : [];
      this.#ports.timer(
        'advance',
        lookAgainMs(job, () => this.#reduce.nextRingMs(), nowMs),
      );
      return { rings, partitions, moved: stage === 'begin-reduce' };
    });
    return out ?? { rings: [], partitions: [], moved: false };
  }

  /** Which edge mappers to wake; sets the reason that is shown. */
  #askEdge(job: LoadedJob, nowMs: number): number[] {
    const { record, plan, wakeUps } = job;
    const { work, reason } = askEdge(job, nowMs);
    const changed = reason !== record.reason;
    record.reason = reason;
    const rings = wakeUps.ring(work, nowMs);
    if (rings.length > 0 && plan.kind !== 'scan') {
      this.#ports.event('edge', { reason: edgeReason(job), bells: rings.length });
    }
    this.#sayWaiting(job, nowMs);
    if (rings.length > 0 || changed) {
      record.lastRing = wakeUps.lastRing;
      this.#rows.saveRecord(record);
    }
    return rings;
  }

  #sayWaiting(job: LoadedJob, nowMs: number): void {
    const { reason } = job.record;
    const dueMs = waitingEventMs(job);
    if (dueMs === null) return;
    if (nowMs < dueMs) this.#ports.timer('waiting', dueMs);
    else if (reason !== this.#saidReason) {
      this.#saidReason = reason;
      this.#ports.event('waiting', { reason });
    }
  }

  #beginReduce(job: LoadedJob, nowMs: number): number[] {
    const { record, spec, plan } = job;
    const { partitions } = spec;
    const records = this.#reduce.records(partitions);
    const problem = reconcile(job, this.#rows.committedCount(), records);
    const waiting = problem === null ? this.#reduce.start(partitions, nowMs) : [];
    if (problem === null) record.reduced = partitions - waiting.length;
    const what = { splits: splitCount(plan), partitions, waiting: waiting.length, problem };
    this.#happen(job, { kind: 'mapped', ...what }, nowMs);
    return waiting;
  }
}
