// One schedule. A thin shell: plan.ts says what is due, runs.ts what may start and when to look again. A run is
// recorded in the transaction that moves the plan on, and submitted under a key made of its time: so a crash at
// any point loses none and starts none twice.
import { DurableObject } from 'cloudflare:workers';
import { SCHEDULE_JOBS_MAX } from '../../shared/limits.ts';
import { messageOf } from '../../shared/message-of.ts';
import type { Job } from '../../shared/schemas/job.ts';
import type { Schedule, ScheduleRun, ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { guardBindings } from '../platform/bindings.edge.ts';
import type { Env } from '../platform/env.ts';
import { jobObject } from '../stubs.ts';
import { Timers } from '../platform/timers.store.ts';
import { turns } from '../platform/turns.ts';
import { parseCron, type Times } from './cron.ts';
import { coveredBy } from './last-run.ts';
import { takeDue } from './plan.ts';
import {
  isGoing,
  isTooOldToTry,
  isUntouched,
  isWaiting,
  nextToStart,
  readsOn,
  type RunRecord,
  type Submitted,
  troubled,
  wakeAtMs,
} from './firings.ts';
import type { ScheduleRpc } from '../contracts/schedule.rpc.ts';
import type { ScheduleRecord } from './schedule-record.ts';
import { ScheduleStore } from './schedule.store.ts';
import { isFinal, meaningOf, submitRun } from './submission.edge.ts';
import { gaveWayReason, lateness, missedReason, runView, scheduleView } from './view.ts';

export class ScheduleObject extends DurableObject<Env> implements ScheduleRpc {
  readonly #store: ScheduleStore;
  readonly #timers: Timers<'wake'>;
  /** Changes come one after the other: they wait for other objects in between. */
  readonly #inTurn = turns();
  #askedMs = 0;
  #times: { version: number; times: Times } | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new ScheduleStore(ctx.storage);
    this.#timers = new Timers(ctx.storage, { wake: () => this.#inTurn(() => this.#advance()) });
    this.#wake();
  }

  // --- What may be asked ----------------------------------------------------------------------------

  async put(name: string, uid: string, spec: ScheduleSpec): Promise<Schedule | 'forgotten'> {
    return this.#inTurn(async () => {
      if (this.#store.isForgotten()) return 'forgotten';
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
    return this.#inTurn(async () => {
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
    return this.#inTurn(async () => {
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
    return this.#inTurn(async () => {
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

  async forget(): Promise<void> {
    return this.#inTurn(async () => {
      this.#store.transaction(() => this.#store.forget());
      this.#wake();
    });
  }

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  // --- Going on -------------------------------------------------------------------------------------

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
      this.#giveWay(gaveWayReason(this.#store.runs()));
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
      const { submitted } = run;
      const { job: spec } = this.#store.spec(submitted.version);
      const job = await submitRun(this.env, record.uid, run, submitted, spec);
      run.job = job.id;
      run.startedMs = Date.now();
      const late = lateness(run, run.startedMs);
      if (late !== null) run.notes = [late, ...run.notes];
      this.#store.transaction(() => this.#saveAsked(run, job));
    } catch (error) {
      const final = isFinal(error);
      const message = messageOf(error);
      // What nobody expected is for the operator's log, too.
      if (!final) console.error(error);
      this.#store.saveRun(troubled(run, { message, final }, Date.now(), Math.random()));
    }
  }

  async #meaning(run: RunRecord, { version, covered }: ScheduleRecord): Promise<Submitted> {
    const { job } = this.#store.spec(version);
    const { submitted, note } = await meaningOf(this.env, version, job, covered);
    if (note !== null) run.notes = [...run.notes, note];
    return submitted;
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
    const spec = this.#store.spec(record.version);
    return scheduleView(record, spec, this.#store.runs(), this.#timesOf(record), Date.now());
  }
}

/** The youngest failed ones: their jobs may have been tried again. */
const failedOf = (runs: RunRecord[]): RunRecord[] =>
  runs.filter(({ state, job }) => state === 'failed' && job !== null).slice(-SCHEDULE_JOBS_MAX);
