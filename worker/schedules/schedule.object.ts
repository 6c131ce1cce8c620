// One schedule. A thin shell: plan.ts says what is due, firings.ts what may start and when to look again. A firing
// is recorded in the transaction that moves the plan on, and submitted under a key made of its time: so a crash at
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
  type ScheduleFiring,
  type Submitted,
  troubled,
  wakeAtMs,
} from './firings.ts';
import type { ScheduleRpc } from '../contracts/schedule.rpc.ts';
import type { ScheduleRecord } from './schedule-record.ts';
import { ScheduleStore } from './schedule.store.ts';
import { isFinal, meaningOf, submitFiring } from './submission.edge.ts';
import { gaveWayReason, lateness, missedReason, firingView, scheduleView } from './view.ts';

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

  async put(name: string, uid: string, spec: ScheduleSpec): Promise<Schedule | 'deleted'> {
    return this.#inTurn(async () => {
      if (this.#store.isDeleted()) return 'deleted';
      const nowMs = Date.now();
      this.#take(nowMs);
      this.#store.transaction(() => this.#define(name, uid, spec, nowMs));
      await this.#advance();
      return this.#view(this.#mustExist());
    });
  }

  async get(): Promise<Schedule | null> {
    if (!this.#store.record()) return null;
    const firings = this.#store.firings();
    await this.#ask([...firings.filter(isGoing), ...failedOf(firings)]);
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
      if (this.#store.firings().some((firing) => firing.manual && isWaiting(firing)))
        return 'conflict';
      const { seq } = this.#store.transaction(() => {
        const at = { dueMs: nowMs, takenMs: nowMs };
        const firing = this.#store.addFiring(record, {
          ...at,
          manual: true,
          state: 'queued',
          reason: '',
        });
        this.#store.saveRecord(record);
        return firing;
      });
      await this.#advance();
      const firing = this.#store.firing(seq);
      return firing ? firingView(firing, this.#store.firings()) : null;
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

  async delete(): Promise<void> {
    return this.#inTurn(async () => {
      this.#store.transaction(() => this.#store.delete());
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
      const firings = this.#store.firings();
      // A failed job may have been tried again by hand: what it reads must not be read twice.
      const again = alone && firings.some(isWaiting) ? failedOf(firings) : [];
      await this.#ask([...firings.filter(isGoing), ...again]);
      for (;;) {
        const firing = nextToStart(this.#store.firings(), alone, Date.now());
        if (!firing) break;
        await this.#start(firing);
      }
    }
    this.#wake();
  }

  #wake(): void {
    const nextMs = this.#store.record()?.nextMs ?? null;
    const atMs = wakeAtMs(nextMs, this.#store.firings(), this.#askedMs, Date.now());
    if (atMs === null) this.#timers.clear('wake');
    else this.#timers.set('wake', atMs);
  }

  #take(nowMs: number): void {
    const record = this.#store.record();
    if (!record || record.paused) return;
    const due = takeDue(this.#timesOf(record), record.nextMs, nowMs);
    if (!due) return;
    this.#store.transaction(() => {
      this.#giveWay(gaveWayReason(this.#store.firings()));
      const planned = { takenMs: nowMs, manual: false };
      due.missed.forEach((dueMs, i) => {
        const reason = missedReason(i === 0 ? due.more : 0, due.moreAtLeast);
        this.#store.addFiring(record, { ...planned, dueMs, state: 'missed', reason });
      });
      this.#store.addFiring(record, { ...planned, dueMs: due.dueMs, state: 'queued', reason: '' });
      this.#store.saveRecord({ ...record, nextMs: due.nextMs });
    });
  }

  /** Planned firings that still wait are missed. Inside a transaction. */
  #giveWay(reason: string): void {
    for (const firing of this.#store.firings()) {
      if (isUntouched(firing) && !firing.manual)
        this.#store.saveFiring({ ...firing, state: 'missed', reason });
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

  async #start(waiting: ScheduleFiring): Promise<void> {
    const record = this.#mustExist();
    const nowMs = Date.now();
    if (isTooOldToTry(waiting, nowMs)) {
      const reason = 'the edge went down while its job was submitted, too long ago to try again';
      this.#store.saveFiring({ ...waiting, state: 'refused', reason });
      return;
    }
    const firing: ScheduleFiring = { ...waiting, attempts: waiting.attempts + 1, triedMs: nowMs };
    try {
      firing.submitted ??= await this.#meaning(firing, record);
      this.#store.saveFiring(firing);
      const { submitted } = firing;
      const { job: spec } = this.#store.spec(submitted.version);
      const job = await submitFiring(this.env, record.uid, firing, submitted, spec);
      firing.job = job.id;
      firing.startedMs = Date.now();
      const late = lateness(firing, firing.startedMs);
      if (late !== null) firing.notes = [late, ...firing.notes];
      this.#store.transaction(() => this.#saveAsked(firing, job));
    } catch (error) {
      const final = isFinal(error);
      const message = messageOf(error);
      // An unexpected error is for the operator's log, too.
      if (!final) console.error(error);
      this.#store.saveFiring(troubled(firing, { message, final }, Date.now(), Math.random()));
    }
  }

  async #meaning(firing: ScheduleFiring, { version, covered }: ScheduleRecord): Promise<Submitted> {
    const { job } = this.#store.spec(version);
    const { submitted, note } = await meaningOf(this.env, version, job, covered);
    if (note !== null) firing.notes = [...firing.notes, note];
    return submitted;
  }

  // --- Asking after jobs ----------------------------------------------------------------------------

  async #ask(firings: ScheduleFiring[]): Promise<void> {
    this.#askedMs = Date.now();
    await Promise.all(firings.map((firing) => this.#askAfter(firing)));
  }

  async #askAfter({ seq, job: id }: ScheduleFiring): Promise<void> {
    if (id === null) return;
    let job: Job | null;
    try {
      job = await jobObject(this.env, id).get();
    } catch {
      return; // It is restarting: the next question comes soon.
    }
    this.#store.transaction(() => {
      const firing = this.#store.firing(seq);
      if (firing && (job || isGoing(firing))) this.#saveAsked(firing, job);
    });
  }

  /** Inside a transaction. */
  #saveAsked(firing: ScheduleFiring, job: Job | null): void {
    const state = job?.state ?? 'cancelled';
    const reason = job ? job.reason : 'its job was deleted';
    const before = this.#store.firing(firing.seq);
    if (before?.job === firing.job && before?.state === state && before.reason === reason) return;
    this.#store.saveFiring({ ...firing, state, reason });
    const record = this.#store.record();
    if (job?.state !== 'done' || !record || firing.seq <= (record.covered?.seq ?? 0)) return;
    const { input } = job.spec;
    const ranges = 'stream' in input ? input.ranges : undefined;
    const covered = coveredBy(firing.seq, firing.submitted?.streamUid ?? null, ranges);
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
    return scheduleView(record, spec, this.#store.firings(), this.#timesOf(record), Date.now());
  }
}

/** The youngest failed ones: their jobs may have been tried again. */
const failedOf = (firings: ScheduleFiring[]): ScheduleFiring[] =>
  firings.filter(({ state, job }) => state === 'failed' && job !== null).slice(-SCHEDULE_JOBS_MAX);
