// The windows of one batch processor: counts ranges of the log until a window fires, and hands fired windows out to
// be run. A thin shell: batch-machine.ts counts, batch-attempts.ts decides what runs; this asks logs, stores, sends wake-ups.
import { DurableObject } from 'cloudflare:workers';
import {
  WAKE_UP_AGAIN_MS,
  DEAD_LETTERS_MAX,
  WINDOW_JOB_POLL_MAX_MS,
  WINDOW_JOB_POLL_MIN_MS,
  WINDOW_LOOKS_MAX,
  WINDOWS_WAITING_MAX,
} from '../../../shared/limits.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type { Batch, DeadLetter, RedriveBody } from '../../../shared/schemas/processor.ts';
import { change } from '../../platform/change.ts';
import { page } from '../../platform/page.ts';
import { guardBindings } from '../../platform/bindings.edge.ts';
import type { Env } from '../../platform/env.ts';
import { turns } from '../../platform/turns.ts';
import { jobObject, processorObject } from '../../stubs.ts';
import { Timers } from '../../platform/timers.store.ts';
import type { Point } from '../../contracts/log.rpc.ts';
import { batchName } from '../../contracts/names.ts';
import { partitionsOf } from '../../contracts/names.ts';
import type {
  BatchConfig,
  BatchEffects,
  BatchReport,
  BatchRpc,
  BatchStatus,
  BatchWork,
} from '../../contracts/batch.rpc.ts';
import {
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
} from './batch-machine.ts';
import { type Clock, type Loaded, BatchLedger } from './batch-ledger.ts';
import { BatchLogs } from './batch-logs.edge.ts';
import { BatchAttempts, type BatchRecord } from './batch-attempts.ts';
import { BatchStore } from './batch.store.ts';
import { batchView, lagView, letterView, newCounters, openView } from './batch-counters.ts';
import { addCounts } from '../definition/counters.ts';
import { shownLatency } from '../../platform/latency.ts';

const TIMERS = ['look', 'fire', 'run'] as const;

const nameOf = ({ processorUid, generation }: BatchConfig) => batchName(processorUid, generation);

export class BatchObject extends DurableObject<Env> implements BatchRpc {
  readonly #store: BatchStore;
  readonly #ledger: BatchLedger;
  readonly #logs: BatchLogs;
  readonly #timers: Timers<(typeof TIMERS)[number]>;
  #loaded: Loaded | null = null;
  /** One look at the logs at a time: answers would overtake one another. */
  readonly #inTurn = turns();
  #sent: { window: number; atMs: number } | null = null;
  #configuring = 0;
  #pollMs = WINDOW_JOB_POLL_MIN_MS;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new BatchStore(ctx.storage);
    this.#ledger = new BatchLedger(this.#store);
    this.#logs = new BatchLogs(this.env);
    this.#timers = new Timers(ctx.storage, {
      look: () => this.#lookAgain(),
      fire: () => this.#active && this.#lookAround(),
      run: () => this.#pollJob().then(() => this.#advance()),
    });
    this.#loaded = this.#ledger.load();
  }

  #change<Result>(work: () => Result): Result {
    return change(this.#store, work, () => {
      this.#logs.clear();
      this.#loaded = this.#ledger.load();
    });
  }

  /** Loaded and at work: null while it is paused, stopped or not there. */
  get #active(): Loaded | null {
    const loaded = this.#loaded;
    return loaded && !loaded.config.paused && !loaded.state.stopped ? loaded : null;
  }

  get #clock(): Clock {
    return { nowMs: Date.now(), random: Math.random() };
  }

  // --- The definition -------------------------------------------------------------------------------

  async configure(config: BatchConfig, startFrom: Point): Promise<void> {
    this.#configuring++;
    try {
      await this.#configure(config, startFrom);
    } finally {
      this.#configuring--;
    }
  }

  async #configure(config: BatchConfig, startFrom: Point): Promise<void> {
    const window = nameOf(config);
    const known = this.#loaded?.state.windows.cursors ?? [];
    const wanted = config.streams.flatMap(partitionsOf).map(({ stream, uid, partition }) => ({
      stream,
      streamUid: uid,
      partition,
    }));
    const added = wanted.filter((one) => !known.some((cursor) => samePartition(cursor, one)));
    const dropped = known.filter((cursor) => !wanted.some((one) => samePartition(cursor, one)));
    const begun = await this.#logs.subscribe(window, added, () => startFrom);
    await this.#logs.unsubscribe(window, dropped);
    const wasPaused = this.#loaded?.config.paused ?? false;
    this.#change(() => {
      const loaded = (this.#loaded ??= {
        config,
        state: { windows: newWindows(), stopped: false, saidCaughtUp: false },
        totals: newCounters(Date.now()),
        attempts: new BatchAttempts([]),
        dead: 0,
      });
      loaded.config = config;
      // Another call may have come between: cursors that are there already stay.
      const { cursors } = loaded.state.windows;
      const fresh = begun
        .filter((one) => !cursors.some((cursor) => samePartition(cursor, one)))
        .map((one) => ({ ...one, committed: one.next }));
      const all = [...cursors, ...fresh];
      loaded.state.windows.cursors = wanted.flatMap(
        (one) => all.find((cursor) => samePartition(cursor, one)) ?? [],
      );
      this.#store.saveConfig(config);
      this.#store.saveState(loaded.state);
      this.#store.saveCounters(loaded.totals);
    });
    if (config.paused) await this.#unsubscribe();
    else if (wasPaused) await this.#subscribeAgain();
    // Bounds may have changed, and there may be events already: looked at by the alarm, at once.
    this.#timers.set('look', Date.now());
  }

  /** While it is paused no wake-up is sent for it. */
  async #unsubscribe(): Promise<void> {
    const loaded = this.#loaded;
    if (loaded) await this.#logs.unsubscribe(nameOf(loaded.config), loaded.state.windows.cursors);
  }

  async #subscribeAgain(): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded) return;
    const { cursors } = loaded.state.windows;
    await this.#logs.subscribe(nameOf(loaded.config), cursors, ({ next }) => ({ offset: next }));
  }

  async pause(): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded || loaded.config.paused) return;
    this.#change(() => {
      loaded.config = { ...loaded.config, paused: true };
      this.#store.saveConfig(loaded.config);
    });
    await this.#unsubscribe();
  }

  async resume(): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded?.config.paused) return;
    await this.#subscribeAgain();
    this.#change(() => {
      loaded.config = { ...loaded.config, paused: false };
      this.#store.saveConfig(loaded.config);
      this.#timers.set('look', Date.now());
    });
    await this.#advance();
  }

  async stop() {
    const loaded = this.#loaded;
    if (!loaded) return [];
    this.#change(() => {
      loaded.state.stopped = true;
      this.#store.saveState(loaded.state);
      for (const timer of TIMERS) this.#timers.clear(timer);
    });
    await this.#unsubscribe();
    return this.committed();
  }

  async delete(): Promise<void> {
    await this.#unsubscribe();
    this.#loaded = null;
    this.#logs.clear();
    await this.#timers.deleteAll();
  }

  // --- Counting -------------------------------------------------------------------------------------

  async look(streamUid: string, partition: number): Promise<void> {
    if (!this.#loaded && this.#configuring === 0) {
      // It was cut off while it was made, or deleted while its wake-up was out.
      const { name } = this.ctx.id;
      if (name !== undefined) await this.#logs.unsubscribe(name, [{ streamUid, partition }]);
      return;
    }
    const cursor = this.#active?.state.windows.cursors.find((one) =>
      samePartition(one, { streamUid, partition }),
    );
    if (!cursor) return;
    this.#logs.rouse(cursor);
    await this.#lookAround();
  }

  /** Asks the partitions that may have more, in turns, what came; a part of it when it is much. Then goes on running. */
  async #lookAround(): Promise<void> {
    await this.#inTurn(() => this.#look());
    const loaded = this.#active;
    if (loaded && this.#logs.hasMore && !this.#isFull(loaded)) {
      this.#timers.set('look', Date.now());
    }
    await this.#advance();
  }

  async #look(): Promise<void> {
    try {
      for (let looks = 0; looks < WINDOW_LOOKS_MAX; looks++) {
        // Events that waited for long, in a backlog, fill windows; time fires what is left of them.
        if (!this.#logs.hasMore) this.#fireIf(fireIfDue);
        else this.#fireIf(fireIfFull);
        const loaded = this.#active;
        const cursor = this.#logs.next;
        if (!loaded || !cursor || this.#isFull(loaded)) break;
        await this.#ask(loaded, cursor);
      }
    } finally {
      // A log that never ends, or never answers, does not hold time up.
      this.#fireIf(fireIfDue);
    }
  }

  /** As many windows wait as may: what comes stays in the log until one has run. */
  #isFull({ attempts }: Loaded): boolean {
    return attempts.inOrder >= WINDOWS_WAITING_MAX;
  }

  async #ask(loaded: Loaded, cursor: Cursor): Promise<void> {
    const { windows } = loaded.state;
    const index = windows.cursors.indexOf(cursor);
    if (index < 0) return this.#logs.drop(cursor); // Its stream is no longer read.
    const question = questionOf(windows, index, loaded.config.spec.batch);
    const measured = await this.#logs.measure(cursor, question);
    if (this.#active !== loaded) return;
    const nowMs = Date.now();
    const { then } = this.#change(() => {
      const counted = count(windows, question, measured, loaded.config.spec.batch, nowMs);
      this.#enter(loaded, counted);
      return counted;
    });
    if (then === 'end') await this.#logs.caughtUp(nameOf(loaded.config), cursor);
  }

  #enter(loaded: Loaded, counted: Pick<Counted, 'fired' | 'expired'>): void {
    this.#ledger.enter(loaded, counted);
    const atMs = firesAtMs(loaded.state.windows, loaded.config.spec.batch);
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
    for (const cursor of loaded.state.windows.cursors) this.#logs.rouse(cursor);
    await this.#lookAround();
    this.#change(() => {
      const fired: FiredWindow | null = fire(loaded.state.windows, 'drain', Date.now());
      if (fired) this.#enter(loaded, { fired, expired: 0 });
    });
    await this.#advance();
  }

  // --- Running --------------------------------------------------------------------------------------

  async begin(window: number): Promise<BatchWork | null> {
    const loaded = this.#active;
    if (!loaded) return null;
    if (this.#sent?.window === window) this.#sent = null;
    const work = this.#begin(loaded, window);
    await this.#advance();
    return work;
  }

  /** The work of the window that is next, if it is the one that the wake-up means. */
  #begin(loaded: Loaded, window: number | null): BatchWork | null {
    const nowMs = Date.now();
    const record = this.#ready(loaded, nowMs);
    if (!record || (window !== null && record.number !== window)) return null;
    return this.#change(() => this.#ledger.begin(loaded, record, nowMs));
  }

  /** Where no window could be given up, none is begun. */
  #ready({ dead, attempts }: Loaded, nowMs: number): BatchRecord | null {
    return dead >= DEAD_LETTERS_MAX ? null : attempts.ready(nowMs);
  }

  async alive(window: number, lease: number): Promise<boolean> {
    const loaded = this.#loaded;
    const record = loaded?.attempts.leased(window, lease);
    if (!loaded || !record || loaded.state.stopped) return false;
    this.#change(() => this.#ledger.alive(loaded, record, Date.now()));
    return true;
  }

  async prepare(window: number, lease: number, effects: BatchEffects): Promise<boolean> {
    const loaded = this.#loaded;
    const record = loaded?.attempts.leased(window, lease);
    if (!loaded || !record || loaded.state.stopped) return false;
    this.#change(() => this.#ledger.prepare(loaded, record, effects, Date.now()));
    return true;
  }

  async report(
    window: number,
    lease: number,
    report: BatchReport,
    more: boolean,
  ): Promise<BatchWork | null> {
    const loaded = this.#loaded;
    const record = loaded?.attempts.leased(window, lease);
    if (!loaded || !record || loaded.state.stopped) return null;
    this.#change(() => this.#ledger.settle(loaded, record, report, this.#clock));
    this.#pollMs = WINDOW_JOB_POLL_MIN_MS;
    const work = more && this.#active === loaded ? this.#begin(loaded, null) : null;
    await this.#goOn();
    return work;
  }

  /** After a window has ended there is room for others: the logs may have more. */
  async #goOn(): Promise<void> {
    this.#fireIf(!this.#logs.hasMore ? fireIfDue : fireIfFull);
    const loaded = this.#active;
    if (loaded && this.#logs.hasMore && !this.#isFull(loaded)) {
      this.#timers.set('look', Date.now());
    }
    await this.#advance();
  }

  /** After every change: the next wake-up, the timer, and whether a replay has caught up. */
  async #advance(): Promise<void> {
    const loaded = this.#active;
    if (!loaded) return;
    const { attempts, config } = loaded;
    const nowMs = Date.now();
    const expired = attempts.expired(nowMs);
    if (expired) this.#change(() => this.#ledger.expire(loaded, expired, this.#clock));
    const ready = this.#ready(loaded, nowMs);
    const isDue =
      ready !== null &&
      (this.#sent?.window !== ready.number || this.#sent.atMs + WAKE_UP_AGAIN_MS <= nowMs);
    if (isDue) this.#sent = { window: ready.number, atMs: nowMs };
    this.#setRunTimer(loaded, ready, nowMs);
    if (isDue) {
      const wakeUp = { kind: 'run' as const, window: nameOf(config), number: ready.number };
      addCounts(loaded.totals.operations, { queueOperation: 3 });
      // A wake-up that does not go out is sent again by the alarm.
      await this.env.STREAM_QUEUE.send(wakeUp).catch(() => undefined);
    }
    await this.#sayCaughtUp(loaded, nowMs);
  }

  #setRunTimer({ attempts }: Loaded, ready: BatchRecord | null, nowMs: number): void {
    const times: number[] = [];
    if (ready && this.#sent) times.push(this.#sent.atMs + WAKE_UP_AGAIN_MS);
    else {
      const nextMs = attempts.nextMs();
      // What is due and may not run (too many dead letters) is looked at again later.
      if (nextMs !== null) times.push(nextMs > nowMs ? nextMs : nowMs + WAKE_UP_AGAIN_MS);
    }
    const { running } = attempts;
    if (running?.leaseUntilMs === null) times.push(nowMs + this.#pollMs);
    if (times.length === 0) this.#timers.clear('run');
    else this.#timers.set('run', Math.min(...times));
  }

  /** A generation that rebuilds takes the older one's place once it is as far. */
  async #sayCaughtUp(loaded: Loaded, nowMs: number): Promise<void> {
    const { state, attempts, config } = loaded;
    if (state.saidCaughtUp || attempts.inOrder > 0) return;
    if (!state.windows.cursors.every((cursor) => this.#logs.rests(cursor))) {
      // Who rests was in memory only: all are asked.
      if (!this.#logs.hasMore) this.#timers.set('look', nowMs);
      return;
    }
    try {
      await processorObject(this.env, config.processorUid).caughtUp(config.generation);
    } catch {
      return; // It looks by itself, too.
    }
    this.#change(() => {
      state.saidCaughtUp = true;
      this.#store.saveState(state);
    });
  }

  /** A window's job has ended, or goes on. */
  async #pollJob(): Promise<void> {
    const loaded = this.#active;
    const running = loaded?.attempts.running;
    if (!loaded || running?.leaseUntilMs !== null || running.job === null) return;
    const job = await jobObject(this.env, running.job).get();
    if (this.#active !== loaded || loaded.attempts.running !== running) return;
    const ended = this.#change(() => this.#ledger.follow(loaded, running, job, this.#clock));
    this.#pollMs = ended
      ? WINDOW_JOB_POLL_MIN_MS
      : Math.min(WINDOW_JOB_POLL_MAX_MS, this.#pollMs * 1.5);
    if (ended) await this.#goOn();
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

  async status(): Promise<BatchStatus | null> {
    const loaded = this.#loaded;
    if (!loaded) return null;
    const { config, state, totals, attempts } = loaded;
    const nowMs = Date.now();
    return {
      lag: lagView(config, state.windows, attempts, nowMs),
      openWindow: openView(state.windows, config.spec.batch),
      counters: totals.counters,
      latency: shownLatency(totals.latency, nowMs),
      deadLetters: loaded.dead,
      log: totals.log,
      operations: totals.operations,
    };
  }

  async batches(cursor: string | undefined, limit: number): Promise<List<Batch>> {
    const below = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
    if (!this.#loaded) return { items: [], next: null };
    const found = this.#store.windowsBelow(below, limit + 1).map(batchView);
    return page(found, limit, ({ window }) => String(window));
  }

  async deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    const above = cursor === undefined ? 0 : Number(cursor);
    if (!this.#loaded) return { items: [], next: null };
    const found = this.#store.deadAbove(above, limit + 1).map(letterView);
    return page(found, limit, ({ batch }) => String(batch));
  }

  async redrive(body: RedriveBody): Promise<number> {
    const loaded = this.#loaded;
    if (!loaded || loaded.state.stopped) return 0;
    const redriven = this.#change(() => this.#ledger.redrive(loaded, body, Date.now()));
    await this.#advance();
    return redriven;
  }

  // --- Time -----------------------------------------------------------------------------------------

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  async #lookAgain(): Promise<void> {
    const loaded = this.#active;
    if (!loaded) return;
    if (!this.#logs.hasMore) {
      // Which partitions have more was in memory only.
      for (const cursor of loaded.state.windows.cursors) this.#logs.rouse(cursor);
    }
    await this.#lookAround();
  }
}
