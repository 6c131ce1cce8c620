// One shard of a keyed processor: what came of which partition, what it owes, what it gave up on, and when it wakes.
// The operator knows what events mean; here each of its changes is written in one transaction with the offset it
// comes from and the outputs it makes, so that whatever comes twice changes nothing twice. StateObject, JoinObject
// and WindowObject are thin shells around this (shard-object.ts); so are the tests.
//
// Calls take turns: applying, what is due, draining and configuring never overlap.
import { BLOCKED_MAX_MS, SHARD_DUE_FOR_MS } from '../../../shared/limits.ts';
import { backoffMs } from '../../../shared/backoff.ts';
import { messageOf } from '../../../shared/message-of.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { LateEvent } from '../../../shared/schemas/processor.ts';
import type { NewEvent } from '../../log/events.ts';
import { addCounts, lastLines } from '../definition/counters.ts';
import {
  arrivalsOf,
  type Checked,
  type Failure,
  settle,
  type Settled,
  settleDue,
} from './arrivals.ts';
import { deliver } from './deliver.ts';
import type { Arrival, Operator } from './operator.ts';
import { type Outbox, outboxOf } from './outbox.ts';
import type { ShardPorts } from './shard-ports.ts';
import type { Routed, RoutedBatch, ShardConfig, ShardStatus } from '../../contracts/shard.rpc.ts';
import type { ShardRecord, ShardStore } from './shard.store.ts';
import { change } from '../../platform/change.ts';
import { turns } from '../../platform/turns.ts';

/** The shortest wait before what went wrong is tried again. */
const TROUBLE_BASE_MS = 500;

interface Loaded<Of> {
  config: ShardConfig;
  record: ShardRecord;
  operator: Of;
  log: string[];
  /** By source and offset. */
  givenUp: Map<number, Map<number, TaskError>>;
  owed: Owed | null;
}

interface Owed {
  outbox: Outbox;
  /** The outputs, read already. */
  events: NewEvent[] | undefined;
  /** Not tried before: what is in the stream already is no work of ours. */
  fresh: boolean;
}

/** What a batch brought, beside its change. */
interface Applied {
  source: number;
  to: number;
  gaveUp: Failure[];
  redone: number[];
}

export class Shard<Of extends Operator = Operator> {
  readonly #store: ShardStore;
  readonly #makeOperator: (config: ShardConfig) => Of;
  readonly #ports: ShardPorts;
  #loaded: Loaded<Of> | null = null;
  readonly #turns = turns();
  /** What did not work last time, and is tried again by the clock. */
  #trouble: { reason: string; times: number; untilMs: number } | null = null;

  constructor(store: ShardStore, makeOperator: (config: ShardConfig) => Of, ports: ShardPorts) {
    this.#store = store;
    this.#makeOperator = makeOperator;
    this.#ports = ports;
    this.#load();
    this.#sleep();
  }

  get config(): ShardConfig | null {
    return this.#loaded?.config ?? null;
  }
  /** Null before it is configured. A reader must not await in between: it may be made anew. */
  get operator(): Of | null {
    return this.#loaded?.operator ?? null;
  }

  #load(): void {
    const config = this.#store.loadConfig();
    const record = this.#store.loadRecord();
    this.#loaded = null;
    if (!config || !record) return;
    const outbox = this.#store.loadOutbox();
    const givenUp: Loaded<Of>['givenUp'] = new Map();
    for (const { source, offset, error } of this.#store.givenUp()) {
      remember(givenUp, source, [{ offset, error }]);
    }
    this.#loaded = {
      config,
      record,
      operator: this.#makeOperator(config),
      log: this.#store.loadLog(),
      givenUp,
      owed: outbox && { outbox, events: undefined, fresh: false },
    };
  }

  #change<Result>(work: () => Result): Result {
    return change(this.#store, work, () => this.#load());
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#turns(async () => {
      try {
        return await work();
      } finally {
        this.#sleep();
      }
    });
  }

  // --- What its processor says -----------------------------------------------------------------------

  configure(config: ShardConfig): Promise<void> {
    return this.#inTurn(async () => {
      const loaded = this.#loaded;
      if (loaded && JSON.stringify(loaded.config) === JSON.stringify(config)) return;
      this.#change(() => {
        this.#store.saveConfig(config);
        this.#store.redoneForgotten(this.#ports.nowMs());
        if (!loaded) this.#store.saveRecord(newRecord(config));
      });
      this.#trouble = null;
      this.#load();
    });
  }

  /** The caller deletes the storage: results of work under way are ignored. */
  delete(): void {
    this.#loaded = null;
  }

  status(): ShardStatus | null {
    if (!this.#loaded) return null;
    const { operator, record, log } = this.#loaded;
    return {
      keys: operator.keys(),
      bytes: operator.bytes(),
      missing: [],
      watermarkMs: null,
      applied: [...record.applied],
      counters: { ...record.counters },
      log,
      operations: { ...this.#store.operations },
      reason: this.#trouble?.reason ?? '',
    };
  }

  late(limit: number): LateEvent[] {
    return this.#loaded ? this.#store.late(limit, this.#loaded.config.sources) : [];
  }

  // --- Events ------------------------------------------------------------------------------------------

  apply(batch: RoutedBatch): Promise<Routed> {
    return this.#inTurn(async () => {
      try {
        return await this.#apply(batch);
      } catch (error) {
        return blocked(messageOf(error));
      }
    });
  }

  async #apply(batch: RoutedBatch): Promise<Routed> {
    const before = await this.#flush();
    if (before !== null) return blocked(before);
    const loaded = this.#loaded;
    if (!loaded) return blocked('the shard is not configured');
    const { source, final, redrive } = batch;
    this.#settle(loaded, source, batch.settled);
    const events = arrivalsOf(batch);
    const fresh = this.#fresh(loaded, batch, events);
    const remembered = redrive ? [] : failuresAmong(loaded, source, events);
    const ran = await this.#run(loaded, batch, fresh);
    if ('kind' in ran) return ran;
    const { change, failures } = ran;
    const stoppedAt = change?.stoppedAt ?? null;
    const failed = failures.filter(({ offset }) => stoppedAt === null || offset < stoppedAt);
    const end = (events.at(-1)?.offset ?? -1) + 1;
    const to = stoppedAt ?? (final ? end : (failed[0]?.offset ?? end));
    this.#commit(loaded, change, {
      source,
      to: redrive ? 0 : to,
      gaveUp: final && !redrive ? failed : [],
      redone:
        redrive && failed.length === 0 && stoppedAt === null
          ? fresh.map(({ offset }) => offset)
          : [],
    });
    const after = await this.#flush();
    if (after !== null) return blocked(after);
    return {
      kind: 'applied',
      failures: [...remembered, ...failed].sort((a, b) => a.offset - b.offset),
      stoppedAt,
    };
  }

  /** Everything before is behind its consumer: what is remembered of it can go, and a batch that brings it again is late. */
  #settle({ record, givenUp }: Loaded<Of>, source: number, before: number): void {
    record.applied[source] = Math.max(record.applied[source] ?? 0, before);
    const failures = givenUp.get(source);
    if (!failures || ![...failures.keys()].some((offset) => offset < before)) return;
    this.#change(() => this.#store.settled(source, before));
    for (const offset of failures.keys()) if (offset < before) failures.delete(offset);
  }

  /** The events that were not applied before. */
  #fresh({ record }: Loaded<Of>, { source, redrive }: RoutedBatch, events: Arrival[]): Arrival[] {
    if (!redrive) {
      const applied = record.applied[source] ?? 0;
      return events.filter(({ offset }) => offset >= applied);
    }
    const offsets = events.map(({ offset }) => offset);
    const redone = this.#store.redoneAmong(source, offsets);
    return events.filter(({ offset }) => !redone.has(offset));
  }

  /** What is to be written, or what is answered instead. */
  async #run(
    { config, operator }: Loaded<Of>,
    { source, attempt, final, redrive, clock }: RoutedBatch,
    events: Arrival[],
  ): Promise<Settled | Extract<Routed, { kind: 'crashed' | 'blocked' }>> {
    const nowMs = this.#ports.nowMs();
    try {
      const arrivals = { source, events, attempt, final, redrive, clock, nowMs };
      const settled = await settle(operator, arrivals, config.output);
      if (this.#loaded?.operator === operator) return settled;
      return blocked('the shard was forgotten');
    } catch (error) {
      const crash = this.#ports.crashOf(error);
      if (!crash || events.length === 0) throw error;
      // One alone is known to be the one.
      const [first] = events;
      if (events.length > 1 || !first) return { kind: 'crashed', error: crash };
      return { change: null, failures: [{ offset: first.offset, error: crash }] };
    }
  }

  /** A partition was read to its end, at this offset. */
  rested(source: number, at: number): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#loaded) return;
      const { operator, record } = this.#loaded;
      if (at >= (record.applied[source] ?? 0)) operator.rested(source, this.#ports.nowMs());
    });
  }

  // --- One transaction -----------------------------------------------------------------------------------

  #commit(loaded: Loaded<Of>, change: Checked | null, applied: Applied | null): void {
    const { config, record, givenUp } = loaded;
    const store = this.#store;
    const nowMs = this.#ports.nowMs();
    const outbox = change && outboxOf(config, change, record.next, nowMs);
    this.#change(() => {
      change?.write();
      if (applied) {
        const { source, to, gaveUp, redone } = applied;
        record.applied[source] = Math.max(record.applied[source] ?? 0, to);
        if (gaveUp.length > 0) store.giveUp(source, gaveUp);
        if (redone.length > 0) store.redid(source, redone, nowMs);
        remember(givenUp, source, gaveUp);
      }
      if (change) {
        const { outputs, late, lost } = change;
        if (lost.length > 0) store.lost(lost);
        if (late.length > 0) store.addLate(record.counters.late ?? 0, late, nowMs);
        if (outbox) store.saveOutbox(outbox);
        if (outbox?.outputs) record.next.output += outbox.outputs.items.length;
        if (outbox?.late) record.next.late += outbox.late.items.length;
        const { processed: _, ...counters } = change.counters;
        addSome(record, { ...counters, emitted: outputs.length, late: late.length });
        this.#logged(loaded, change.log);
      }
      store.saveRecord(record);
    });
    if (outbox) loaded.owed = { outbox, events: change?.events, fresh: true };
  }

  #logged(loaded: Loaded<Of>, lines: string[]): void {
    if (lines.length === 0) return;
    loaded.log = lastLines(loaded.log, lines);
    this.#store.saveLog(loaded.log);
  }

  /** Null: nothing is owed any more. Else why something still is. */
  async #flush(): Promise<string | null> {
    const loaded = this.#loaded;
    const owed = loaded?.owed;
    if (!owed) return null;
    const { outbox, events, fresh } = owed;
    owed.fresh = false;
    try {
      const { duplicates, refused, log } = await deliver(
        loaded.config,
        outbox,
        events,
        this.#ports,
      );
      if (this.#loaded !== loaded) return 'the shard was forgotten';
      this.#change(() => {
        this.#store.clearOutbox();
        if (fresh && duplicates > 0) {
          addSome(loaded.record, { emitted: -duplicates, duplicates });
        }
        addSome(loaded.record, { refused });
        this.#logged(loaded, log);
        this.#store.saveRecord(loaded.record);
      });
      loaded.owed = null;
      this.#trouble = null;
      return null;
    } catch (error) {
      return this.#troubled(error);
    }
  }

  #troubled(error: unknown): string {
    const reason = messageOf(error);
    const { nowMs, random } = this.#ports;
    const times = (this.#trouble?.times ?? 0) + 1;
    const waitMs = backoffMs({ baseMs: TROUBLE_BASE_MS, maxMs: BLOCKED_MAX_MS }, times, random());
    this.#trouble = { reason, times, untilMs: nowMs() + Math.ceil(TROUBLE_BASE_MS + waitMs) };
    return reason;
  }

  // --- By the clock ---------------------------------------------------------------------------------------

  /** The time that `wake` asked for has come. */
  woken(): Promise<void> {
    return this.#inTurn(async () => {
      const { nowMs } = this.#ports;
      if ((this.#wakeMs() ?? Infinity) > nowMs()) return;
      const untilMs = nowMs() + SHARD_DUE_FOR_MS;
      while ((await this.#step(false)) !== null && nowMs() < untilMs);
    });
  }

  /** Ends all that is open, a step a turn, so that events need not wait for all of it. Answers how many it ended. */
  async drain(): Promise<number> {
    let total = 0;
    for (;;) {
      const ended = await this.#inTurn(() => this.#step(true));
      if (!ended) return total;
      total += ended;
    }
  }

  /** Some of what is due. Null: nothing is, or it does not get on now. */
  async #step(drain: boolean): Promise<number | null> {
    if ((await this.#flush()) !== null) return null;
    const loaded = this.#loaded;
    if (!loaded || loaded.config.paused) return null;
    const { config, operator } = loaded;
    try {
      const nowMs = this.#ports.nowMs();
      const due = await operator.due(nowMs, drain);
      if (this.#loaded !== loaded) return null;
      if (!due) {
        this.#trouble = null;
        // An alarm that finds nothing and is set to the same time again would never end.
        if ((operator.dueAtMs() ?? Infinity) <= nowMs)
          this.#troubled(new Error('what is due stays'));
        return null;
      }
      this.#commit(loaded, settleDue(due, config.output), null);
      this.#trouble = null;
      return (await this.#flush()) === null ? due.ended : null;
    } catch (error) {
      this.#troubled(error);
      return null;
    }
  }

  #wakeMs(): number | null {
    if (!this.#loaded) return null;
    const { config, owed, operator } = this.#loaded;
    if (this.#trouble) return owed || !config.paused ? this.#trouble.untilMs : null;
    if (owed) return this.#ports.nowMs();
    return config.paused ? null : operator.dueAtMs();
  }

  #sleep(): void {
    const atMs = this.#wakeMs();
    if (atMs !== null) this.#ports.wake(Math.max(atMs, this.#ports.nowMs()));
  }
}

const newRecord = ({ sources }: ShardConfig): ShardRecord => ({
  applied: sources.map(() => 0),
  next: { output: 0, late: 0 },
  counters: {},
});

/** Counts of nothing are not there. */
function addSome({ counters }: ShardRecord, more: ShardRecord['counters']): void {
  const some = Object.entries(more).filter(([, count]) => count !== 0);
  addCounts(counters, Object.fromEntries(some));
}

function remember(
  givenUp: Map<number, Map<number, TaskError>>,
  source: number,
  failures: readonly Failure[],
): void {
  if (failures.length === 0) return;
  const known = givenUp.get(source) ?? new Map<number, TaskError>();
  for (const { offset, error } of failures) known.set(offset, error);
  givenUp.set(source, known);
}

function failuresAmong(
  { givenUp }: Pick<Loaded<Operator>, 'givenUp'>,
  source: number,
  events: readonly Arrival[],
): Failure[] {
  const known = givenUp.get(source);
  if (!known || known.size === 0) return [];
  return events.flatMap(({ offset }) => {
    const error = known.get(offset);
    return error ? [{ offset, error }] : [];
  });
}

const blocked = (reason: string) => ({ kind: 'blocked' as const, reason });
