// The windows of one batch processor: counts ranges of the log until a window fires, and hands fired windows out to
// be run. A thin shell: window-machine.ts counts, window-runs.ts decides what runs; this asks logs, stores, rings.
import { DurableObject } from 'cloudflare:workers';
import {
  BELL_RING_AGAIN_MS,
  CONNECTIONS_MAX,
  DEAD_LETTERS_MAX,
  WINDOW_JOB_POLL_MAX_MS,
  WINDOW_JOB_POLL_MIN_MS,
  WINDOW_LOOKS_MAX,
  WINDOWS_REDRIVEN_MAX,
  WINDOWS_WAITING_MAX,
} from '../../shared/limits.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type { Batch, DeadLetter, RedriveBody } from '../../shared/schemas/processor.ts';
import { page } from '../catalog/page.ts';
import { guardBindings } from '../platform/bindings.ts';
import type { Env } from '../platform/env.ts';
import { jobObject, logObject, processorObject } from '../platform/objects.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import { Timers } from '../platform/timers.ts';
import type { LogRpc, Point } from '../streaming/log.rpc.ts';
import { windowName } from '../streaming/names.ts';
import { partitionsOf } from '../streaming/streams.ts';
import type {
  WindowConfig,
  WindowEffects,
  WindowReport,
  WindowRpc,
  WindowStatus,
  WindowWork,
} from './window.rpc.ts';
import {
  commit,
  count,
  type Counted,
  type Cursor,
  fire,
  type FiredWindow,
  fireIfDue,
  fireIfFull,
  firesAtMs,
  newWindows,
  questionOf,
  samePartition,
} from './window-machine.ts';
import { newRecord, Runs, type WindowRecord } from './window-runs.ts';
import { type WindowState, WindowStore } from './window-store.ts';
import {
  addLines,
  addOperations,
  batchView,
  countDone,
  lagView,
  letterView,
  newTally,
  openView,
  shownLatency,
  type Tally,
  windowOfLetter,
} from './window-tally.ts';
import { workOf } from './window-work.ts';

/** A timer's work failed: again after this long. */
const TIMER_RETRY_MS = 5_000;

/** In memory: what is stored, and what decides about it. */
interface Loaded {
  config: WindowConfig;
  state: WindowState;
  tally: Tally;
  runs: Runs;
  /** Windows among the dead letters. */
  dead: number;
}

export class WindowObject extends DurableObject<Env> implements WindowRpc {
  readonly #store: WindowStore;
  readonly #timers: Timers;
  #loaded: Loaded | null = null;
  /** Cursors whose partition may have more. */
  readonly #restless = new Set<Cursor>();
  /** Cursors known to be at the end of their partition. */
  readonly #resting = new Set<Cursor>();
  /** One look at the logs at a time: answers would overtake one another. */
  #looking: Promise<unknown> = Promise.resolve();
  #rung: { window: number; atMs: number } | null = null;
  #configuring = 0;
  #pollMs = WINDOW_JOB_POLL_MIN_MS;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new WindowStore(ctx.storage);
    this.#timers = new Timers(ctx.storage);
    this.#load();
  }

  #load(): void {
    const config = this.#store.loadConfig();
    const state = this.#store.loadState();
    const tally = this.#store.loadTally();
    this.#loaded =
      config && state && tally
        ? {
            config,
            state,
            tally,
            runs: new Runs(this.#store.unfinished()),
            dead: this.#store.deadCount(),
          }
        : null;
  }

  /** Changes memory and storage together: when storage takes the change back, memory is read anew. */
  #change<Result>(work: () => Result): Result {
    try {
      return this.#store.transaction(work);
    } catch (error) {
      this.#restless.clear();
      this.#resting.clear();
      this.#load();
      throw error;
    }
  }

  /** Loaded and at work: null while it is paused, stopped or not there. */
  get #active(): Loaded | null {
    const loaded = this.#loaded;
    return loaded && !loaded.config.paused && !loaded.state.stopped ? loaded : null;
  }

  #log(cursor: Pick<Cursor, 'streamUid' | 'partition'>): LogRpc {
    return logObject(this.env, { uid: cursor.streamUid, partition: cursor.partition });
  }

  // --- The definition -------------------------------------------------------------------------------

  async configure(config: WindowConfig, startFrom: Point): Promise<void> {
    this.#configuring++;
    try {
      await this.#configure(config, startFrom);
    } finally {
      this.#configuring--;
    }
  }

  async #configure(config: WindowConfig, startFrom: Point): Promise<void> {
    const known = this.#loaded?.state.windows.cursors ?? [];
    const wanted = config.streams.flatMap(partitionsOf).map(({ stream, uid, partition }) => ({
      stream,
      streamUid: uid,
      partition,
    }));
    const isKnown = (one: Pick<Cursor, 'streamUid' | 'partition'>) =>
      known.some((cursor) => samePartition(cursor, one));
    const dropped = known.filter((cursor) => !wanted.some((one) => samePartition(cursor, one)));
    const begun: Cursor[] = [];
    await sideBySide(
      wanted.filter((one) => !isKnown(one)),
      CONNECTIONS_MAX,
      async (one) => {
        const next = await this.#subscribe(config, one, startFrom);
        begun.push({ ...one, next, committed: next });
      },
    );
    await sideBySide(dropped, CONNECTIONS_MAX, (cursor) => this.#unsubscribe(config, cursor));
    const wasPaused = this.#loaded?.config.paused ?? false;
    this.#change(() => {
      const loaded = (this.#loaded ??= {
        config,
        state: { windows: newWindows(), stopped: false, saidCaughtUp: false },
        tally: newTally(Date.now()),
        runs: new Runs([]),
        dead: 0,
      });
      loaded.config = config;
      const { cursors } = loaded.state.windows;
      // Another call may have come between: whoever is there already stays.
      for (const cursor of begun) {
        if (!cursors.some((one) => samePartition(one, cursor))) cursors.push(cursor);
      }
      loaded.state.windows.cursors = wanted.flatMap(
        (one) => cursors.find((cursor) => samePartition(cursor, one)) ?? [],
      );
      this.#store.saveConfig(config);
      this.#store.saveState(loaded.state);
      this.#store.saveTally(loaded.tally);
    });
    if (config.paused) await this.#unsubscribeAll();
    else if (wasPaused) await this.#resubscribe();
    // Bounds may have changed, and there may be events already: looked at by the alarm, at once.
    this.#timers.set('look', Date.now());
  }

  async #subscribe(
    config: WindowConfig,
    { streamUid, partition }: Pick<Cursor, 'streamUid' | 'partition'>,
    from: Point,
  ): Promise<number> {
    const window = windowName(config.processorUid, config.generation);
    const bell = { kind: 'look' as const, window, streamUid, partition };
    return this.#log({ streamUid, partition }).subscribe(window, bell, from);
  }

  #unsubscribe({ processorUid, generation }: WindowConfig, cursor: Cursor): Promise<void> {
    return this.#log(cursor).unsubscribe(windowName(processorUid, generation));
  }

  async #unsubscribeAll(): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded) return;
    await sideBySide(loaded.state.windows.cursors, CONNECTIONS_MAX, (cursor) =>
      this.#unsubscribe(loaded.config, cursor),
    );
  }

  async #resubscribe(): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded) return;
    await sideBySide(loaded.state.windows.cursors, CONNECTIONS_MAX, (cursor) =>
      this.#subscribe(loaded.config, cursor, { offset: cursor.next }),
    );
  }

  async pause(): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded || loaded.config.paused) return;
    loaded.config = { ...loaded.config, paused: true };
    this.#change(() => this.#store.saveConfig(loaded.config));
    // Nobody is rung while nobody may look.
    await this.#unsubscribeAll();
  }

  async resume(): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded?.config.paused) return;
    await this.#resubscribe();
    loaded.config = { ...loaded.config, paused: false };
    this.#change(() => this.#store.saveConfig(loaded.config));
    this.#timers.set('look', Date.now());
    await this.#advance();
  }

  async stop() {
    const loaded = this.#loaded;
    if (!loaded) return [];
    this.#change(() => {
      loaded.state.stopped = true;
      this.#store.saveState(loaded.state);
      for (const timer of ['look', 'fire', 'run']) this.#timers.clear(timer);
    });
    await this.#unsubscribeAll();
    return this.committed();
  }

  async forget(): Promise<void> {
    await this.#unsubscribeAll();
    this.#loaded = null;
    this.#restless.clear();
    this.#resting.clear();
    await this.ctx.storage.deleteAll();
  }

  // --- Counting -------------------------------------------------------------------------------------

  async look(streamUid: string, partition: number): Promise<void> {
    if (!this.#loaded && this.#configuring === 0) {
      // What was cut off while it was made, or forgotten while it was rung.
      const { name } = this.ctx.id;
      if (name !== undefined) await this.#log({ streamUid, partition }).unsubscribe(name);
      return;
    }
    const cursor = this.#active?.state.windows.cursors.find((one) =>
      samePartition(one, { streamUid, partition }),
    );
    if (!cursor) return;
    this.#unrest(cursor);
    await this.#lookAround();
  }

  #unrest(cursor: Cursor): void {
    this.#restless.add(cursor);
    this.#resting.delete(cursor);
  }

  /** Asks the restless partitions, in turns, what came; a part of it when it is much. Then goes on running. */
  async #lookAround(): Promise<void> {
    const looked = this.#looking.then(() => this.#look());
    this.#looking = looked.catch(() => undefined);
    await looked;
    const loaded = this.#active;
    if (loaded && this.#restless.size > 0 && !this.#isFull(loaded)) {
      this.#timers.set('look', Date.now());
    }
    await this.#advance();
  }

  async #look(): Promise<void> {
    try {
      for (let looks = 0; looks < WINDOW_LOOKS_MAX; looks++) {
        // Events that waited for long, in a backlog, fill windows; time fires what is left of them.
        if (this.#restless.size === 0) this.#fireIf(fireIfDue);
        else this.#fireIf(fireIfFull);
        const loaded = this.#active;
        const [cursor] = this.#restless;
        if (!loaded || !cursor || this.#isFull(loaded)) break;
        await this.#ask(loaded, cursor);
      }
    } finally {
      // A log that never ends, or never answers, does not hold time up.
      this.#fireIf(fireIfDue);
    }
  }

  /** As many windows wait as may: what comes stays in the log until one has run. */
  #isFull({ runs }: Loaded): boolean {
    return runs.inOrder >= WINDOWS_WAITING_MAX;
  }

  async #ask(loaded: Loaded, cursor: Cursor): Promise<void> {
    const { windows } = loaded.state;
    const index = windows.cursors.indexOf(cursor);
    if (index < 0) return void this.#restless.delete(cursor); // Its stream is no longer read.
    const question = questionOf(windows, index, loaded.config.spec.batch);
    const log = this.#log(cursor);
    // The next turn is another partition's, also when this one does not answer.
    this.#restless.delete(cursor);
    this.#unrest(cursor);
    const measured = await log.measure(question.from, question.maxEvents, question.maxBytes);
    if (this.#active !== loaded) return;
    const nowMs = Date.now();
    const { then } = this.#change(() => {
      const counted = count(windows, question, measured, loaded.config.spec.batch, nowMs);
      this.#enter(loaded, counted);
      return counted;
    });
    if (then !== 'end') return;
    this.#restless.delete(cursor);
    this.#resting.add(cursor);
    // A bell that comes while the answer is under way makes it restless again.
    if (!(await log.caughtUp(this.#reader, cursor.next))) this.#unrest(cursor);
  }

  get #reader(): string {
    const config = this.#loaded?.config;
    return config ? windowName(config.processorUid, config.generation) : '';
  }

  /** Stores what an answer changed. In a transaction. */
  #enter(loaded: Loaded, { fired, expired }: Pick<Counted, 'fired' | 'expired'>): void {
    const { state, tally, runs } = loaded;
    if (fired) {
      const record = newRecord(fired);
      runs.add(record);
      this.#store.saveWindow(record);
    }
    tally.counters.expired += expired;
    addOperations(tally, { durableObjectRequest: 2, rowWritten: fired ? 4 : 1 });
    this.#store.saveState(state);
    if (fired) this.#store.saveTally(tally);
    const atMs = firesAtMs(state.windows, loaded.config.spec.batch);
    if (atMs === null) this.#timers.clear('fire');
    else this.#timers.set('fire', atMs);
  }

  #fireIf(rule: typeof fireIfDue): void {
    const loaded = this.#active;
    if (!loaded || this.#isFull(loaded)) return;
    const { state, config } = loaded;
    const atMs = firesAtMs(state.windows, config.spec.batch);
    if (atMs === null) return;
    this.#change(() => {
      const fired = rule(state.windows, config.spec.batch, Date.now());
      if (fired) this.#enter(loaded, { fired, expired: 0 });
      else this.#timers.set('fire', atMs);
    });
  }

  async drain(): Promise<void> {
    const loaded = this.#active;
    if (!loaded) return;
    for (const cursor of loaded.state.windows.cursors) this.#unrest(cursor);
    await this.#lookAround();
    this.#change(() => {
      const fired: FiredWindow | null = fire(loaded.state.windows, 'drain', Date.now());
      if (fired) this.#enter(loaded, { fired, expired: 0 });
    });
    await this.#advance();
  }

  // --- Running --------------------------------------------------------------------------------------

  async begin(window: number): Promise<WindowWork | null> {
    const loaded = this.#active;
    if (!loaded) return null;
    if (this.#rung?.window === window) this.#rung = null;
    const work = this.#begin(loaded, window);
    await this.#advance();
    return work;
  }

  /** The work of the window that is next, if it is the one that the bell means. */
  #begin(loaded: Loaded, window: number | null): WindowWork | null {
    const nowMs = Date.now();
    const record = loaded.runs.ready(nowMs);
    if (!record || (window !== null && record.number !== window)) return null;
    const effects = record.prepared ? this.#store.effects(record.number) : null;
    const { job } = record;
    this.#change(() => {
      if (record.runs > 0 && record.attempts > 0) loaded.tally.counters.retried++;
      loaded.runs.begin(record, nowMs);
      this.#save(loaded, record);
    });
    return workOf(loaded.config, record, effects, job);
  }

  async alive(window: number, run: number): Promise<boolean> {
    const loaded = this.#active;
    const record = loaded?.runs.leased(window, run);
    if (!loaded || !record) return false;
    this.#change(() => {
      loaded.runs.alive(record, Date.now());
      this.#save(loaded, record);
    });
    return true;
  }

  async prepare(window: number, run: number, effects: WindowEffects): Promise<boolean> {
    const loaded = this.#loaded;
    const record = loaded?.runs.leased(window, run);
    if (!loaded || !record || loaded.state.stopped) return false;
    this.#change(() => {
      record.prepared = true;
      loaded.runs.alive(record, Date.now());
      this.#store.saveEffects(window, effects);
      this.#save(loaded, record);
    });
    return true;
  }

  async report(
    window: number,
    run: number,
    report: WindowReport,
    more: boolean,
  ): Promise<WindowWork | null> {
    const loaded = this.#loaded;
    const record = loaded?.runs.leased(window, run);
    if (!loaded || !record || loaded.state.stopped) return null;
    this.#change(() => this.#settle(loaded, record, report));
    const work = more && this.#active === loaded ? this.#begin(loaded, null) : null;
    await this.#goOn();
    return work;
  }

  #settle(loaded: Loaded, record: WindowRecord, report: WindowReport): void {
    const { runs, tally } = loaded;
    const clock = { nowMs: Date.now(), random: Math.random() };
    switch (report.kind) {
      case 'done':
        tally.counters.emitted += report.emitted;
        tally.counters.duplicates += report.duplicates;
        addLines(tally, report.log);
        addOperations(tally, report.operations);
        this.#done(loaded, record);
        break;
      case 'failed':
        addLines(tally, report.log);
        this.#failed(loaded, record, report);
        break;
      case 'submitted':
        runs.handOver(record, report.job);
        this.#pollMs = WINDOW_JOB_POLL_MIN_MS;
        break;
      case 'expired':
        this.#expired(loaded, record, report);
        break;
      case 'blocked':
        runs.blocked(record, report.reason, clock);
        break;
    }
    this.#save(loaded, record);
  }

  #done(loaded: Loaded, record: WindowRecord): void {
    loaded.runs.done(record);
    countDone(loaded.tally, record, Date.now());
    if (record.redriven > 0) {
      loaded.tally.counters.redriven++;
      loaded.dead--;
    }
    this.#finish(loaded, record);
    this.#store.prune(record.number);
  }

  #failed(
    loaded: Loaded,
    record: WindowRecord,
    { error, final }: { error: TaskError; final: boolean },
  ): void {
    const clock = { nowMs: Date.now(), random: Math.random() };
    if (!loaded.runs.failed(record, { error, final }, loaded.config.spec.retry, clock)) return;
    if (record.redriven === 0) {
      loaded.tally.counters.deadLettered++;
      loaded.dead++;
    }
    this.#finish(loaded, record);
  }

  /** Run or given up: its partitions are further, and nothing is left to append. */
  #finish(loaded: Loaded, record: WindowRecord): void {
    if (record.redriven === 0) commit(loaded.state.windows, record.ranges);
    if (record.prepared) this.#store.deleteEffects(record.number);
    record.prepared = false;
    this.#store.saveState(loaded.state);
  }

  /** Retention was faster: what is left of the window is run; it is done when nothing is. */
  #expired(
    loaded: Loaded,
    record: WindowRecord,
    gone: { streamUid: string; partition: number; first: number },
  ): void {
    const range = record.ranges.find((one) => samePartition(one, gone));
    if (range) {
      const from = Math.min(range.to, Math.max(range.from, gone.first));
      loaded.tally.counters.expired += from - range.from;
      record.events -= from - range.from;
      range.from = from;
      record.ranges = record.ranges.filter((one) => one.from < one.to || one === range);
    }
    if (record.events > 0) {
      loaded.runs.blocked(record, 'retention took a part of it', { nowMs: Date.now(), random: 0 });
    } else this.#done(loaded, record);
  }

  #save(loaded: Loaded, record: WindowRecord): void {
    addOperations(loaded.tally, { durableObjectRequest: 1, rowWritten: 2 });
    this.#store.saveWindow(record);
    this.#store.saveTally(loaded.tally);
  }

  /** After a window has ended there is room for others: the logs may have more. */
  async #goOn(): Promise<void> {
    this.#fireIf(this.#restless.size === 0 ? fireIfDue : fireIfFull);
    const loaded = this.#active;
    if (loaded && this.#restless.size > 0 && !this.#isFull(loaded)) {
      this.#timers.set('look', Date.now());
    }
    await this.#advance();
  }

  /** After every change: the next bell, the timer, and whether a replay has caught up. */
  async #advance(): Promise<void> {
    const loaded = this.#active;
    if (!loaded) return;
    const { runs, config } = loaded;
    const nowMs = Date.now();
    const lapsed = runs.lapsed(nowMs);
    if (lapsed) {
      const message = 'whoever ran the window fell silent: out of memory, or the edge restarted';
      this.#change(() => {
        // What its code decided is known: only the append has to be done again.
        if (lapsed.prepared) runs.blocked(lapsed, message, { nowMs, random: Math.random() });
        else this.#failed(loaded, lapsed, { error: { code: 'deadline', message }, final: false });
        this.#save(loaded, lapsed);
      });
    }
    // Where no window could be given up, none is begun.
    const ready = loaded.dead >= DEAD_LETTERS_MAX ? null : runs.ready(nowMs);
    const ring =
      ready !== null &&
      (this.#rung?.window !== ready.number || this.#rung.atMs + BELL_RING_AGAIN_MS <= nowMs);
    if (ring) this.#rung = { window: ready.number, atMs: nowMs };
    this.#setRunTimer(loaded, ready, nowMs);
    if (ring) {
      const window = windowName(config.processorUid, config.generation);
      addOperations(loaded.tally, { queueOperation: 3 });
      // A bell that does not go out is rung again by the alarm.
      await this.env.STREAM_QUEUE.send({ kind: 'run', window, number: ready.number }).catch(
        () => undefined,
      );
    }
    await this.#sayCaughtUp(loaded, nowMs);
  }

  #setRunTimer({ runs }: Loaded, ready: WindowRecord | null, nowMs: number): void {
    const times: number[] = [];
    if (ready && this.#rung) times.push(this.#rung.atMs + BELL_RING_AGAIN_MS);
    else {
      const nextMs = runs.nextMs();
      // What is due and may not run (too many dead letters) is looked at again later.
      if (nextMs !== null) times.push(nextMs > nowMs ? nextMs : nowMs + BELL_RING_AGAIN_MS);
    }
    const { running } = runs;
    if (running?.leaseUntilMs === null) times.push(nowMs + this.#pollMs);
    if (times.length === 0) this.#timers.clear('run');
    else this.#timers.set('run', Math.min(...times));
  }

  /** Whoever rebuilds beside an older version takes its place once it is as far. */
  async #sayCaughtUp(loaded: Loaded, nowMs: number): Promise<void> {
    const { state, runs, config } = loaded;
    if (state.saidCaughtUp || runs.inOrder > 0) return;
    if (!state.windows.cursors.every((cursor) => this.#resting.has(cursor))) {
      // Who rests was in memory only: all are asked.
      if (this.#restless.size === 0) this.#timers.set('look', nowMs);
      return;
    }
    this.#change(() => {
      state.saidCaughtUp = true;
      this.#store.saveState(state);
    });
    await processorObject(this.env, config.processorUid)
      .caughtUp(config.generation)
      .catch(() => (state.saidCaughtUp = false));
  }

  /** A window's job has ended, or goes on. */
  async #pollJob(): Promise<void> {
    const loaded = this.#active;
    const running = loaded?.runs.running;
    if (!loaded || running?.leaseUntilMs !== null || running.job === null) return;
    const job = await jobObject(this.env, running.job).get();
    if (this.#active !== loaded || loaded.runs.running !== running) return;
    if (job && job.state !== 'done' && job.state !== 'failed' && job.state !== 'cancelled') {
      this.#pollMs = Math.min(WINDOW_JOB_POLL_MAX_MS, this.#pollMs * 1.5);
      return;
    }
    this.#pollMs = WINDOW_JOB_POLL_MIN_MS;
    this.#change(() => {
      if (job?.state === 'done') this.#done(loaded, running);
      else {
        const message = job ? `its job was ${job.state}` : 'its job was deleted';
        const error = job?.error ?? { code: 'internal' as const, message };
        this.#failed(loaded, running, { error, final: true });
      }
      this.#save(loaded, running);
    });
    await this.#goOn();
  }

  // --- Reading --------------------------------------------------------------------------------------

  async committed() {
    const cursors = this.#loaded?.state.windows.cursors ?? [];
    return cursors.map(({ streamUid, partition, committed }) => ({
      streamUid,
      partition,
      committed,
    }));
  }

  async status(): Promise<WindowStatus | null> {
    const loaded = this.#loaded;
    if (!loaded) return null;
    const { config, state, tally, runs } = loaded;
    const nowMs = Date.now();
    return {
      lag: lagView(config, state.windows, runs, nowMs),
      openWindow: openView(state.windows, config.spec.batch),
      counters: tally.counters,
      latency: shownLatency(tally, nowMs),
      deadLetters: loaded.dead,
      log: tally.log,
      operations: tally.operations,
    };
  }

  async batches(cursor: string | undefined, limit: number): Promise<List<Batch>> {
    const below = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
    if (!this.#loaded || !Number.isSafeInteger(below)) return { items: [], next: null };
    const found = this.#store.windowsBelow(below, limit + 1).map(batchView);
    return page(found, limit, ({ window }) => String(window));
  }

  async deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    const above = cursor === undefined ? 0 : Number(cursor);
    if (!this.#loaded || !Number.isSafeInteger(above)) return { items: [], next: null };
    const found = this.#store.deadAbove(above, limit + 1).map(letterView);
    return page(found, limit, ({ batch }) => String(batch));
  }

  async redrive(body: RedriveBody): Promise<number> {
    const loaded = this.#active;
    if (!loaded) return 0;
    const numbers = body.ids
      ? [...new Set(body.ids.flatMap((id) => windowOfLetter(id) ?? []))]
      : this.#store.failedNumbers(WINDOWS_REDRIVEN_MAX);
    const nowMs = Date.now();
    const stepMs = body.ratePerSecond ? 1000 / body.ratePerSecond : 0;
    const redriven = this.#change(() => {
      let count = 0;
      for (const number of numbers) {
        const record = this.#store.window(number);
        if (record?.state !== 'failed') continue;
        if (loaded.runs.redriven >= WINDOWS_REDRIVEN_MAX) break;
        loaded.runs.redrive(record, nowMs + stepMs * count++);
        this.#save(loaded, record);
      }
      return count;
    });
    await this.#advance();
    return redriven;
  }

  // --- Time -----------------------------------------------------------------------------------------

  override async alarm(): Promise<void> {
    if (!this.#loaded) return;
    for (const name of this.#timers.due(Date.now())) {
      try {
        await this.#timer(name);
      } catch (error) {
        console.error(`timer ${name} of windows failed; again later`, error);
        this.#timers.set(name, Date.now() + TIMER_RETRY_MS);
      }
    }
    if (this.#active) this.#timers.rearm();
  }

  async #timer(name: string): Promise<void> {
    const loaded = this.#active;
    if (!loaded) return;
    if (name === 'look' && this.#restless.size === 0) {
      // Which partitions were restless was in memory only.
      for (const cursor of loaded.state.windows.cursors) this.#unrest(cursor);
    }
    if (name === 'run') {
      await this.#pollJob();
      return this.#advance();
    }
    return this.#lookAround(); // 'look', 'fire'
  }
}
