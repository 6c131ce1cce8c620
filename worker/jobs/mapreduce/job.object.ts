// One job: the only arbiter of what is committed. A thin shell: map-stage.ts decides about attempts,
// edge-wake-ups.ts about the edge, reduce-stage.ts about partitions; this stores, calls and answers.
import { DurableObject } from 'cloudflare:workers';
import {
  ADAPTIVE_RECHECK_SHARE,
  EDGE_GRACE_MS,
  FAILED_KEEP_MS,
  IDEMPOTENCY_MS,
  LEASE_TOKEN_MS,
  SUMMARY_MS,
  TASKS_MAX,
} from '../../../shared/limits.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type {
  Job,
  JobEvent,
  JobState,
  JobSummary,
  MapReduceSpec,
  StreamRange,
  Task,
  TaskError,
} from '../../../shared/schemas/job.ts';
import { guardBindings } from '../../platform/bindings.ts';
import type { Env } from '../../platform/env.ts';
import { jobPrefix, mergesPrefix, partKey, programKey, spillPrefix } from '../../platform/keys.ts';
import { catalog } from '../../stubs.ts';
import { Timers } from '../../platform/timers.ts';
import { leaseSecret } from '../../catalog/lease-secret.edge.ts';
import { JobNotifier } from './job-notifier.edge.ts';
import { type AttemptRecord, EDGE } from './attempts.ts';
import { CreditBook } from './credits.ts';
import { EdgeWakeUps } from './edge-wake-ups.ts';
import { EventLog } from '../../platform/event-log.ts';
import { deletePrefix } from './garbage.edge.ts';
import {
  addInto,
  countPart,
  hasEnded,
  type JobRecord,
  jobView,
  type LoadedJob,
  mapPlanOf,
  newJobRecord,
  summaryView,
} from './job-record.ts';
import type {
  EdgeWork,
  Exchange,
  Exchanged,
  Granted,
  JobRpc,
  Part,
  PartCommit,
  ReduceSource,
  ReduceWork,
  Submission,
} from '../../contracts/job.rpc.ts';
import { JobStore, shownPart } from './job.store.ts';
import { openReceipt, signLease } from './lease.ts';
import { leaseMsOf, MapReports } from './map-reports.ts';
import { MapStage } from './map-stage.ts';
import { pieceOf, type SplitPlan, splitCount, splitOf } from './plan.ts';
import { ReduceStage } from './reduce-stage.ts';
import { unpinStream } from './stream-input.edge.ts';
import { listTasks } from './task-list.ts';

const TIMER_RETRY_MS = 10_000;
/** A wait that is over sooner is not worth an event. */
const WAITING_EVENT_MS = 500;

/** The object that a task's split lies in. */
function inputOf({ record, plan }: LoadedJob, task: number) {
  const { input, step } = record.submission;
  if (plan.kind !== 'pieces') return input && { ...input, exact: step !== undefined };
  const { key, end } = pieceOf(plan, task);
  return { key, bytes: end, exact: true };
}

export class JobObject extends DurableObject<Env> implements JobRpc {
  readonly #store: JobStore;
  readonly #timers: Timers;
  readonly #reduce: ReduceStage;
  readonly #events: EventLog;
  #job: LoadedJob | null = null;
  readonly #desk: MapReports;
  readonly #credits = new CreditBook();
  readonly #notifier: JobNotifier;
  #lastSummaryMs = 0;
  #saidReason = '';
  #deleted = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new JobStore(ctx.storage);
    this.#store.migrate();
    this.#timers = new Timers(ctx.storage);
    this.#reduce = new ReduceStage(this.#store);
    this.#events = new EventLog(this.#store);
    this.#desk = new MapReports(this.#store, this.#credits, this.#events.write);
    this.#notifier = new JobNotifier(this.env, (work) => ctx.waitUntil(work));
    const job = this.#load();
    if (job) this.#resume(job);
  }

  #load(): LoadedJob | null {
    const record = this.#store.loadRecord();
    const spec = this.#store.loadSpec();
    const plan = this.#store.loadPlan();
    return record && spec && plan ? this.#open(record, spec, plan) : null;
  }

  /** Wake-ups are remembered in memory only, and edge mappers may have died with it. One that lives may report. */
  #resume(job: LoadedJob): void {
    if (hasEnded(job.record.state)) return;
    this.#store.transaction(() => {
      const changes = job.map.edgeRestarted();
      this.#desk.enter(job, changes);
      if (changes.fatal) this.#end(job, 'failed', changes.fatal);
    });
    this.#timers.set('advance', Date.now());
  }

  /** Changes memory and storage together: when storage takes the change back, memory is read anew. */
  #change<Result>(work: () => Result): Result {
    try {
      return this.#store.transaction(work);
    } catch (error) {
      this.#job = null;
      this.#load();
      throw error;
    }
  }

  #open(record: JobRecord, spec: MapReduceSpec, plan: SplitPlan): LoadedJob {
    const map = new MapStage({
      tasks: splitCount(plan),
      verify: spec.verify,
      mappers: spec.mappers,
      recheckShare: ADAPTIVE_RECHECK_SHARE,
      random: Math.random,
    });
    map.restore(this.#store.committedTasks(), this.#store.openAttempts());
    this.#job = { record, spec, plan, map, wakeUps: new EdgeWakeUps(record.lastRing) };
    return this.#job;
  }

  // --- Submission and reading ----------------------------------------------------------------------

  async submit(submission: Submission): Promise<Job> {
    if (this.#job) return this.#view(this.#job);
    const nowMs = Date.now();
    const { spec, plan, ...kept } = submission;
    const record = newJobRecord(kept, nowMs);
    // A partition's end was asked for and its range pinned; later it is let go.
    addInto(record.operations, { durableObjectRequest: 3 * (kept.stream?.partitions.length ?? 0) });
    record.edgeFromMs = nowMs + (spec.mappers === 'edge' ? 0 : EDGE_GRACE_MS);
    const job = this.#change(() => {
      this.#timers.clear('unsubmitted');
      this.#store.saveSpec(spec);
      this.#store.savePlan(plan);
      this.#store.saveRecord(record);
      this.#events.write('submitted', { name: spec.name });
      if (plan.kind !== 'scan') this.#events.write('planned', { splits: plan.splits });
      return this.#open(record, spec, plan);
    });
    await this.#advance(job, true);
    this.#notifier.callLobbies(job, false);
    return this.#view(job);
  }

  async fixRanges(ranges: StreamRange[]): Promise<StreamRange[]> {
    const fixed = this.#store.fixRanges(ranges);
    // Whoever fixed them may never come back to submit.
    if (!this.#job) this.#timers.set('unsubmitted', Date.now() + IDEMPOTENCY_MS);
    return fixed;
  }

  async get(): Promise<Job | null> {
    return this.#job ? this.#view(this.#job) : null;
  }

  async tasks(cursor: string | undefined, limit: number): Promise<List<Task> | null> {
    if (!this.#job) return null;
    const { plan, spec } = this.#job;
    const sizes = { splits: splitCount(plan), partitions: spec.partitions };
    return listTasks(this.#store, sizes, cursor, limit);
  }

  async events(after: number, limit: number): Promise<JobEvent[] | null> {
    return this.#job ? this.#events.read(after, limit) : null;
  }

  async eventsAfter(after: number, limit: number, waitMs: number) {
    if (!this.#job) return null;
    let events = this.#events.read(after, limit);
    if (events.length === 0 && !hasEnded(this.#job.record.state)) {
      await this.#events.wait(waitMs);
      events = this.#events.read(after, limit);
    }
    const ended = events.length < limit && (!this.#job || hasEnded(this.#job.record.state));
    return { events, ended };
  }

  async parts(): Promise<{ state: Job['state']; parts: Part[] } | null> {
    if (!this.#job) return null;
    const { record } = this.#job;
    const parts = this.#store
      .partRows()
      .filter((row) => row.bytes > 0)
      .map((row) => shownPart(partKey(record.submission.job, row.partition), row));
    return { state: record.state, parts };
  }

  // --- Mapping -------------------------------------------------------------------------------------

  async exchange(exchange: Exchange): Promise<Exchanged> {
    const secret = await leaseSecret(this.env);
    const receipts = await Promise.all(
      exchange.reports.map(({ outcome }) =>
        outcome.kind === 'done' ? openReceipt(secret, outcome.receipt) : null,
      ),
    );
    const nothing = { plan: null, grants: [], credits: [] };
    const job = this.#job;
    if (!job) return { ...nothing, reason: 'the job is gone' };
    const { record, spec, map } = job;
    if (record.state !== 'queued' && record.state !== 'mapping') {
      return { ...nothing, reason: `the job is ${record.state}` };
    }
    const nowMs = Date.now();
    const granted = this.#change(() => this.#takeAndGrant(job, exchange, receipts, nowMs));
    const grants = await Promise.all(granted.map((attempt) => this.#grantOf(job, attempt, secret)));
    const { lobby, wants } = exchange;
    if (lobby !== EDGE && wants.some((want) => map.activeOf(want.by) < want.outstanding)) {
      this.#notifier.wantsWork(lobby);
    }
    const credits = this.#notifier.sendCredits(this.#credits.take(), lobby);
    await this.#advance(job, false);
    const stateNow = job.record.state as JobState;
    if (hasEnded(stateNow) || stateNow === 'reducing') {
      return { ...nothing, credits, reason: `the job is ${stateNow}` };
    }
    const nothingLeft = map.unleased === 0 && grants.length === 0;
    const reason = nothingLeft ? 'every task is taken' : record.reason;
    return { plan: mapPlanOf(record, spec), grants, credits, reason };
  }

  #takeAndGrant(
    job: LoadedJob,
    exchange: Exchange,
    receipts: Awaited<ReturnType<typeof openReceipt>>[],
    nowMs: number,
  ): AttemptRecord[] {
    const { record, map, plan, wakeUps } = job;
    const { ring, wants } = exchange;
    const enoughMappers = ring !== undefined && !wakeUps.seen(ring.ring, nowMs);
    if (ring?.leaving) wakeUps.left(ring.ring);
    const { fatal, freed } = this.#desk.apply(job, exchange, receipts, nowMs);
    if (fatal) {
      this.#end(job, 'failed', fatal);
      return [];
    }
    const granted =
      enoughMappers || map.complete || plan.kind === 'scan'
        ? []
        : wants.flatMap((want) => this.#desk.grant(job, want, nowMs));
    addInto(record.operations, { durableObjectRequest: 1, rowWritten: 1 + granted.length });
    this.#store.saveRecord(record);
    if (freed > 0) this.#notifier.callLobbies(job, true);
    return granted;
  }

  async #grantOf(job: LoadedJob, attempt: AttemptRecord, secret: string): Promise<Granted> {
    const { record, spec, plan } = job;
    const task = { task: attempt.task, split: splitOf(plan, attempt.task) };
    const lease = await signLease(secret, {
      plan: mapPlanOf(record, spec),
      task,
      attempt: attempt.attempt,
      by: attempt.by,
      expiresAtMs: attempt.grantedAtMs + LEASE_TOKEN_MS,
      input: inputOf(job, attempt.task),
    });
    return { by: attempt.by, lease, attempt: attempt.attempt, task, leaseMs: leaseMsOf(record) };
  }

  // --- The edge: mappers and scans -------------------------------------------------------------------

  async edgeBegin(ring: number): Promise<EdgeWork | null> {
    const job = this.#job;
    if (!job || (job.record.state !== 'queued' && job.record.state !== 'mapping')) return null;
    if (!job.wakeUps.seen(ring, Date.now())) return null;
    const { submission } = job.record;
    if (job.plan.kind === 'scan') {
      if (!submission.input) throw new Error('a scan without an input');
      const { splitBytes, bytes } = job.plan;
      return {
        kind: 'scan',
        key: submission.input.key,
        splitBytes,
        bytes,
        state: this.#store.loadScan(),
      };
    }
    return {
      kind: 'map',
      programKey: programKey(submission.job),
      programHash: submission.programHash,
      guard: submission.guard,
    };
  }

  async scanned(ring: number, state: string): Promise<void> {
    const job = this.#job;
    if (!job || job.plan.kind !== 'scan' || hasEnded(job.record.state)) return;
    this.#store.saveScan(state);
    job.wakeUps.left(ring);
    await this.#advance(job, false);
  }

  async planned(boundaries: number[], csvHeader: string[]): Promise<void> {
    const job = this.#job;
    if (!job || job.plan.kind !== 'scan' || hasEnded(job.record.state)) return;
    const splits = boundaries.length - 1;
    if (splits > TASKS_MAX) {
      const message = `the input has ${splits} splits, the most is ${TASKS_MAX}; use a larger splitBytes`;
      return this.planFailed({ code: 'memory', message });
    }
    const plan: SplitPlan = { kind: 'boundaries', boundaries, splits };
    const { record, spec } = job;
    const opened = this.#change(() => {
      record.csvHeader = csvHeader;
      record.edgeFromMs = Date.now() + (spec.mappers === 'edge' ? 0 : EDGE_GRACE_MS);
      this.#store.savePlan(plan);
      this.#store.saveScan('');
      this.#events.write('planned', { splits });
      this.#store.saveRecord(record);
      return this.#open(record, spec, plan);
    });
    await this.#advance(opened, true);
    this.#notifier.callLobbies(opened, false);
  }

  async planFailed(error: TaskError): Promise<void> {
    const job = this.#job;
    if (!job || hasEnded(job.record.state)) return;
    this.#change(() => this.#end(job, 'failed', error));
    await this.#advance(job, true);
  }

  // --- Reducing ------------------------------------------------------------------------------------

  async beginReduce(partition: number): Promise<ReduceWork | null> {
    const job = this.#job;
    if (job?.record.state !== 'reducing') return null;
    return this.#reduce.begin(job.record, job.spec, partition, Date.now());
  }

  async reduceAlive(partition: number): Promise<boolean> {
    if (this.#job?.record.state !== 'reducing') return false;
    this.#reduce.alive(partition, Date.now());
    return true;
  }

  async reduceSources(partition: number, fromTask: number, limit: number): Promise<ReduceSource[]> {
    const job = this.#job;
    if (!job) return [];
    return this.#store.sources(job.record.submission.job, partition, fromTask, limit);
  }

  async commitPart(commit: PartCommit): Promise<boolean> {
    const job = this.#job;
    if (job?.record.state !== 'reducing') return false;
    const { record, spec } = job;
    const committed = this.#change(() => {
      if (!this.#reduce.commit(commit)) return false;
      countPart(record, commit);
      addInto(record.operations, {
        durableObjectRequest: 3,
        rowWritten: 3,
        workerRequest: 1,
        queueOperation: 3,
      });
      const { partition, keys, bytes, ms } = commit;
      this.#events.write('partReduced', { partition, keys, bytes, ms });
      if (record.reduced === spec.partitions) this.#end(job, 'done', null);
      this.#store.saveRecord(record);
      return true;
    });
    await this.#advance(job, false);
    return committed;
  }

  async failPart(partition: number, attempt: number, error: TaskError): Promise<boolean> {
    const job = this.#job;
    if (job?.record.state !== 'reducing') return false;
    const again = this.#change(() => {
      const ringAgain = this.#reduce.fail(partition, attempt, error, Date.now());
      if (ringAgain === null) return false; // An older attempt, or it is committed: nothing to do.
      this.#events.write('reduceFailed', { partition, attempt, error });
      if (!ringAgain) this.#end(job, 'failed', { ...error, partition });
      return ringAgain;
    });
    await this.#advance(job, false);
    return again;
  }

  #startReduce(job: LoadedJob, nowMs: number): number[] {
    const { record, spec, plan } = job;
    const problem = this.#reduce.reconcile(record, spec, plan);
    if (problem) {
      this.#end(job, 'failed', { code: 'counters', message: problem });
      return [];
    }
    record.state = 'reducing';
    record.startedAtMs ??= nowMs;
    record.reason = '';
    this.#events.write('reducing', { partitions: spec.partitions });
    const waiting = this.#reduce.start(spec.partitions, nowMs);
    record.reduced = spec.partitions - waiting.length;
    if (waiting.length === 0) {
      this.#end(job, 'done', null);
      if (splitCount(plan) === 0) record.reason = 'the input is empty: no records';
    }
    this.#store.saveRecord(record);
    return waiting;
  }

  // --- Cancel, retry, forget -----------------------------------------------------------------------

  async cancel(): Promise<Job | 'conflict' | null> {
    const job = this.#job;
    if (!job) return null;
    if (hasEnded(job.record.state)) return 'conflict';
    this.#change(() => this.#end(job, 'cancelled', null));
    await this.#advance(job, true);
    return this.#view(job);
  }

  async retry(): Promise<Job | 'conflict' | null> {
    const job = this.#job;
    if (!job) return null;
    const { record, spec, map } = job;
    if (record.state !== 'failed') return 'conflict';
    const nowMs = Date.now();
    this.#change(() => {
      this.#timers.clear('garbage');
      for (const attempt of map.forgive().changed) this.#store.saveAttempt(attempt);
      this.#store.clearParts();
      record.error = null;
      record.finishedAtMs = null;
      record.reason = '';
      record.state = record.mapped > 0 ? 'mapping' : 'queued';
      record.edgeFromMs = nowMs + (spec.mappers === 'edge' ? 0 : EDGE_GRACE_MS);
      this.#events.write('retried', {});
      this.#store.saveRecord(record);
    });
    job.wakeUps = new EdgeWakeUps(record.lastRing);
    await this.#advance(job, true);
    this.#notifier.callLobbies(job, false);
    return this.#view(job);
  }

  async forget(): Promise<boolean> {
    const job = this.#job;
    if (!job) return false;
    if (!hasEnded(job.record.state)) await this.cancel();
    const id = job.record.submission.job;
    await catalog(this.env).deleteJob(id);
    await unpinStream(this.env, id, job.record.submission.stream);
    this.#job = null;
    this.#change(() => {
      this.#store.wipe(id);
      this.#timers.clear('garbage');
      this.#timers.clear('summary');
      this.#timers.set('sweep', Date.now() + LEASE_TOKEN_MS);
    });
    await deletePrefix(this.env.BUCKET, jobPrefix(id));
    return true;
  }

  /** Ends the job. Inside a transaction; `advance` tells the others. */
  #end(job: LoadedJob, state: 'done' | 'failed' | 'cancelled', error: TaskError | null): void {
    const { record, map } = job;
    const nowMs = Date.now();
    const why = state === 'done' ? 'the job is done' : `the job was ${state}`;
    for (const attempt of map.revokeAll(why).changed) this.#store.saveAttempt(attempt);
    record.state = state;
    record.error = error;
    record.reason = error ? error.message : '';
    record.finishedAtMs = nowMs;
    this.#events.write(state, error ? { error } : {});
    this.#store.saveRecord(record);
    this.#timers.set('garbage', state === 'failed' ? nowMs + FAILED_KEEP_MS : nowMs);
  }

  // --- Going on ------------------------------------------------------------------------------------

  /** After every change: the next stage, wake-ups for the edge, timers, and who has to be told. */
  async #advance(job: LoadedJob, tellNow: boolean): Promise<void> {
    const nowMs = Date.now();
    const { record, map, plan } = job;
    const before = record.state;
    let partitions: number[] = [];
    let rings: number[] = [];
    if (record.state === 'queued' || record.state === 'mapping') {
      if (plan.kind !== 'scan' && map.complete) {
        partitions = this.#change(() => this.#startReduce(job, nowMs));
      } else {
        rings = this.#wakeEdge(job, nowMs);
      }
    } else if (record.state === 'reducing') {
      partitions = this.#reduce.ringAgain(nowMs);
    }
    this.#setTimers(job, nowMs);
    // A wake-up that does not go out is rung again by the alarm: what was decided stands in any case.
    await Promise.allSettled([
      this.#notifier.ringMap(job, rings),
      this.#notifier.ringReduce(job, partitions),
    ]);
    const ended = hasEnded(record.state);
    if (tellNow || ended || before !== record.state) await this.#tellCatalog(job, nowMs);
    else if (nowMs - this.#lastSummaryMs >= SUMMARY_MS)
      this.ctx.waitUntil(this.#tellCatalog(job, nowMs));
    else this.#timers.set('summary', this.#lastSummaryMs + SUMMARY_MS);
    if (ended || before !== record.state) this.#notifier.endLobbies(job);
    if (ended) this.#notifier.tellRun(job);
    this.#events.wake();
  }

  /** Which edge mappers to wake; sets the reason that is shown. */
  #wakeEdge(job: LoadedJob, nowMs: number): number[] {
    const { record, spec, map, plan, wakeUps } = job;
    const before = record.reason;
    const scanning = plan.kind === 'scan';
    const work = scanning ? 1 : map.edgeWork(this.#desk.edgeMayBegin(job, nowMs));
    record.reason = scanning
      ? 'finding the records of the CSV input'
      : this.#desk.waitingReason(job, work, nowMs);
    const rings = wakeUps.ring(work, nowMs);
    if (rings.length > 0 && !scanning) {
      const asked = spec.mappers === 'edge';
      const reason = asked ? 'the job asks for the edge' : 'no volunteer at work, or one stalled';
      this.#events.write('edge', { reason, bells: rings.length });
    }
    this.#sayWaiting(job, nowMs);
    if (rings.length > 0 || record.reason !== before) {
      record.lastRing = wakeUps.lastRing;
      this.#store.saveRecord(record);
    }
    return rings;
  }

  /** Waiting that is over in a moment is shown, but no event. */
  #sayWaiting({ record, map }: LoadedJob, nowMs: number): void {
    if (record.reason === '' || map.unleased === 0) return;
    const sinceMs = nowMs - record.createdAtMs;
    if (sinceMs < WAITING_EVENT_MS) {
      this.#timers.set('waiting', record.createdAtMs + WAITING_EVENT_MS);
    } else if (record.reason !== this.#saidReason) {
      this.#saidReason = record.reason;
      this.#events.write('waiting', { reason: record.reason });
    }
  }

  #setTimers(job: LoadedJob, nowMs: number): void {
    const { record, spec, map, wakeUps } = job;
    let nextMs: number | null = null;
    const at = (ms: number | null) => {
      if (ms !== null) nextMs = Math.min(nextMs ?? ms, ms);
    };
    if (record.state === 'queued' || record.state === 'mapping') {
      at(map.nextDeadlineMs());
      at(wakeUps.nextCheckMs());
      if (spec.mappers === 'any' && !map.volunteersActive && !this.#desk.edgeMayBegin(job, nowMs)) {
        at(this.#desk.edgeBeginsMs(job));
      }
    } else if (record.state === 'reducing') {
      at(this.#reduce.nextRingMs());
    }
    if (nextMs === null) this.#timers.clear('advance');
    else this.#timers.set('advance', nextMs);
  }

  override async alarm(): Promise<void> {
    const nowMs = Date.now();
    for (const name of this.#timers.due(nowMs)) {
      try {
        await this.#timer(name, nowMs);
      } catch (error) {
        console.error(`timer ${name} of a job failed; again later`, error);
        this.#timers.set(name, Date.now() + TIMER_RETRY_MS);
      }
    }
    if (!this.#deleted) this.#timers.rearm();
  }

  async #timer(name: string, nowMs: number): Promise<void> {
    const job = this.#job;
    if (name === 'sweep') return this.#sweep();
    if (name === 'unsubmitted' && !job) return this.#deleteAll();
    if (!job) return;
    if (name === 'garbage') return this.#collectGarbage(job);
    if (name === 'summary') return this.#tellCatalog(job, nowMs);
    if (name === 'unsubmitted') return;
    return this.#passTime(job, nowMs); // 'advance', 'waiting'
  }

  async #passTime(job: LoadedJob, nowMs: number): Promise<void> {
    if (job.record.state === 'queued' || job.record.state === 'mapping') {
      this.#change(() => {
        const changes = job.map.expire(nowMs);
        this.#desk.enter(job, changes);
        if (changes.freed > 0) this.#notifier.callLobbies(job, true);
        if (changes.fatal) this.#end(job, 'failed', changes.fatal);
        else if (changes.changed.length > 0) this.#store.saveRecord(job.record);
      });
    }
    await this.#advance(job, false);
  }

  /** Spills and merge runs of an ended job; a failed one starts over afterwards. */
  async #collectGarbage(job: LoadedJob): Promise<void> {
    const { record } = job;
    if (!hasEnded(record.state)) return;
    const id = record.submission.job;
    await catalog(this.env).unpin(id);
    await unpinStream(this.env, id, record.submission.stream);
    await deletePrefix(this.env.BUCKET, spillPrefix(id));
    await deletePrefix(this.env.BUCKET, mergesPrefix(id));
    if (record.state === 'failed') this.#change(() => this.#startOver(job));
    this.#timers.set('sweep', Date.now() + LEASE_TOKEN_MS);
  }

  #startOver(job: LoadedJob): void {
    this.#store.clearMap();
    this.#store.clearAllParts();
    const fresh = newJobRecord(job.record.submission, job.record.createdAtMs);
    const { state, reason, error, finishedAtMs, startedAtMs, csvHeader, lastRing } = job.record;
    const kept = { state, reason, error, finishedAtMs, startedAtMs, csvHeader, lastRing };
    const record = Object.assign(fresh, kept);
    this.#store.saveRecord(record);
    this.#open(record, job.spec, job.plan);
  }

  /** The tables too: this instance has nothing to arm any more. */
  async #deleteAll(): Promise<void> {
    this.#deleted = true;
    await this.ctx.storage.deleteAll();
  }

  /** What late uploads left behind, once no lease's signature is honoured any more. */
  async #sweep(): Promise<void> {
    const id = this.#job?.record.submission.job ?? this.#store.forgottenJob();
    if (id) await deletePrefix(this.env.BUCKET, this.#job ? spillPrefix(id) : jobPrefix(id));
    if (!this.#job) await this.#deleteAll();
  }

  // --- Telling others ------------------------------------------------------------------------------

  async #tellCatalog(job: LoadedJob, nowMs: number): Promise<void> {
    if (!this.#job) return; // Forgotten meanwhile.
    this.#lastSummaryMs = nowMs;
    this.#timers.clear('summary');
    try {
      await this.#notifier.tellCatalog(this.#summary(job));
    } catch {
      this.#timers.set('summary', Date.now() + TIMER_RETRY_MS);
    }
  }

  #view({ record, spec, plan }: LoadedJob): Job {
    return jobView(record, spec, plan);
  }
  #summary({ record, spec, plan }: LoadedJob): JobSummary {
    return summaryView(record, spec, plan);
  }
}
