// One job: the only arbiter of what is committed. A thin shell: map-stage.ts decides about attempts,
// edge-bells.ts about the edge, reduce-stage.ts about partitions; this stores, calls and answers.
import { DurableObject } from 'cloudflare:workers';
import {
  ADAPTIVE_RECHECK_SHARE,
  EDGE_GRACE_MS,
  EDGE_LEASE_MS,
  FAILED_KEEP_MS,
  LEASE_FACTOR,
  LEASE_MAX_MS,
  LEASE_MIN_MS,
  LEASE_MS,
  LEASE_TOKEN_MS,
  SUMMARY_MS,
  TASKS_MAX,
} from '../../shared/limits.ts';
import { SECTION_PACKED_BYTES } from '../../shared/mapreduce/spill.ts';
import type { List } from '../../shared/schemas/common.ts';
import type {
  Job,
  JobEvent,
  JobState,
  JobSummary,
  MapReduceSpec,
  Task,
  TaskError,
} from '../../shared/schemas/job.ts';
import type { Env } from '../platform/env.ts';
import { jobPrefix, mergesPrefix, partKey, programKey, spillPrefix } from '../platform/keys.ts';
import { catalog, lobbies, lobbyByName } from '../platform/objects.ts';
import { Timers } from '../platform/timers.ts';
import { leaseSecret } from '../platform/token.ts';
import { type AttemptRecord, EDGE, leaseLengthMs } from './attempts.ts';
import { EdgeBells } from './edge-bells.ts';
import { deletePrefix } from './garbage.ts';
import {
  addInto,
  countCommitted,
  countPart,
  hasEnded,
  type JobRecord,
  jobView,
  mapPlanOf,
  newJobRecord,
  summaryView,
} from './job-record.ts';
import type {
  Credit,
  EdgeWork,
  Exchange,
  Exchanged,
  JobRpc,
  Part,
  PartCommit,
  ReduceSource,
  ReduceWork,
  Submission,
} from './job.rpc.ts';
import { JobStore, reduceTask, shownPart } from './job-store.ts';
import { openReceipt, signLease, unpackReceiptSections } from './lease.ts';
import { type Changes, MapStage } from './map-stage.ts';
import { planSplits, type SplitPlan, splitCount, splitOf } from './plan.ts';
import { ReduceStage } from './reduce-stage.ts';

interface Loaded {
  record: JobRecord;
  spec: MapReduceSpec;
  plan: SplitPlan;
  map: MapStage;
  bells: EdgeBells;
}

export class JobObject extends DurableObject<Env> implements JobRpc {
  readonly #store: JobStore;
  readonly #timers: Timers;
  readonly #reduce: ReduceStage;
  #job: Loaded | null = null;
  /** Lobbies that were told "nothing now" and want to know when there is. */
  readonly #hungry = new Set<string>();
  readonly #waiters = new Set<() => void>();
  #lastVolunteerMs = 0;
  #lastSummaryMs = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new JobStore(ctx.storage);
    this.#store.migrate();
    this.#timers = new Timers(ctx.storage);
    this.#reduce = new ReduceStage(this.#store);
    this.#load();
  }

  #load(): void {
    const record = this.#store.loadRecord();
    const spec = this.#store.loadSpec();
    const plan = this.#store.loadPlan();
    if (record && spec && plan) this.#open(record, spec, plan);
  }

  #open(record: JobRecord, spec: MapReduceSpec, plan: SplitPlan): Loaded {
    const map = new MapStage({
      tasks: splitCount(plan),
      verify: spec.verify,
      mappers: spec.mappers,
      recheckShare: ADAPTIVE_RECHECK_SHARE,
      random: Math.random,
    });
    map.restore(this.#store.committedTasks(), this.#store.openAttempts());
    this.#job = { record, spec, plan, map, bells: new EdgeBells(record.lastRing) };
    return this.#job;
  }

  // --- Submission and reading ----------------------------------------------------------------------

  async submit(submission: Submission): Promise<Job> {
    if (this.#job) return this.#view(this.#job);
    const nowMs = Date.now();
    const { spec, input } = submission;
    const planned = planSplits(
      spec.input,
      { bytes: input?.bytes ?? 0, gzip: input?.gzip ?? false },
      spec.splitBytes,
    );
    if (!planned.ok) throw new Error(`submit: ${planned.reason}`); // The route has checked it already.
    const record = newJobRecord(submission, nowMs);
    record.edgeFromMs = nowMs + (spec.mappers === 'edge' ? 0 : EDGE_GRACE_MS);
    const job = this.#store.transaction(() => {
      this.#store.saveSpec(spec);
      this.#store.savePlan(planned.plan);
      this.#store.saveRecord(record);
      this.#event('submitted', { name: spec.name });
      if (planned.plan.kind !== 'scan') this.#event('planned', { splits: planned.plan.splits });
      return this.#open(record, spec, planned.plan);
    });
    await this.#advance(job, true);
    this.ctx.waitUntil(this.#callLobbies());
    return this.#view(job);
  }

  async get(): Promise<Job | null> {
    return this.#job ? this.#view(this.#job) : null;
  }

  async summary(): Promise<JobSummary | null> {
    return this.#job ? this.#summary(this.#job) : null;
  }

  async tasks(cursor: string | undefined, limit: number): Promise<List<Task> | null> {
    if (!this.#job) return null;
    const { plan, spec } = this.#job;
    const splits = splitCount(plan);
    const from = Math.max(0, Number.parseInt(cursor ?? '0', 10) || 0);
    const mapTasks = Math.max(0, Math.min(limit, splits - from));
    const items = mapTasks > 0 ? this.#store.tasksFrom(from, mapTasks) : [];
    const rows = new Map(this.#store.partRows().map((row) => [row.partition, row]));
    let next = from + mapTasks;
    while (items.length < limit && next >= splits && next < splits + spec.partitions) {
      items.push(reduceTask(next - splits, rows.get(next - splits) ?? null));
      next++;
    }
    return { items, next: next < splits + spec.partitions ? String(next) : null };
  }

  async events(after: number, limit: number): Promise<JobEvent[] | null> {
    return this.#job ? this.#store.eventsAfter(after, limit) : null;
  }

  async eventsAfter(after: number, limit: number, waitMs: number) {
    if (!this.#job) return null;
    let events = this.#store.eventsAfter(after, limit);
    if (events.length === 0 && !hasEnded(this.#job.record.state)) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, waitMs);
        this.#waiters.add(wake);
      });
      events = this.#store.eventsAfter(after, limit);
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
    const nothing = { plan: null, grants: [], holding: {}, credits: [] };
    const job = this.#job;
    if (!job) return { ...nothing, reason: 'the job is gone' };
    const { record, spec, plan, map } = job;
    if (record.state !== 'queued' && record.state !== 'mapping') {
      return { ...nothing, reason: `the job is ${record.state}` };
    }
    const nowMs = Date.now();
    const { ring } = exchange;
    const enoughMappers = ring !== undefined && !job.bells.seen(ring.ring, nowMs);
    if (ring?.leaving) job.bells.left(ring.ring);

    const credits = new Map<string, Credit>();
    const granted = this.#store.transaction(() => {
      const fatal = this.#applyReports(job, exchange, receipts, credits, nowMs);
      if (fatal) {
        this.#end(job, 'failed', fatal);
        return [];
      }
      const leases: AttemptRecord[] = [];
      if (!enoughMappers && !map.complete && plan.kind !== 'scan') {
        for (const want of exchange.wants) leases.push(...this.#grantTo(job, want, nowMs));
      }
      addInto(record.operations, { durableObjectRequest: 1, rowWritten: 1 + leases.length });
      this.#store.saveRecord(record);
      return leases;
    });

    const leaseMs = this.#leaseMs(record);
    const mapPlan = mapPlanOf(record, spec);
    const grants = await Promise.all(
      granted.map(async (attempt) => {
        const task = { task: attempt.task, split: splitOf(plan, attempt.task) };
        const lease = await signLease(secret, {
          plan: mapPlan,
          task,
          attempt: attempt.attempt,
          by: attempt.by,
          expiresAtMs: nowMs + LEASE_TOKEN_MS,
          input: record.submission.input,
        });
        return { by: attempt.by, lease, attempt: attempt.attempt, task, leaseMs };
      }),
    );
    const holding = Object.fromEntries(exchange.wants.map(({ by }) => [by, map.activeOf(by)]));
    if (
      exchange.lobby !== EDGE &&
      exchange.wants.some((want) => map.activeOf(want.by) < want.outstanding)
    ) {
      this.#hungry.add(exchange.lobby);
    }
    await this.#advance(job, false);
    const stateNow = job.record.state as JobState;
    if (hasEnded(stateNow) || stateNow === 'reducing') {
      return { ...nothing, credits: [...credits.values()], reason: `the job is ${record.state}` };
    }
    return {
      plan: mapPlan,
      grants,
      holding,
      credits: [...credits.values()],
      reason: record.reason,
    };
  }

  /** Applies what mappers say, and what time says about silent ones. Returns what ends the job, if anything. */
  #applyReports(
    job: Loaded,
    { reports, gone }: Exchange,
    receipts: Awaited<ReturnType<typeof openReceipt>>[],
    credits: Map<string, Credit>,
    nowMs: number,
  ): TaskError | null {
    const { map, record } = job;
    let fatal: TaskError | null = null;
    const apply = (changes: Changes) => {
      this.#store_(job, changes, credits);
      fatal ??= changes.fatal;
    };
    reports.forEach((report, i) => {
      const { task, attempt, by, outcome, ms } = report;
      if (by !== EDGE) this.#lastVolunteerMs = nowMs;
      switch (outcome.kind) {
        case 'alive':
          return map.alive(task, attempt, nowMs + this.#leaseMs(record));
        case 'returned':
          this.#event('returned', { by, tasks: [[task, attempt]], reason: outcome.reason });
          return apply(map.returned(task, attempt, outcome.reason));
        case 'failed':
          return apply(map.failed(task, attempt, outcome.error, ms));
        case 'done': {
          const receipt = receipts[i];
          const { submission } = record;
          const fits =
            receipt?.job === submission.job && receipt.task === task && receipt.attempt === attempt;
          if (fits) return apply(map.done(task, attempt, receipt, ms));
          const message = 'the receipt is not one that the edge signed for this attempt';
          return apply(map.failed(task, attempt, { code: 'bad_spill', message }, ms));
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
    return fatal ?? this.#tooManyBadRecords(job);
  }

  #tooManyBadRecords({ record, spec }: Loaded): TaskError | null {
    const { badRecords } = record.counters;
    if (badRecords <= spec.skipBadRecords) return null;
    const first = record.badRecords[0];
    const message = `${badRecords} bad records, ${spec.skipBadRecords} may be skipped; the first: ${first?.error ?? 'not listed'}`;
    return {
      code: 'too_many_bad_records',
      message,
      ...(first && { record: first.offset, task: first.task }),
    };
  }

  /** Stores changes, counts commits, writes events, credits mappers. */
  #store_(job: Loaded, changes: Changes, credits: Map<string, Credit>): void {
    const { record, spec } = job;
    const credit = (by: string): Credit => {
      const known = credits.get(by) ?? { by, tasks: 0, bytes: 0, verified: 0, rejected: 0 };
      credits.set(by, known);
      return known;
    };
    for (const attempt of changes.changed) {
      this.#store.saveAttempt(attempt);
      if (attempt.state !== 'failed' || !attempt.error) continue;
      const { task, by, name, error } = attempt;
      this.#event('attemptFailed', { task, attempt: attempt.attempt, by, name, error });
      if (error.code === 'disagreement') record.counters.disagreements++;
      if (by !== EDGE && (error.code === 'disagreement' || error.code === 'bad_spill')) {
        credit(by).rejected++;
      }
    }
    for (const disagreement of changes.disagreements) this.#event('disagreement', disagreement);
    const committedBy = new Map<string, AttemptRecord[]>();
    for (const attempt of changes.committed) {
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
      addInto(record.operations, mapOperations(receipt.storedBytes, attempt));
      if (attempt.by !== EDGE) {
        const known = credit(attempt.by);
        known.tasks++;
        known.bytes += receipt.trailer.bytesIn;
        known.verified++;
      }
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
    if (changes.freed > 0) this.ctx.waitUntil(this.#callLobbies(true));
  }

  #grantTo(job: Loaded, want: Exchange['wants'][number], nowMs: number): AttemptRecord[] {
    const { map, record } = job;
    // Several edge mappers share one name: each asks for new leases only.
    const count = want.outstanding - (want.by === EDGE ? 0 : map.activeOf(want.by));
    if (count <= 0) return [];
    const timing = {
      nowMs,
      leaseMs: want.by === EDGE ? EDGE_LEASE_MS : this.#leaseMs(record),
      freshForEdge: this.#edgeMayBegin(job, nowMs),
    };
    const granted = map.grant(want, count, timing);
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
    return granted;
  }

  #leaseMs(record: JobRecord): number {
    const bounds = {
      initial: LEASE_MS,
      min: LEASE_MIN_MS,
      max: LEASE_MAX_MS,
      factor: LEASE_FACTOR,
    };
    return leaseLengthMs(record.medianMs, bounds);
  }

  /** Whether the edge may take tasks that nobody has tried yet. */
  #edgeMayBegin({ spec, record, map }: Loaded, nowMs: number): boolean {
    if (spec.mappers === 'edge') return true;
    if (spec.mappers === 'volunteers' || map.volunteersActive) return false;
    return nowMs >= Math.max(record.edgeFromMs, this.#lastVolunteerMs + EDGE_GRACE_MS);
  }

  // --- The edge: mappers and scans -------------------------------------------------------------------

  async edgeBegin(ring: number): Promise<EdgeWork | null> {
    const job = this.#job;
    if (!job || (job.record.state !== 'queued' && job.record.state !== 'mapping')) return null;
    if (!job.bells.seen(ring, Date.now())) return null;
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
    job.bells.left(ring);
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
    const opened = this.#store.transaction(() => {
      record.csvHeader = csvHeader;
      record.edgeFromMs = Date.now() + (spec.mappers === 'edge' ? 0 : EDGE_GRACE_MS);
      this.#store.savePlan(plan);
      this.#store.saveScan('');
      this.#event('planned', { splits });
      this.#store.saveRecord(record);
      return this.#open(record, spec, plan);
    });
    await this.#advance(opened, true);
    this.ctx.waitUntil(this.#callLobbies());
  }

  async planFailed(error: TaskError): Promise<void> {
    const job = this.#job;
    if (!job || hasEnded(job.record.state)) return;
    this.#store.transaction(() => this.#end(job, 'failed', error));
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
    const committed = this.#store.transaction(() => {
      if (!this.#reduce.commit(commit)) return false;
      countPart(record, commit);
      addInto(record.operations, {
        durableObjectRequest: 3,
        rowWritten: 3,
        workerRequest: 1,
        queueOperation: 3,
      });
      const { partition, keys, bytes, ms } = commit;
      this.#event('partReduced', { partition, keys, bytes, ms });
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
    const again = this.#store.transaction(() => {
      const ringAgain = this.#reduce.fail(partition, attempt, error, Date.now());
      if (ringAgain === null) return false; // An older attempt, or it is committed: nothing to do.
      this.#event('reduceFailed', { partition, attempt, error });
      if (!ringAgain) this.#end(job, 'failed', { ...error, partition });
      return ringAgain;
    });
    await this.#advance(job, false);
    return again;
  }

  #startReduce(job: Loaded, nowMs: number): number[] {
    const { record, spec, plan } = job;
    const problem = this.#reduce.reconcile(record, spec, plan);
    if (problem) {
      this.#end(job, 'failed', { code: 'counters', message: problem });
      return [];
    }
    record.state = 'reducing';
    record.startedAtMs ??= nowMs;
    record.reason = '';
    this.#event('reducing', { partitions: spec.partitions });
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
    this.#store.transaction(() => this.#end(job, 'cancelled', null));
    await this.#advance(job, true);
    return this.#view(job);
  }

  async retry(): Promise<Job | 'conflict' | null> {
    const job = this.#job;
    if (!job) return null;
    const { record, spec, map } = job;
    if (record.state !== 'failed') return 'conflict';
    const nowMs = Date.now();
    this.#store.transaction(() => {
      this.#timers.clear('garbage');
      map.forgive();
      this.#store.clearParts();
      record.error = null;
      record.finishedAtMs = null;
      record.reason = '';
      record.state = record.mapped > 0 ? 'mapping' : 'queued';
      record.edgeFromMs = nowMs + (spec.mappers === 'edge' ? 0 : EDGE_GRACE_MS);
      this.#event('retried', {});
      this.#store.saveRecord(record);
    });
    job.bells = new EdgeBells(record.lastRing);
    await this.#advance(job, true);
    this.ctx.waitUntil(this.#callLobbies());
    return this.#view(job);
  }

  async forget(): Promise<boolean> {
    const job = this.#job;
    if (!job) return false;
    if (!hasEnded(job.record.state)) await this.cancel();
    const id = job.record.submission.job;
    await catalog(this.env).deleteJob(id);
    this.#job = null;
    this.#store.transaction(() => {
      this.#store.wipe(id);
      this.#timers.clear('garbage');
      this.#timers.clear('summary');
      this.#timers.set('sweep', Date.now() + LEASE_TOKEN_MS);
    });
    await deletePrefix(this.env.BUCKET, jobPrefix(id));
    return true;
  }

  /** Ends the job. Inside a transaction; `advance` tells the others. */
  #end(job: Loaded, state: 'done' | 'failed' | 'cancelled', error: TaskError | null): void {
    const { record, map } = job;
    const nowMs = Date.now();
    const why = state === 'done' ? 'the job is done' : `the job was ${state}`;
    for (const attempt of map.revokeAll(why).changed) this.#store.saveAttempt(attempt);
    record.state = state;
    record.error = error;
    record.reason = error ? error.message : '';
    record.finishedAtMs = nowMs;
    this.#event(state, error ? { error } : {});
    this.#store.saveRecord(record);
    this.#timers.set('garbage', state === 'failed' ? nowMs + FAILED_KEEP_MS : nowMs);
  }

  // --- Going on ------------------------------------------------------------------------------------

  /** After every change: the next stage, bells for the edge, timers, and who has to be told. */
  async #advance(job: Loaded, tellNow: boolean): Promise<void> {
    const nowMs = Date.now();
    const { record, map, plan } = job;
    const before = record.state;
    let partitions: number[] = [];
    let rings: number[] = [];
    if (record.state === 'queued' || record.state === 'mapping') {
      if (plan.kind !== 'scan' && map.complete) {
        partitions = this.#store.transaction(() => this.#startReduce(job, nowMs));
      } else {
        rings = this.#wakeEdge(job, nowMs);
      }
    } else if (record.state === 'reducing') {
      partitions = this.#reduce.ringAgain(nowMs);
    }
    this.#setTimers(job, nowMs);
    await Promise.all([this.#ringMap(job, rings), this.#ringReduce(job, partitions)]);
    const ended = hasEnded(record.state);
    if (tellNow || ended || before !== record.state) await this.#tellCatalog(job, nowMs);
    else if (nowMs - this.#lastSummaryMs >= SUMMARY_MS)
      this.ctx.waitUntil(this.#tellCatalog(job, nowMs));
    else this.#timers.set('summary', this.#lastSummaryMs + SUMMARY_MS);
    if (ended || before !== record.state) this.ctx.waitUntil(this.#endLobbies(job));
    this.#wakeReaders();
  }

  /** Which edge mappers to wake; sets the reason that is shown. */
  #wakeEdge(job: Loaded, nowMs: number): number[] {
    const { record, spec, map, plan, bells } = job;
    const before = record.reason;
    let work = 0;
    if (plan.kind === 'scan') {
      work = 1;
      record.reason = 'finding the records of the CSV input';
    } else {
      const fresh = this.#edgeMayBegin(job, nowMs);
      work = map.edgeWork(fresh);
      if (map.volunteersActive || work > 0) record.reason = '';
      else if (map.activeOf(EDGE) > 0) record.reason = '';
      else if (spec.mappers === 'any') {
        const waitMs = Math.max(record.edgeFromMs, this.#lastVolunteerMs + EDGE_GRACE_MS) - nowMs;
        const seconds = Math.max(1, Math.ceil(waitMs / 1000));
        record.reason = `no volunteer connected; edge mappers start in ${seconds} s`;
      } else if (map.committedCount === 0 || spec.verify.mode !== 'quorum') {
        record.reason = 'waiting for a volunteer: none has a task of this job';
      } else {
        record.reason = `waiting for another volunteer: a quorum needs ${spec.verify.copies} different ones`;
      }
    }
    const rings = bells.ring(work, nowMs);
    if (rings.length > 0 && plan.kind !== 'scan') {
      const reason =
        spec.mappers === 'edge'
          ? 'the job asks for the edge'
          : 'no volunteer at work, or one stalled';
      this.#event('edge', { reason, bells: rings.length });
    }
    if (record.reason !== before && record.reason !== '')
      this.#event('waiting', { reason: record.reason });
    if (rings.length > 0 || record.reason !== before) {
      record.lastRing = bells.lastRing;
      this.#store.saveRecord(record);
    }
    return rings;
  }

  #setTimers(job: Loaded, nowMs: number): void {
    const { record, spec, map, bells } = job;
    let nextMs: number | null = null;
    const at = (ms: number | null) => {
      if (ms !== null) nextMs = Math.min(nextMs ?? ms, ms);
    };
    if (record.state === 'queued' || record.state === 'mapping') {
      at(map.nextDeadlineMs());
      at(bells.nextCheckMs());
      if (spec.mappers === 'any' && !map.volunteersActive && !this.#edgeMayBegin(job, nowMs)) {
        at(Math.max(record.edgeFromMs, this.#lastVolunteerMs + EDGE_GRACE_MS));
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
      if (name === 'sweep') await this.#sweep();
      else if (this.#job && name === 'garbage') await this.#collectGarbage(this.#job);
      else if (this.#job && name === 'summary') await this.#tellCatalog(this.#job, nowMs);
      else if (this.#job && name === 'advance') await this.#passTime(this.#job, nowMs);
    }
    this.#timers.rearm();
  }

  async #passTime(job: Loaded, nowMs: number): Promise<void> {
    if (job.record.state === 'queued' || job.record.state === 'mapping') {
      this.#store.transaction(() => {
        const changes = job.map.expire(nowMs);
        this.#store_(job, changes, new Map());
        if (changes.fatal) this.#end(job, 'failed', changes.fatal);
        else if (changes.changed.length > 0) this.#store.saveRecord(job.record);
      });
    }
    await this.#advance(job, false);
  }

  /** Spills and merge runs of an ended job; a failed one starts over afterwards. */
  async #collectGarbage(job: Loaded): Promise<void> {
    const { record } = job;
    if (!hasEnded(record.state)) return;
    const id = record.submission.job;
    await catalog(this.env).unpin(id);
    await deletePrefix(this.env.BUCKET, spillPrefix(id));
    await deletePrefix(this.env.BUCKET, mergesPrefix(id));
    if (record.state === 'failed') this.#store.transaction(() => this.#startOver(job));
    this.#timers.set('sweep', Date.now() + LEASE_TOKEN_MS);
  }

  #startOver(job: Loaded): void {
    this.#store.clearMap();
    this.#store.clearAllParts();
    const fresh = newJobRecord(
      { ...job.record.submission, spec: job.spec },
      job.record.createdAtMs,
    );
    const { state, reason, error, finishedAtMs, startedAtMs, csvHeader, lastRing } = job.record;
    const kept = { state, reason, error, finishedAtMs, startedAtMs, csvHeader, lastRing };
    const record = Object.assign(fresh, kept);
    this.#store.saveRecord(record);
    this.#open(record, job.spec, job.plan);
  }

  /** What late uploads left behind, once no lease's signature is honoured any more. */
  async #sweep(): Promise<void> {
    const id = this.#job?.record.submission.job ?? this.#store.forgottenJob();
    if (id) await deletePrefix(this.env.BUCKET, this.#job ? spillPrefix(id) : jobPrefix(id));
    if (!this.#job) await this.ctx.storage.deleteAll();
  }

  // --- Telling others ------------------------------------------------------------------------------

  async #ringMap({ record }: Loaded, rings: number[]): Promise<void> {
    if (rings.length === 0) return;
    const { job } = record.submission;
    await this.env.MAP_QUEUE.sendBatch(rings.map((ring) => ({ body: { job, ring } })));
    addInto(record.operations, { queueOperation: 3 * rings.length, workerRequest: rings.length });
  }

  async #ringReduce({ record }: Loaded, partitions: number[]): Promise<void> {
    const { job } = record.submission;
    for (let i = 0; i < partitions.length; i += 100) {
      const batch = partitions.slice(i, i + 100).map((partition) => ({ body: { job, partition } }));
      await this.env.REDUCE_QUEUE.sendBatch(batch);
    }
  }

  async #tellCatalog(job: Loaded, nowMs: number): Promise<void> {
    if (!this.#job) return; // Forgotten meanwhile.
    this.#lastSummaryMs = nowMs;
    this.#timers.clear('summary');
    await catalog(this.env).updateJob(this.#summary(job));
  }

  /** Says to lobbies that this job has tasks: to all, or only to those that asked in vain. */
  async #callLobbies(onlyHungry = false): Promise<void> {
    const job = this.#job;
    if (!job || job.spec.mappers === 'edge' || job.plan.kind === 'scan' || !job.map.hasWork) return;
    const names = onlyHungry ? [...this.#hungry] : null;
    this.#hungry.clear();
    const stubs = names ? names.map((name) => lobbyByName(this.env, name)) : lobbies(this.env);
    const { job: id } = job.record.submission;
    await Promise.allSettled(stubs.map((lobby) => lobby.jobAvailable(id)));
  }

  async #endLobbies({ record, spec }: Loaded): Promise<void> {
    if (record.state === 'queued' || record.state === 'mapping' || spec.mappers === 'edge') return;
    const { job: id } = record.submission;
    await Promise.allSettled(lobbies(this.env).map((lobby) => lobby.jobEnded(id, record.reason)));
  }

  #event(type: JobEvent['type'], fields: Record<string, unknown>): void {
    this.#store.addEvent({ time: new Date().toISOString(), type, ...fields });
  }

  #wakeReaders(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  #view({ record, spec, plan }: Loaded): Job {
    return jobView(record, spec, plan);
  }
  #summary({ record, spec, plan }: Loaded): JobSummary {
    return summaryView(record, spec, plan);
  }
}

/** Operations that one committed map attempt cost: three requests, range reads, one object. */
function mapOperations(storedBytes: number, attempt: AttemptRecord): Record<string, number> {
  const bytesIn = attempt.receipt?.trailer.bytesIn ?? 0;
  return {
    workerRequest: attempt.by === EDGE ? 0 : 2,
    r2Read: bytesIn > 0 ? 3 : 0,
    r2Write: storedBytes > 0 ? 1 : 0,
    rowWritten: 3,
  };
}
