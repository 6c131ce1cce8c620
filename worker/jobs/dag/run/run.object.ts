// One run of a DAG job: the only arbiter of what its steps come to. A thin shell: run-desk.ts decides and carries out,
// run-store.ts keeps; this answers and wakes up in time.
import { DurableObject } from 'cloudflare:workers';
import { CONNECTIONS_MAX, OUTPUTS_PAGE_MAX_CHARS, RUN_BEAT_MS } from '../../../../shared/limits.ts';
import type { Json, List } from '../../../../shared/schemas/common.ts';
import type { DagJob, StepAttempt, StepItem, StepStatus } from '../../../../shared/schemas/dag.ts';
import type { JobEvent } from '../../../../shared/schemas/job.ts';
import { EventLog } from '../../../platform/event-log.ts';
import { guardBindings } from '../../../platform/bindings.ts';
import type { Env } from '../../../platform/env.ts';
import { catalog, claimShard, claimShardOf, logObject } from '../../../stubs.ts';
import { sideBySide } from '../../../platform/side-by-side.ts';
import { Timers } from '../../../platform/timers.ts';
import type { JobStepsRpc } from '../../../contracts/job-steps.rpc.ts';
import { outputsPage } from './outputs-page.ts';
import { RunDesk } from './run-coordinator.ts';
import type { RunPorts } from './run-ports.ts';
import type {
  RunRpc,
  RunSubmission,
  OutputsPage,
  OutputsPlace,
  Watching,
} from '../../../contracts/run.rpc.ts';
import { RunStore, type StreamEnds, type WatchRecord } from './run.store.ts';
import { attemptsView, itemsView, runView, stepView } from './run-view.ts';
import type { StepRunnerRpc } from '../../../contracts/step-runner.rpc.ts';
import { stepJobId } from '../steps/volunteer-step.edge.ts';
import { watchReader } from './watch.edge.ts';

/** Nearer times are met to the millisecond, and without a row. */
const TIMEOUT_MAX_MS = 10_000;
const AGAIN_MS = 1_000;

/** The stateless Workers beside this object. */
interface Entrypoints {
  StepRunner: StepRunnerRpc;
  JobSteps: JobStepsRpc;
}

interface Opened {
  store: RunStore;
  timers: Timers;
  events: EventLog;
  desk: RunDesk | null;
  /** What was in memory may not be what is stored. */
  broken: boolean;
}

export class RunObject extends DurableObject<Env> implements RunRpc {
  #opened: Opened | null = null;
  #timeout: { atMs: number; timer: ReturnType<typeof setTimeout> } | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    // Asking a run that there never was must not make a database of it.
    if (!new RunStore(ctx.storage).empty) this.#open();
  }

  /** From storage. Whatever was in memory is no more. */
  #open(): Opened {
    const store = new RunStore(this.ctx.storage);
    store.open();
    const timers = new Timers(this.ctx.storage);
    const opened: Opened = {
      store,
      timers,
      events: new EventLog(store),
      desk: null,
      broken: false,
    };
    this.#opened = opened;
    opened.desk = RunDesk.load(store, this.#ports(opened));
    return opened;
  }

  /** Throws when what is stored cannot be taken up. */
  get #desk(): RunDesk | null {
    if (this.#opened?.broken) return this.#open().desk;
    return this.#opened?.desk ?? null;
  }

  #ports(opened: Opened): RunPorts {
    const { env, ctx } = this;
    const { StepRunner, JobSteps } = ctx.exports as unknown as Entrypoints;
    return {
      nowMs: () => Date.now(),
      random: () => Math.random(),
      runner: StepRunner,
      jobs: JobSteps,
      jobId: stepJobId,
      watch: async (run, watch) => {
        const { step, next } = watch;
        const source = partitionOf(watch);
        const wakeUp = { kind: 'watch' as const, run, step, source };
        await logObject(env, source).subscribe(watchReader(run, step), wakeUp, { offset: next });
      },
      unwatch: (run, watch) =>
        logObject(env, partitionOf(watch)).unsubscribe(watchReader(run, watch.step)),
      hold: (run, tokens) => byShard(tokens, (shard, own) => claimShard(env, shard).hold(run, own)),
      release: (run, tokens) =>
        byShard(tokens, (shard, own) => claimShard(env, shard).release(run, own)),
      tell: (summary) => catalog(env).updateJob(summary),
      wake: (atMs) => this.#wake(opened, atMs),
      changed: () => opened.events.wake(),
      later: (work) => ctx.waitUntil(work),
      broken: (error) => {
        console.error('a run was not stored; it is read anew', error);
        opened.desk = null;
        opened.broken = true;
        opened.timers.setEarlier('advance', Date.now() + AGAIN_MS);
      },
    };
  }

  // --- Waking up --------------------------------------------------------------------------------------

  /** Soon by a timeout, with the alarm behind it should this instance die; later by the alarm alone. */
  #wake({ timers }: Opened, atMs: number): void {
    if (!Number.isFinite(atMs)) return;
    const nowMs = Date.now();
    if (atMs - nowMs > TIMEOUT_MAX_MS) return timers.setEarlier('advance', atMs);
    timers.setEarlier('advance', nowMs + RUN_BEAT_MS);
    if (this.#timeout && this.#timeout.atMs <= atMs && this.#timeout.atMs >= nowMs) return;
    if (this.#timeout) clearTimeout(this.#timeout.timer);
    const timer = setTimeout(
      () => {
        this.#timeout = null;
        this.#advance();
      },
      Math.max(0, atMs - nowMs),
    );
    this.#timeout = { atMs, timer };
  }

  #advance(): void {
    try {
      this.#desk?.woken();
    } catch (error) {
      console.error('a run did not go on; again later', error);
    }
  }

  override async alarm(): Promise<void> {
    const opened = this.#opened;
    if (!opened) return;
    const due = opened.timers.due(Date.now());
    if (due.includes('forget')) await this.#finishForgetting(opened);
    if (this.#opened !== opened) return;
    if (due.includes('advance')) this.#advance();
    this.#opened?.timers.rearm();
  }

  // --- Submission and reading ---------------------------------------------------------------------------

  async submit(submission: RunSubmission): Promise<DagJob> {
    if (this.#opened?.store.forgotten()) await this.#finishForgetting(this.#opened);
    if (this.#desk) return runView(this.#desk);
    const streams = await this.#endsOf(submission);
    // Somebody else may have submitted it meanwhile.
    if (this.#desk) return runView(this.#desk);
    const opened = this.#opened ?? this.#open();
    const { store } = opened;
    opened.desk = RunDesk.submit({ ...submission, streams }, store, this.#ports(opened));
    // Whoever submitted it finds it in the list.
    await opened.desk.tell().catch((error: unknown) => console.error('not told yet', error));
    return runView(opened.desk);
  }

  /** Where the streams that steps will wait for end now: what comes later counts. */
  async #endsOf({ spec }: RunSubmission): Promise<StreamEnds[]> {
    const names = new Set(
      Object.values(spec.steps).flatMap((step) => (step.run === 'wait' && step.stream) || []),
    );
    return (
      await sideBySide([...names], CONNECTIONS_MAX, async (name) => {
        const definition = await catalog(this.env).stream(name);
        if (!definition) return [];
        const { uid, partitions } = definition;
        const all = Array.from({ length: partitions }, (_, partition) => partition);
        const ends = await sideBySide(all, CONNECTIONS_MAX, (partition) =>
          logObject(this.env, { uid, partition }).resolve('latest'),
        );
        return [{ stream: name, uid, ends }];
      })
    ).flat();
  }

  async get(): Promise<DagJob | null> {
    return this.#desk && runView(this.#desk);
  }

  async step(step: string): Promise<StepStatus | null> {
    return this.#desk && stepView(this.#desk, step);
  }

  async items(
    step: string,
    cursor: string | undefined,
    limit: number,
  ): Promise<List<StepItem> | null> {
    return this.#desk && itemsView(this.#desk, step, cursor, limit);
  }

  async attempts(step: string, item: number | null): Promise<StepAttempt[] | null> {
    return this.#desk && attemptsView(this.#desk, step, item);
  }

  async outputs(from: OutputsPlace): Promise<({ state: DagJob['state'] } & OutputsPage) | null> {
    if (!this.#desk) return null;
    const { record, submitted } = this.#desk;
    const page = outputsPage(submitted.levels, record, from, OUTPUTS_PAGE_MAX_CHARS);
    return { state: record.state, ...page };
  }

  async events(after: number, limit: number): Promise<JobEvent[] | null> {
    return this.#desk && (this.#opened?.events.read(after, limit) ?? null);
  }

  async eventsAfter(after: number, limit: number, waitMs: number) {
    const opened = this.#opened;
    if (!opened?.desk) return null;
    let events = opened.events.read(after, limit);
    if (events.length === 0 && opened.desk.record.state === 'running') {
      await opened.events.wait(waitMs);
      if (this.#opened !== opened) return null;
      events = opened.events.read(after, limit);
    }
    const over = !opened.desk || opened.desk.record.state !== 'running';
    return { events, ended: events.length < limit && over };
  }

  // --- What happens to it -------------------------------------------------------------------------------

  async signal(name: string, body: Json): ReturnType<RunRpc['signal']> {
    const taken = this.#desk?.signal(name, JSON.stringify(body)) ?? null;
    return taken === 'over' ? 'conflict' : taken;
  }

  async watching(step: string, partition: number): Promise<Watching | null> {
    return this.#desk?.watches.watching(step, partition) ?? null;
  }

  async arrived(
    step: string,
    partition: number,
    to: number,
    events: { type: string; json: string }[],
  ): Promise<Watching | null> {
    const desk = this.#desk;
    if (!desk?.arrived(step, events)) return null;
    desk.watches.read(step, partition, to);
    return desk.watches.watching(step, partition);
  }

  async jobEnded(job: string): Promise<void> {
    this.#desk?.jobEnded(job);
  }

  async cancel(): Promise<DagJob | 'conflict' | null> {
    const desk = this.#desk;
    if (!desk) return null;
    return desk.cancel() ? runView(desk) : 'conflict';
  }

  async retry(): Promise<DagJob | 'conflict' | null> {
    const desk = this.#desk;
    if (!desk) return null;
    return desk.retry() ? runView(desk) : 'conflict';
  }

  // --- Forgetting ---------------------------------------------------------------------------------------

  async forget(): Promise<boolean> {
    const opened = this.#opened;
    const desk = opened?.desk;
    if (!opened || !desk) return false;
    const { run } = desk;
    // From here on late answers find nothing, and nothing is begun.
    desk.forget();
    opened.desk = null;
    opened.store.transaction(() => opened.store.wipe(run));
    opened.timers.clear('advance');
    opened.timers.set('forget', Date.now() + AGAIN_MS);
    opened.events.wake();
    // Else the catalog could hear of it once more after it was told to forget it.
    await desk.telling;
    await this.#finishForgetting(opened);
    return true;
  }

  /** Lets go of everything that others hold for it. Idempotent; again by the alarm until all of it has worked. */
  async #finishForgetting(opened: Opened): Promise<void> {
    const { store, timers } = opened;
    const run = store.forgotten();
    if (run === null) return;
    const { jobs, unwatch, release } = this.#ports(opened);
    try {
      await catalog(this.env).deleteJob(run);
      await sideBySide(store.watches(), CONNECTIONS_MAX, (watch) => unwatch(run, watch));
      await sideBySide(store.jobs(), CONNECTIONS_MAX, ({ job }) => jobs.forgetStepJob(job));
      await sideBySide(store.submitting(), CONNECTIONS_MAX, async ({ step, attempt }) =>
        jobs.forgetStepJob(await stepJobId(run, step, attempt)),
      );
      for (const state of ['owed', 'held'] as const) {
        for (const { tokens } of store.claims(state)) await release(run, tokens);
      }
    } catch (error) {
      console.error(`${run} is not forgotten yet; again later`, error);
      timers.set('forget', Date.now() + RUN_BEAT_MS);
      return;
    }
    if (this.#opened !== opened) return;
    this.#opened = null;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }
}

const partitionOf = ({ stream, uid, partition }: WatchRecord) => ({ stream, uid, partition });

async function byShard(
  tokens: readonly string[],
  work: (shard: number, own: string[]) => Promise<void>,
): Promise<void> {
  const shards = [...Map.groupBy(tokens, claimShardOf)];
  await sideBySide(shards, CONNECTIONS_MAX, ([shard, own]) => work(shard, own));
}
