// One run of a DAG job: the only arbiter of what its steps come to. A thin shell: the coordinator decides and carries
// out, the store keeps; this object answers and wakes up in time.
import { DurableObject } from 'cloudflare:workers';
import { CONNECTIONS_MAX, OUTPUTS_PAGE_MAX_CHARS, RUN_BEAT_MS } from '../../../../shared/limits.ts';
import type { Json, List } from '../../../../shared/schemas/common.ts';
import type { DagJob, StepAttempt, StepItem, StepStatus } from '../../../../shared/schemas/dag.ts';
import type { JobEvent } from '../../../../shared/schemas/job.ts';
import { EventLog } from '../../../platform/event-log.store.ts';
import { guardBindings } from '../../../platform/bindings.edge.ts';
import type { Env } from '../../../platform/env.ts';
import { catalog } from '../../../stubs.ts';
import { sideBySide } from '../../../platform/side-by-side.ts';
import { Timers } from '../../../platform/timers.store.ts';
import { outputsPage } from './outputs-page.ts';
import { RunCoordinator } from './run-coordinator.ts';
import { type Entrypoints, outsidePorts } from './outside.edge.ts';
import type { RunPorts } from './run-ports.ts';
import type {
  OutputsPage,
  OutputsPlace,
  RunRpc,
  RunSubmission,
  Watching,
} from '../../../contracts/run.rpc.ts';
import { RunStore } from './run.store.ts';
import { streamEnds } from './stream-ends.edge.ts';
import { attemptsView, itemsView, runView, stepView } from './run-view.ts';
import { stepJobId } from '../steps/volunteer-step.edge.ts';

/** Nearer times are met to the millisecond, and without a row. */
const TIMEOUT_MAX_MS = 10_000;
const AGAIN_MS = 1_000;

interface Opened {
  store: RunStore;
  timers: Timers<'advance' | 'forget'>;
  events: EventLog;
  run: RunCoordinator | null;
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
    const timers =
      this.#opened?.timers ??
      new Timers(this.ctx.storage, {
        advance: () => this.#advance(),
        forget: () => this.#finishDeleting(),
      });
    const opened: Opened = {
      store,
      timers,
      events: new EventLog(store),
      run: null,
      broken: false,
    };
    this.#opened = opened;
    opened.run = RunCoordinator.load(store, this.#ports(opened));
    return opened;
  }

  /** Throws when what is stored cannot be taken up. */
  get #run(): RunCoordinator | null {
    if (this.#opened?.broken) return this.#open().run;
    return this.#opened?.run ?? null;
  }

  #ports(opened: Opened): RunPorts {
    const { env, ctx } = this;
    return {
      nowMs: () => Date.now(),
      random: () => Math.random(),
      ...outsidePorts(env, ctx.exports as unknown as Entrypoints),
      wake: (atMs) => this.#wake(opened, atMs),
      changed: () => opened.events.wake(),
      later: (work) => ctx.waitUntil(work),
      broken: (error) => {
        console.error('a run was not stored; it is read anew', error);
        opened.run = null;
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
      this.#run?.woken();
    } catch (error) {
      console.error('a run did not go on; again later', error);
    }
  }

  override async alarm(): Promise<void> {
    await this.#opened?.timers.run();
  }

  // --- Submission and reading ---------------------------------------------------------------------------

  async submit(submission: RunSubmission): Promise<DagJob> {
    if (this.#opened?.store.forgotten()) await this.#finishDeleting();
    const known = this.#view();
    if (known) return known;
    const streams = await streamEnds(this.env, submission.spec);
    // Another request may have submitted it meanwhile.
    const meanwhile = this.#view();
    if (meanwhile) return meanwhile;
    const opened = this.#opened ?? this.#open();
    const { store } = opened;
    opened.run = RunCoordinator.submit({ ...submission, streams }, store, this.#ports(opened));
    // So that the client that submitted it finds it in the list.
    await opened.run.tell().catch((error: unknown) => console.error('not told yet', error));
    return runView(opened.run.snapshot());
  }

  async get(): Promise<DagJob | null> {
    return this.#view();
  }

  #view(): DagJob | null {
    return this.#run && runView(this.#run.snapshot());
  }

  async step(step: string): Promise<StepStatus | null> {
    return this.#run && stepView(this.#run.snapshot(), step);
  }

  async items(
    step: string,
    cursor: string | undefined,
    limit: number,
  ): Promise<List<StepItem> | null> {
    return this.#run && itemsView(this.#run.snapshot(), step, cursor, limit);
  }

  async attempts(step: string, item: number | null): Promise<StepAttempt[] | null> {
    const run = this.#run;
    return run && attemptsView(run.snapshot(), run.store.attempts(step), step, item);
  }

  async outputs(from: OutputsPlace): Promise<({ state: DagJob['state'] } & OutputsPage) | null> {
    if (!this.#run) return null;
    const { record, submitted } = this.#run;
    const page = outputsPage(submitted.levels, record, from, OUTPUTS_PAGE_MAX_CHARS);
    return { state: record.state, ...page };
  }

  async events(after: number, limit: number): Promise<JobEvent[] | null> {
    return this.#run && (this.#opened?.events.read(after, limit) ?? null);
  }

  async eventsAfter(after: number, limit: number, waitMs: number) {
    const opened = this.#opened;
    if (!opened?.run) return null;
    const isOver = () => opened.run?.record.state !== 'running';
    const next = await opened.events.next(after, limit, waitMs, isOver);
    return opened.run && next;
  }

  // --- What happens to it -------------------------------------------------------------------------------

  async signal(name: string, body: Json): ReturnType<RunRpc['signal']> {
    const taken = this.#run?.signal(name, JSON.stringify(body)) ?? null;
    return taken === 'over' ? 'conflict' : taken;
  }

  async watching(step: string, partition: number): Promise<Watching | null> {
    return this.#run?.watches.watching(step, partition) ?? null;
  }

  async arrived(
    step: string,
    partition: number,
    to: number,
    events: { type: string; json: string }[],
  ): Promise<Watching | null> {
    const run = this.#run;
    if (!run?.arrived(step, events)) return null;
    run.watches.read(step, partition, to);
    return run.watches.watching(step, partition);
  }

  async jobEnded(job: string): Promise<void> {
    this.#run?.jobEnded(job);
  }

  async cancel(): Promise<DagJob | 'conflict' | null> {
    const done = this.#run?.cancel() ?? null;
    return done === false ? 'conflict' : this.#view();
  }

  async retry(): Promise<DagJob | 'conflict' | null> {
    const done = this.#run?.retry() ?? null;
    return done === false ? 'conflict' : this.#view();
  }

  // --- Forgetting ---------------------------------------------------------------------------------------

  async delete(): Promise<boolean> {
    const opened = this.#opened;
    const run = opened?.run;
    if (!opened || !run) return false;
    // From here on late answers find nothing, and nothing is begun.
    run.delete();
    opened.run = null;
    opened.store.transaction(() => opened.store.wipe(run.id));
    opened.timers.clear('advance');
    opened.timers.set('forget', Date.now() + AGAIN_MS);
    opened.events.wake();
    // Else the catalog could hear of it once more after it was told to forget it.
    await run.telling;
    // The timer does it again when this fails.
    await this.#finishDeleting().catch((error: unknown) => {
      console.error(`${run.id} is not forgotten yet; again later`, error);
    });
    return true;
  }

  /** Lets go of everything that others hold for it. Idempotent; again by the timer until all of it has worked. */
  async #finishDeleting(): Promise<void> {
    const opened = this.#opened;
    if (!opened) return;
    const { store, timers } = opened;
    const run = store.forgotten();
    if (run === null) return;
    const { jobs, unwatch, release } = this.#ports(opened);
    await catalog(this.env).deleteJob(run);
    await sideBySide(store.watches(), CONNECTIONS_MAX, (watch) => unwatch(run, watch));
    await sideBySide(store.jobs(), CONNECTIONS_MAX, ({ job }) => jobs.deleteStepJob(job));
    await sideBySide(store.submitting(), CONNECTIONS_MAX, async ({ step, attempt }) =>
      jobs.deleteStepJob(await stepJobId(run, step, attempt)),
    );
    for (const state of ['owed', 'held'] as const) {
      for (const { tokens } of store.claims(state)) await release(run, tokens);
    }
    if (this.#opened !== opened) return;
    this.#opened = null;
    await timers.deleteAll();
  }
}
