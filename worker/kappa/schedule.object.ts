// One schedule. A thin shell: plan.ts says what is due, runs.ts what may start and when to look again. A run is
// recorded in the transaction that moves the plan on, and submitted under a key made of its time: so a crash at
// any point loses none and starts none twice.
import { DurableObject } from 'cloudflare:workers';
import { SCHEDULE_JOBS_MAX, SCHEDULE_NEXT_RUNS } from '../../shared/limits.ts';
import type { Job, MapReduceSpec } from '../../shared/schemas/job.ts';
import type { ProblemCode } from '../../shared/schemas/problem.ts';
import type { Schedule, ScheduleRun, ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { streamOfInput } from '../mapreduce/stream-input.ts';
import { submitJob } from '../mapreduce/submit.ts';
import { guardBindings } from '../platform/bindings.ts';
import type { Env } from '../platform/env.ts';
import { jobObject } from '../platform/objects.ts';
import { ProblemError } from '../platform/problem.ts';
import { Timers } from '../platform/timers.ts';
import { parseCron, type Times, upcoming } from './cron.ts';
import { coveredBy, rangesSinceLastRun } from './last-run.ts';
import { takeDue } from './plan.ts';
import {
  afterTrouble,
  isGoing,
  isTooOldToTry,
  isUntouched,
  isWaiting,
  lateness,
  missedReason,
  nextToStart,
  readsOn,
  type RunRecord,
  runView,
  wakeAtMs,
} from './runs.ts';
import type { ScheduleRpc } from './schedule.rpc.ts';
import { type ScheduleRecord, ScheduleStore } from './schedule-store.ts';

/** Refusals that may not be one the next time. */
const PASSING: ReadonlySet<ProblemCode> = new Set(['unavailable', 'internal', 'rate_limited']);

export class ScheduleObject extends DurableObject<Env> implements ScheduleRpc {
  readonly #store: ScheduleStore;
  readonly #timers: Timers;
  /** Changes come one after the other: they wait for other objects in between. */
  #turn: Promise<unknown> = Promise.resolve();
  #askedMs = 0;
  #times: { version: number; times: Times } | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new ScheduleStore(ctx.storage);
    this.#timers = new Timers(ctx.storage);
    this.#wake();
  }

  // --- What may be asked ----------------------------------------------------------------------------

  async put(name: string, uid: string, spec: ScheduleSpec): Promise<Schedule> {
    return this.#oneByOne(async () => {
      const nowMs = Date.now();
      this.#take(nowMs);
      this.#store.transaction(() => this.#define(name, uid, spec, nowMs));
      await this.#advance();
      return this.#view(this.#mustExist());
    });
  }

  async get(): Promise<Schedule | null> {
    if (!this.#store.record()) return null;
    const runs = this.#store.runs();
    await this.#ask([...runs.filter(isGoing), ...failedOf(runs)]);
    this.#wake();
    const record = this.#store.record();
    return record ? this.#view(record) : null;
  }

  async run(): Promise<ScheduleRun | 'conflict' | null> {
    return this.#oneByOne(async () => {
      const nowMs = Date.now();
      this.#take(nowMs);
      const record = this.#store.record();
      if (!record) return null;
      if (this.#store.runs().some((run) => run.manual && isWaiting(run))) return 'conflict';
      const { seq } = this.#store.transaction(() => {
        const at = { dueMs: nowMs, takenMs: nowMs };
        const run = this.#store.addRun(record, {
          ...at,
          manual: true,
          state: 'queued',
          reason: '',
        });
        this.#store.saveRecord(record);
        return run;
      });
      await this.#advance();
      const run = this.#store.run(seq);
      return run ? runView(run, this.#store.runs()) : null;
    });
  }

  async pause(): Promise<Schedule | null> {
    return this.#oneByOne(async () => {
      this.#take(Date.now());
      const record = this.#store.record();
      if (!record) return null;
      this.#store.transaction(() => {
        this.#giveWay('the schedule was paused before it could start');
        this.#store.saveRecord({ ...record, paused: true, nextMs: null });
      });
      await this.#advance();
      return this.#view(this.#mustExist());
    });
  }

  async resume(): Promise<Schedule | null> {
    return this.#oneByOne(async () => {
      const record = this.#store.record();
      if (!record) return null;
      if (record.paused) {
        const nextMs = this.#timesOf(record).next(Date.now());
        this.#store.saveRecord({ ...record, paused: false, nextMs });
      }
      await this.#advance();
      return this.#view(this.#mustExist());
    });
  }

  async forget(): Promise<boolean> {
    return this.#oneByOne(async () => {
      if (!this.#store.record()) return false;
      this.#store.transaction(() => this.#store.wipe());
      this.#times = null;
      this.#wake();
      return true;
    });
  }

  override async alarm(): Promise<void> {
    this.#timers.due(Date.now());
    try {
      await this.#oneByOne(() => this.#advance());
    } finally {
      this.#wake();
      this.#timers.rearm();
    }
  }

  // --- Going on -------------------------------------------------------------------------------------

  #oneByOne<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Takes what is due, asks after the jobs, submits what may start. */
  async #advance(): Promise<void> {
    this.#take(Date.now());
    const record = this.#store.record();
    if (record) {
      const alone = readsOn(this.#store.spec(record.version).job);
      const runs = this.#store.runs();
      // A failed job may have been tried again by hand: what it reads must not be read twice.
      const again = alone && runs.some(isWaiting) ? failedOf(runs) : [];
      await this.#ask([...runs.filter(isGoing), ...again]);
      for (;;) {
        const run = nextToStart(this.#store.runs(), alone, Date.now());
        if (!run) break;
        await this.#start(run);
      }
    }
    this.#wake();
  }

  #wake(): void {
    const nextMs = this.#store.record()?.nextMs ?? null;
    const atMs = wakeAtMs(nextMs, this.#store.runs(), this.#askedMs, Date.now());
    if (atMs === null) this.#timers.clear('wake');
    else this.#timers.set('wake', atMs);
  }

  #take(nowMs: number): void {
    const record = this.#store.record();
    if (!record || record.paused) return;
    const due = takeDue(this.#timesOf(record), record.nextMs, nowMs);
    if (!due) return;
    this.#store.transaction(() => {
      this.#giveWay('the run before was still going on when the next one was due');
      const planned = { takenMs: nowMs, manual: false };
      due.missed.forEach((dueMs, i) => {
        const reason = missedReason(i === 0 ? due.more : 0, due.moreAtLeast);
        this.#store.addRun(record, { ...planned, dueMs, state: 'missed', reason });
      });
      this.#store.addRun(record, { ...planned, dueMs: due.dueMs, state: 'queued', reason: '' });
      this.#store.saveRecord({ ...record, nextMs: due.nextMs });
    });
  }

  /** Planned runs that still wait are missed. Inside a transaction. */
  #giveWay(reason: string): void {
    for (const run of this.#store.runs()) {
      if (isUntouched(run) && !run.manual) this.#store.saveRun({ ...run, state: 'missed', reason });
    }
  }

  #define(name: string, uid: string, spec: ScheduleSpec, nowMs: number): void {
    const before = this.#store.record();
    const former = before ? this.#store.spec(before.version) : null;
    if (JSON.stringify(former) === JSON.stringify(spec)) return;
    const record: ScheduleRecord = {
      createdAtMs: nowMs,
      paused: false,
      nextMs: null,
      lastSeq: 0,
      covered: null,
      ...before,
      name,
      uid,
      version: (before?.version ?? 0) + 1,
    };
    this.#store.saveSpec(record.version, spec);
    const samePlan = former?.cron === spec.cron && former.timezone === spec.timezone;
    if (!record.paused && !samePlan) record.nextMs = this.#timesOf(record).next(nowMs);
    this.#store.saveRecord(record);
  }

  // --- Submitting -----------------------------------------------------------------------------------

  async #start(waiting: RunRecord): Promise<void> {
    const record = this.#mustExist();
    const nowMs = Date.now();
    if (isTooOldToTry(waiting, nowMs)) {
      const reason = 'the edge went down while its job was submitted, too long ago to try again';
      this.#store.saveRun({ ...waiting, state: 'refused', reason });
      return;
    }
    const run: RunRecord = { ...waiting, attempts: waiting.attempts + 1, triedMs: nowMs };
    try {
      run.submitted ??= await this.#meaning(run, record);
      this.#store.saveRun(run);
      const job = await this.#submit(run, record);
      const late = lateness(run, Date.now());
      if (late !== null) run.notes = [late, ...run.notes];
      const { state, reason } = job;
      Object.assign(run, { job: job.id, startedMs: Date.now(), state, reason });
      this.#store.transaction(() => this.#saveAsked(run, job));
    } catch (error) {
      this.#store.saveRun(this.#troubled(run, error));
    }
  }

  /** What is submitted, with what "lastRun" means now. */
  async #meaning(run: RunRecord, record: ScheduleRecord): Promise<RunRecord['submitted']> {
    const { version, covered } = record;
    const { job } = this.#store.spec(version);
    if (!('stream' in job.input)) return { version, streamUid: null, ranges: null };
    const stream = await streamOfInput(this.env, job.input);
    const { uid: streamUid } = stream;
    if (!readsOn(job)) return { version, streamUid, ranges: null };
    const { ranges, lost } = await rangesSinceLastRun(this.env, stream, job.input, covered);
    if (lost > 0) run.notes.push(`retention took ${lost} events before they were read`);
    return { version, streamUid, ranges };
  }

  #submit(run: RunRecord, { uid }: ScheduleRecord): Promise<Job> {
    const { submitted, dueMs, seq, manual } = run;
    if (!submitted) throw new Error(`run ${seq} of ${uid} has nothing to submit`);
    const { job } = this.#store.spec(submitted.version);
    const spec: MapReduceSpec =
      submitted.ranges && 'stream' in job.input
        ? { ...job, input: { ...job.input, ranges: submitted.ranges } }
        : job;
    const which = manual ? `run-${seq}` : new Date(dueMs).toISOString();
    return submitJob(this.env, spec, `schedule/${uid}/${which}`);
  }

  #troubled(run: RunRecord, error: unknown): RunRecord {
    const message = error instanceof Error ? error.message : String(error);
    const final = error instanceof ProblemError && !PASSING.has(error.code);
    if (final) return { ...run, state: 'refused', reason: message };
    // What nobody expected is for the operator's log, too.
    console.error(error);
    const next = afterTrouble(run, Math.random());
    if (next.kind === 'over') {
      const reason = `given up after ${run.attempts} tries: ${message}`;
      return { ...run, state: 'refused', reason };
    }
    const reason = `try ${run.attempts} did not succeed, another one follows: ${message}`;
    return { ...run, retryMs: Date.now() + next.waitMs, reason };
  }

  // --- Asking after jobs ----------------------------------------------------------------------------

  async #ask(runs: RunRecord[]): Promise<void> {
    this.#askedMs = Date.now();
    await Promise.all(runs.map((run) => this.#askAfter(run)));
  }

  async #askAfter({ seq, job: id }: RunRecord): Promise<void> {
    if (id === null) return;
    let job: Job | null;
    try {
      job = await jobObject(this.env, id).get();
    } catch {
      return; // It is restarting: the next question comes soon.
    }
    this.#store.transaction(() => {
      const run = this.#store.run(seq);
      if (run && (job || isGoing(run))) this.#saveAsked(run, job);
    });
  }

  /** Inside a transaction. */
  #saveAsked(run: RunRecord, job: Job | null): void {
    const state = job?.state ?? 'cancelled';
    const reason = job ? job.reason : 'its job was deleted';
    const before = this.#store.run(run.seq);
    if (before?.job === run.job && before?.state === state && before.reason === reason) return;
    this.#store.saveRun({ ...run, state, reason });
    const record = this.#store.record();
    if (job?.state !== 'done' || !record || run.seq <= (record.covered?.seq ?? 0)) return;
    const { input } = job.spec;
    const ranges = 'stream' in input ? input.ranges : undefined;
    const covered = coveredBy(run.seq, run.submitted?.streamUid ?? null, ranges);
    if (covered) this.#store.saveRecord({ ...record, covered });
  }

  // --- Showing --------------------------------------------------------------------------------------

  #mustExist(): ScheduleRecord {
    const record = this.#store.record();
    if (!record) throw new Error('a schedule that was not put');
    return record;
  }

  #timesOf({ name, version }: ScheduleRecord): Times {
    if (this.#times?.version === version) return this.#times.times;
    const { cron, timezone } = this.#store.spec(version);
    const parsed = parseCron(cron, timezone);
    if (!parsed.ok) throw new Error(`schedule ${name}: ${parsed.field}: ${parsed.reason}`);
    this.#times = { version, times: parsed.times };
    return parsed.times;
  }

  #view(record: ScheduleRecord): Schedule {
    const { name, paused, createdAtMs, version } = record;
    const runs = this.#store.runs();
    const next = paused ? [] : upcoming(this.#timesOf(record), Date.now(), SCHEDULE_NEXT_RUNS);
    return {
      name,
      ...this.#store.spec(version),
      state: paused ? 'paused' : 'active',
      createdAt: new Date(createdAtMs).toISOString(),
      nextRuns: next.map((atMs) => new Date(atMs).toISOString()),
      runs: runs.map((run) => runView(run, runs)).reverse(),
    };
  }
}

/** The youngest failed ones: their jobs may have been tried again. */
const failedOf = (runs: RunRecord[]): RunRecord[] =>
  runs.filter(({ state, job }) => state === 'failed' && job !== null).slice(-SCHEDULE_JOBS_MAX);
