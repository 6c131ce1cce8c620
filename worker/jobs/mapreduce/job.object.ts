// One job, as a Durable Object: stores, calls and answers. job-arbiter.ts decides, and says what has to go out.
import { DurableObject } from 'cloudflare:workers';
import { IDEMPOTENCY_MS, LEASE_TOKEN_MS } from '../../../shared/limits.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type { Job, JobEvent, StreamRange, Task, TaskError } from '../../../shared/schemas/job.ts';
import { guardBindings } from '../../platform/bindings.edge.ts';
import type { Env } from '../../platform/env.ts';
import { jobPrefix, partKey } from '../../platform/keys.ts';
import { catalog } from '../../stubs.ts';
import { Timers } from '../../platform/timers.store.ts';
import { leaseSecret } from '../../catalog/lease-secret.edge.ts';
import { JobNotifier } from './job-notifier.edge.ts';
import { type AttemptRecord, EDGE } from './attempts.ts';
import { EventLog } from '../../platform/event-log.store.ts';
import { deletePrefix } from './garbage.edge.ts';
import { JobArbiter, type SetTimer } from './job-arbiter.ts';
import { collectGarbage, sweepJob } from './job-garbage.edge.ts';
import { hasEnded, isMapping, type JobTimer } from './job-machine.ts';
import { jobView, leaseMsOf, leaseOf, type LoadedJob, mapPlanOf } from './job-record.ts';
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
import { openReceipts, signLease } from './lease.ts';
import { splitCount } from './plan.ts';
import { unpinStream } from './stream-input.edge.ts';
import { listTasks } from './task-list.ts';

export class JobObject extends DurableObject<Env> implements JobRpc {
  readonly #store: JobStore;
  readonly #timers: Timers<JobTimer>;
  readonly #events: EventLog;
  readonly #arbiter: JobArbiter;
  readonly #notifier: JobNotifier;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new JobStore(ctx.storage);
    this.#store.migrate();
    this.#timers = new Timers(ctx.storage, this.#handlers);
    this.#events = new EventLog(this.#store);
    const timer: SetTimer = (name, atMs) => this.#setTimer(name, atMs);
    const ports = { rows: this.#store, event: this.#events.write, timer, random: Math.random };
    this.#arbiter = new JobArbiter(ports, Date.now());
    this.#notifier = new JobNotifier(this.env, {
      job: () => this.#job,
      timer,
      later: (work) => ctx.waitUntil(work),
    });
  }

  get #job(): LoadedJob | null {
    return this.#arbiter.job;
  }

  // --- Submission and reading ----------------------------------------------------------------------

  async submit(submission: Submission): Promise<Job> {
    if (this.#job) return jobView(this.#job);
    const job = this.#arbiter.submit(submission, Date.now());
    await this.#goOn(true);
    this.#notifier.callLobbies(false);
    return jobView(job);
  }

  async fixRanges(ranges: StreamRange[]): Promise<StreamRange[]> {
    const fixed = this.#store.fixRanges(ranges);
    // The caller that fixed them may never come back to submit.
    if (!this.#job) this.#setTimer('unsubmitted', Date.now() + IDEMPOTENCY_MS);
    return fixed;
  }

  async get(): Promise<Job | null> {
    return this.#job && jobView(this.#job);
  }

  async tasks(cursor: string | undefined, limit: number): Promise<List<Task> | null> {
    if (!this.#job) return null;
    const { plan, spec } = this.#job;
    const sizes = { splits: splitCount(plan), partitions: spec.partitions };
    return listTasks(this.#store, sizes, cursor, limit);
  }

  async events(after: number, limit: number): Promise<JobEvent[] | null> {
    return this.#job && this.#events.read(after, limit);
  }

  async eventsAfter(after: number, limit: number, waitMs: number) {
    if (!this.#job) return null;
    const isOver = () => this.#hasEnded;
    return this.#events.next(after, limit, waitMs, isOver);
  }

  async parts(): Promise<{ state: Job['state']; parts: Part[] } | null> {
    if (!this.#job) return null;
    const { state, submission } = this.#job.record;
    const rows = this.#store.partRows().filter((row) => row.bytes > 0);
    const parts = rows.map((row) => shownPart(partKey(submission.job, row.partition), row));
    return { state, parts };
  }

  // --- Mapping -------------------------------------------------------------------------------------

  async exchange(exchange: Exchange): Promise<Exchanged> {
    const secret = await leaseSecret(this.env);
    const receipts = await openReceipts(secret, exchange.reports);
    const refusal = this.#refusal();
    const job = this.#job;
    if (!job || refusal) return { plan: null, grants: [], credits: [], reason: refusal };
    const { lobby, wants } = exchange;
    const { granted, freed } = this.#arbiter.take(exchange, receipts, Date.now());
    if (freed > 0) this.#notifier.callLobbies(true);
    const grants = await Promise.all(granted.map((attempt) => grantOf(job, attempt, secret)));
    if (lobby !== EDGE && wants.some((want) => job.map.activeOf(want.by) < want.outstanding)) {
      this.#notifier.wantsWork(lobby);
    }
    const credits = this.#notifier.sendCredits(this.#arbiter.credits.take(), lobby);
    await this.#goOn(false);
    const over = this.#refusal();
    if (over) return { plan: null, grants: [], credits, reason: over };
    const nothingLeft = job.map.unleased === 0 && grants.length === 0;
    const reason = nothingLeft ? 'every task is taken' : job.record.reason;
    return { plan: mapPlanOf(job.record, job.spec), grants, credits, reason };
  }

  /** Why no lease is given any more; empty while the job maps. */
  #refusal(): string {
    if (!this.#job) return 'the job is gone';
    const { state } = this.#job.record;
    return isMapping(state) ? '' : `the job is ${state}`;
  }

  async edgeBegin(ring: number): Promise<EdgeWork | null> {
    return this.#arbiter.edgeWork(ring, Date.now());
  }

  async scanned(ring: number, state: string): Promise<void> {
    if (this.#arbiter.scanned(ring, state)) await this.#goOn(false);
  }

  async planned(boundaries: number[], csvHeader: string[]): Promise<void> {
    if (!this.#arbiter.planned(boundaries, csvHeader, Date.now())) return;
    await this.#goOn(true);
    this.#notifier.callLobbies(false);
  }

  async planFailed(error: TaskError): Promise<void> {
    if (this.#arbiter.fail(error, Date.now())) await this.#goOn(true);
  }

  // --- Reducing ------------------------------------------------------------------------------------

  async beginReduce(partition: number): Promise<ReduceWork | null> {
    return this.#arbiter.beginPart(partition, Date.now());
  }

  async reduceAlive(partition: number): Promise<boolean> {
    return this.#arbiter.partAlive(partition, Date.now());
  }

  async reduceSources(partition: number, fromTask: number, limit: number): Promise<ReduceSource[]> {
    if (!this.#job) return [];
    return this.#store.sources(this.#job.record.submission.job, partition, fromTask, limit);
  }

  async commitPart(commit: PartCommit): Promise<boolean> {
    const committed = this.#arbiter.commitPart(commit, Date.now());
    if (committed) await this.#goOn(false);
    return committed;
  }

  async failPart(partition: number, attempt: number, error: TaskError): Promise<boolean> {
    const again = this.#arbiter.failPart(partition, attempt, error, Date.now());
    if (again !== null) await this.#goOn(false);
    return again === true;
  }

  // --- Cancel, retry, forget -----------------------------------------------------------------------

  async cancel(): Promise<Job | 'conflict' | null> {
    const job = this.#job;
    if (!job) return null;
    if (!this.#arbiter.cancel(Date.now())) return 'conflict';
    await this.#goOn(true);
    return jobView(job);
  }

  async retry(): Promise<Job | 'conflict' | null> {
    const job = this.#job;
    if (!job) return null;
    if (!this.#arbiter.retry(Date.now())) return 'conflict';
    await this.#goOn(true);
    this.#notifier.callLobbies(false);
    return jobView(job);
  }

  async delete(): Promise<boolean> {
    const job = this.#job;
    if (!job) return false;
    if (!this.#hasEnded) await this.cancel();
    const { job: id, stream } = job.record.submission;
    await catalog(this.env).deleteJob(id);
    await unpinStream(this.env, id, stream);
    this.#arbiter.delete(() => {
      this.#store.wipe(id);
      this.#setTimer('garbage', null);
      this.#setTimer('summary', null);
      this.#setTimer('sweep', Date.now() + LEASE_TOKEN_MS);
    });
    await deletePrefix(this.env.BUCKET, jobPrefix(id));
    return true;
  }

  // --- Going on ------------------------------------------------------------------------------------

  /** After every change: what follows from it, and who has to know. */
  async #goOn(tellNow: boolean): Promise<void> {
    const nowMs = Date.now();
    const out = this.#arbiter.goOn(nowMs);
    if (this.#job) await this.#notifier.tell(this.#job, out, tellNow, nowMs);
    this.#events.wake();
  }

  /** Also true of a job that is gone. */
  get #hasEnded(): boolean {
    return !this.#job || hasEnded(this.#job.record.state);
  }

  // --- Timers --------------------------------------------------------------------------------------

  readonly #handlers: Record<JobTimer, (nowMs: number) => Promise<void>> = {
    advance: (nowMs) => this.#passTime(nowMs),
    waiting: (nowMs) => this.#passTime(nowMs),
    summary: (nowMs) => this.#notifier.tellCatalog(nowMs),
    garbage: (nowMs) => this.#collectGarbage(nowMs),
    sweep: () => this.#sweep(),
    unsubmitted: async () => {
      if (!this.#job) await this.#timers.deleteAll();
    },
  };

  #setTimer(name: JobTimer, atMs: number | null): void {
    if (atMs === null) this.#timers.clear(name);
    else this.#timers.set(name, atMs);
  }

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  async #passTime(nowMs: number): Promise<void> {
    if (this.#arbiter.expire(nowMs) > 0) this.#notifier.callLobbies(true);
    await this.#goOn(false);
  }

  /** Spills and merge runs of an ended job; a failed one starts over afterwards. */
  async #collectGarbage(nowMs: number): Promise<void> {
    if (!this.#job || !this.#hasEnded) return;
    await collectGarbage(this.env, this.#job.record.submission);
    this.#arbiter.startOver();
    this.#setTimer('sweep', nowMs + LEASE_TOKEN_MS);
  }

  async #sweep(): Promise<void> {
    const job = this.#job;
    if (job && !this.#hasEnded) return; // Tried again meanwhile: its spills are needed.
    const id = job?.record.submission.job ?? this.#store.forgottenJob();
    if (id) await sweepJob(this.env, id, job === null);
    if (!job) await this.#timers.deleteAll();
  }
}

async function grantOf(job: LoadedJob, attempt: AttemptRecord, secret: string): Promise<Granted> {
  const lease = leaseOf(job, attempt);
  const { task, by } = lease;
  const leaseMs = leaseMsOf(job.record);
  return { by, lease: await signLease(secret, lease), attempt: attempt.attempt, task, leaseMs };
}
