// A shard's joins: takes events in, fires what is complete, and ends what has waited too long. Joins that a batch
// completes are handed to the code in one call. It keeps nothing in memory that would be missed.
import { JOIN_ROUNDS_MAX } from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { Arrival, Arrivals, Change, Late, Operator, Output } from '../keyed/operator.ts';
import type { DueRows } from './due-rows.store.ts';
import { fireJoins, type Fired } from './fire.ts';
import { arrive, ended, idAndType, type Join, type JoinEvent, type Moment } from './join.ts';
import { writeChanges } from './commit.ts';
import type { JoinChange, JoinStore } from './join.store.ts';
import { JOIN_SIZES, type JoinParts, type JoinSizes } from './parts.ts';
import { TimeOuts } from './time-outs.ts';
import { Waiting } from './waiting.ts';

/** What a batch comes to, as far as it is known which joins fire well. */
interface Walk {
  after: Map<string, Join | null>;
  /** In order. By the place in the batch of the event that was the last one missing. */
  complete: { at: number; join: Join }[];
  late: Late[];
  repeated: number;
  failures: { at: number; error: TaskError }[];
}

export class JoinOperator implements Operator {
  readonly #parts: JoinParts;
  readonly #callBytes: number;
  readonly #store: JoinStore;
  readonly #rows: DueRows;
  readonly #timeOuts: TimeOuts;
  /** For people to read. */
  readonly waiting: Waiting;

  constructor(parts: JoinParts, sizes: JoinSizes = JOIN_SIZES) {
    this.#parts = parts;
    this.#callBytes = sizes.callBytes;
    this.#store = parts.store;
    this.#rows = parts.rows;
    this.#timeOuts = new TimeOuts(parts, sizes, this.#store, this.#rows);
    this.waiting = new Waiting(this.#store, this.#rows, parts.sources, sizes.pageLooks);
  }

  async apply(arrivals: Arrivals): Promise<Change> {
    const { final, nowMs, redrive } = arrivals;
    const record = this.#store.record();
    const { types } = record;
    const tickMs = Math.max(nowMs, record.tickMs + 1);
    const moment: Moment = { rules: this.#parts.rules, types, tickMs, nowMs, redrive };
    const events = arrivals.events.map((arrival) => eventOf(arrival, arrivals.source));
    const keys = [...new Set(events.map(({ key }) => key))];
    const { joins: before, looked } = this.#store.read(keys, this.#callBytes);
    const read = new Set(keys.slice(0, looked));
    // What is too much to be held at once waits for the next batch.
    let end =
      looked === keys.length ? events.length : events.findIndex(({ key }) => !read.has(key));

    const fired = new Map<number, Fired>();
    const log: string[] = [];
    for (let round = 1; ; round++) {
      const walk = walkThrough(events.slice(0, end), before, fired, moment);
      const first = final ? undefined : walk.failures[0];
      if (first) return failed(events[first.at] as JoinEvent, first.error, log);
      const fresh = walk.complete.filter(({ at }) => !fired.has(at));
      if (fresh.length === 0) return this.#change(events, end, before, walk, fired, tickMs, log);
      if (round > JOIN_ROUNDS_MAX) {
        end = fresh[0]?.at ?? end;
        continue;
      }
      const joins = fresh.map(({ join }) => join);
      const outcome = await fireJoins(this.#parts.code, joins, types, arrivals.attempt);
      outcome.fired.forEach((one, i) => fired.set(fresh[i]?.at ?? -1, one));
      log.push(...outcome.log);
      const left = fresh[outcome.fired.length];
      if (left) end = left.at;
    }
  }

  #change(
    events: readonly JoinEvent[],
    end: number,
    before: ReadonlyMap<string, Join>,
    walk: Walk,
    fired: ReadonlyMap<number, Fired>,
    tickMs: number,
    log: string[],
  ): Change {
    const outputs = walk.complete.flatMap(({ at }): Output[] => {
      const { source, offset } = events[at] as JoinEvent;
      const one = fired.get(at);
      return one?.ok ? one.outputs.map((text) => ({ source, offset, text })) : [];
    });
    return {
      write: () => this.#write(before, walk.after, tickMs),
      outputs,
      late: walk.late,
      lost: [],
      counters: { fired: walk.complete.length, repeated: walk.repeated },
      log,
      failures: walk.failures.map(({ at, error }) => ({
        offset: (events[at] as JoinEvent).offset,
        error,
      })),
      stoppedAt: events[end]?.offset ?? null,
    };
  }

  #write(
    before: ReadonlyMap<string, Join>,
    after: ReadonlyMap<string, Join | null>,
    tickMs: number,
  ): void {
    if (after.size === 0) return;
    const record = this.#store.record();
    const changes = Array.from(after, ([key, join]): JoinChange => ({
      key,
      before: before.get(key) ?? null,
      after: join,
    }));
    writeChanges(this.#store, this.#rows, record, changes, tickMs);
    this.#rows.tidy(record, ([startMs, keys]) =>
      this.#store.open(keys, startMs).map(({ key }) => key),
    );
    this.#store.save(record);
  }

  /** Joins know the clock only. */
  rested(): void {}

  due(nowMs: number, drain: boolean): Promise<(Change & { ended: number }) | null> {
    return this.#timeOuts.due(nowMs, drain);
  }

  dueAtMs(): number | null {
    return this.#rows.nextDueMs();
  }

  keys(): number {
    return this.#store.record().keys;
  }

  bytes(): number {
    return this.#store.record().bytes;
  }

  /** How many keys wait for each type. */
  missing(): { type: string; count: number }[] {
    const { types, missing } = this.#store.record();
    return types.map((type, i) => ({ type, count: missing[i] ?? 0 }));
  }
}

function eventOf({ key, offset, line }: Arrival, source: number): JoinEvent {
  return { key, source, offset, line, ...idAndType(line) };
}

/** The batch, with what has fired: those that failed are left out, and others may take their places. */
function walkThrough(
  events: readonly JoinEvent[],
  before: ReadonlyMap<string, Join>,
  fired: ReadonlyMap<number, Fired>,
  moment: Moment,
): Walk {
  const walk: Walk = { after: new Map(), complete: [], late: [], repeated: 0, failures: [] };
  const { after } = walk;
  events.forEach((event, at) => {
    const one = fired.get(at);
    if (one && !one.ok) return void walk.failures.push({ at, error: one.error });
    const { key, source, offset, line } = event;
    const join = after.get(key);
    const arrived = arrive(join === undefined ? (before.get(key) ?? null) : join, event, moment);
    switch (arrived.kind) {
      case 'repeated':
        walk.repeated++;
        break;
      case 'late':
        walk.late.push({ source, offset, key, line, reason: arrived.reason });
        break;
      case 'refused':
        walk.failures.push({ at, error: arrived.error });
        break;
      case 'taken':
        if (!arrived.complete) return void after.set(key, arrived.join);
        walk.complete.push({ at, join: arrived.join });
        after.set(key, ended(arrived.join, { state: 'fired', lost: false }, moment.tickMs));
    }
  });
  return walk;
}

const failed = ({ offset }: JoinEvent, error: TaskError, log: string[]): Change => ({
  write: () => undefined,
  outputs: [],
  late: [],
  lost: [],
  counters: {},
  log,
  failures: [{ offset, error }],
  stoppedAt: null,
});
