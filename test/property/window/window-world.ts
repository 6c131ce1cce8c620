// The world of one shard of windows in Node: its tables on a real SQLite, a clock that is moved by hand, a program whose
// isolate fails, stops early or dies when it is told to, and a process that may end between any two steps. What was
// committed survives. Stands for the shard around the operator: offsets, retries, and one transaction a change.
import { DatabaseSync } from 'node:sqlite';
import type {
  FireCall,
  FireOutcome,
  FoldCall,
  FoldOutcome,
} from '../../../shared/streaming/process.ts';
import type { EventWindow, RetrySpec } from '../../../shared/schemas/processor.ts';
import type {
  Arrival,
  Change,
  KeyedCode,
  Late,
  Lost,
} from '../../../worker/processors/keyed/operator.ts';
import {
  WindowOperator,
  type WindowBounds,
} from '../../../worker/processors/window/window-operator.ts';
import {
  WINDOW_MIGRATIONS,
  type WindowSql,
  WindowStore,
  type SqlRow,
} from '../../../worker/processors/window/window.store.ts';

export interface TestEvent {
  key: string;
  timeMs: number;
  /** Milliseconds from its time to its append. */
  delayMs: number;
  /** `add` fails on so many attempts; Infinity: always. */
  fails: number;
}

/** A window as `process` got it: its events as source:offset, in order. */
export interface FiredWindow {
  key: string;
  startMs: number;
  endMs: number;
  count: number;
  events: string[];
}

class IsolateDied extends Error {}
/** The process ended. */
class Ended extends Error {}

export interface WorldSetting {
  window: EventWindow;
  adds: boolean;
  sources: TestEvent[][];
  retry: RetrySpec;
  bounds: WindowBounds;
  /** From 0 to 1, each anew. */
  random(): number;
  /** Shares of calls that end so. */
  deaths: number;
  stops: number;
  /** Shares of windows whose `process` throws. */
  throws: number;
  /** Keys of windows whose closing kills the isolate. */
  kills?: string[];
}

export class WindowWorld {
  nowMs = 1_000_000_000;
  calm = false;
  readonly fired: FiredWindow[] = [];
  readonly late: Late[] = [];
  readonly lost: Lost[] = [];
  readonly dead = new Set<string>();
  /** By source. */
  readonly applied: number[];
  readonly #attempts: number[];
  readonly #db = new DatabaseSync(':memory:');
  readonly #setting: WorldSetting;
  operator: WindowOperator;

  constructor(setting: WorldSetting) {
    this.#setting = setting;
    this.applied = setting.sources.map(() => 0);
    this.#attempts = setting.sources.map(() => 0);
    for (const { sql } of WINDOW_MIGRATIONS) this.#db.exec(sql);
    this.operator = this.#open(false);
  }

  /** The process ends, and another one takes over. */
  restart(paused = false): void {
    this.operator = this.#open(paused);
  }

  #open(paused: boolean): WindowOperator {
    const { window, adds, retry, sources, bounds, random } = this.#setting;
    return new WindowOperator(new WindowStore(this.#sql()), this.#code(), {
      window,
      adds,
      retry,
      sources: sources.length,
      bounds,
      random,
      paused,
      nowMs: () => this.nowMs,
      crashOf: (error) =>
        error instanceof IsolateDied ? { code: 'deadline', message: 'it died' } : null,
    });
  }

  rows(table: 'panes' | 'ends' | 'retries'): number {
    return Number(this.#db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
  }

  left(source: number): number {
    return (this.#setting.sources[source]?.length ?? 0) - (this.applied[source] ?? 0);
  }

  /** One batch of a partition; `back` of its events were applied before. False: the process died on the way. */
  async apply(source: number, count: number, back = 0): Promise<boolean> {
    const events = this.#setting.sources[source] ?? [];
    const from = this.applied[source] ?? 0;
    const to = Math.min(events.length, from + count);
    const arrivals = events
      .slice(Math.max(0, from - back), to)
      .map((_, i) => this.#arrival(source, Math.max(0, from - back) + i));
    const attempt = (this.#attempts[source] ?? 0) + 1;
    const final = attempt >= this.#setting.retry.maxAttempts;
    return this.#survives(async () => {
      const fresh = arrivals.filter(({ offset }) => offset >= from);
      const clock = this.#clockOf(source, arrivals);
      const ended = await this.#settle(source, fresh, clock, attempt, final);
      // A batch that came to nothing was tried once more; whatever moves on begins anew.
      this.#attempts[source] = ended ? attempt : 0;
    });
  }

  #arrival(source: number, offset: number): Arrival {
    const { key, timeMs, delayMs } = this.#setting.sources[source]?.[offset] as TestEvent;
    const line = `{"partition":${source},"offset":${offset},"id":"${source}:${offset}","time":${timeMs}}`;
    return { offset, key, line, appendedMs: timeMs + delayMs };
  }

  #clockOf(source: number, arrivals: readonly Arrival[]): { maxTimeMs: number } | null {
    const times = arrivals.flatMap(({ offset, appendedMs }) => {
      const { timeMs } = this.#setting.sources[source]?.[offset] as TestEvent;
      return timeMs > (appendedMs ?? 0) + this.#setting.window.skewMs ? [] : [timeMs];
    });
    return times.length > 0 ? { maxTimeMs: Math.max(...times) } : null;
  }

  /** True: it ended with a failure, and goes on from there. */
  async #settle(
    source: number,
    events: Arrival[],
    clock: { maxTimeMs: number } | null,
    attempt: number,
    final: boolean,
  ): Promise<boolean> {
    const { nowMs } = this;
    const call = { source, attempt, final, redrive: false, nowMs };
    const change = await this.operator.apply({ ...call, events, clock });
    const [failure] = change.failures;
    if (failure && !final) {
      const before = events.filter(({ offset }) => offset < failure.offset);
      if (before.length > 0) await this.#settle(source, before, null, attempt, false);
      return true;
    }
    this.#dieSometimes();
    this.#commit(change);
    for (const { offset } of change.failures) this.dead.add(`${source}:${offset}`);
    const end = change.stoppedAt ?? (events.at(-1)?.offset ?? (this.applied[source] ?? 0) - 1) + 1;
    this.applied[source] = Math.max(this.applied[source] ?? 0, end);
    return false;
  }

  #commit({ write, outputs, late, lost }: Change): void {
    this.#sql().transaction(write);
    this.fired.push(...outputs.map(({ text }) => JSON.parse(text) as FiredWindow));
    this.late.push(...late);
    this.lost.push(...lost);
    for (const { source, offset } of lost) this.dead.add(`${source}:${offset}`);
  }

  rested(source: number): void {
    if (this.left(source) === 0) this.operator.rested(source, this.nowMs);
  }

  /** A step of what is due. Answers how many windows it ended. */
  async due(drain: boolean): Promise<number | null> {
    let ended: number | null = null;
    await this.#survives(async () => {
      const closed = await this.operator.due(this.nowMs, drain);
      this.#dieSometimes();
      if (closed) this.#commit(closed);
      ended = closed?.ended ?? null;
    });
    return ended;
  }

  async drain(): Promise<void> {
    for (let steps = 0; ; steps++) {
      if (steps === 10_000) throw new Error('drained for ever');
      if (!(await this.due(true)) && this.operator.dueAtMs() === null) return;
    }
  }

  /** Moves the clock, and gives the shard its alarms on the way. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (let alarms = 0; ; alarms++) {
      if (alarms === 10_000) throw new Error('alarms without end');
      const atMs = this.operator.dueAtMs();
      if (atMs === null || atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      await this.due(false);
    }
    this.nowMs = untilMs;
  }

  async #survives(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Ended || error instanceof IsolateDied)) throw error;
      if (error instanceof Ended) this.restart();
      return false;
    }
  }

  #happens(share: number): boolean {
    return !this.calm && this.#setting.random() < share;
  }

  #dieSometimes(): void {
    if (this.#happens(this.#setting.deaths)) throw new Ended();
  }

  #sql(): WindowSql {
    const db = this.#db;
    const all = <Row extends SqlRow>(query: string, ...bindings: (string | number | null)[]) =>
      db.prepare(query).all(...bindings) as Row[];
    return {
      all,
      run: (query, ...bindings) => void all(query, ...bindings),
      transaction: (work) => {
        db.exec('BEGIN');
        try {
          const result = work();
          db.exec('COMMIT');
          return result;
        } catch (error) {
          db.exec('ROLLBACK');
          throw error;
        }
      },
    };
  }

  // --- The program: a state is the list of the events' ids ------------------------------------------------

  #code(): KeyedCode {
    return {
      fold: async (call) => {
        await Promise.resolve();
        if (this.#happens(this.#setting.deaths)) throw new IsolateDied();
        this.#dieSometimes();
        return this.#fold(call);
      },
      fire: async (call) => {
        await Promise.resolve();
        // Not of one alone: it would be given up, and `throws` is for that.
        if (call.units.length > 1 && this.#happens(this.#setting.deaths)) throw new IsolateDied();
        this.#dieSometimes();
        if (call.units.some(({ key }) => this.#setting.kills?.includes(key))) {
          throw new IsolateDied();
        }
        return this.#fire(call);
      },
    };
  }

  #fold(call: Omit<FoldCall, 'params' | 'version'>): FoldOutcome {
    const { keys, keepGoing, attempt } = call;
    const lines = call.text.split('\n');
    const states = new Map(
      call.states.map(([key, texts]) => [
        key,
        texts.flatMap((text) => JSON.parse(text) as string[]),
      ]),
    );
    const changed = new Map<string, string[]>();
    const outcome: FoldOutcome = {
      changed: [],
      outputs: '',
      outputOffsets: [],
      failures: [],
      stoppedAt: null,
      log: [],
    };
    for (let i = 0; i < lines.length;) {
      const { partition, offset, id } = JSON.parse(lines[i] as string) as {
        partition: number;
        offset: number;
        id: string;
      };
      let end = i;
      while (lines[end] === lines[i]) end++;
      if (i > 0 && this.#happens(this.#setting.stops)) {
        outcome.stoppedAt = offset;
        break;
      }
      const { fails } = this.#setting.sources[partition]?.[offset] as TestEvent;
      if (attempt <= fails) {
        outcome.failures.push({ offset, error: { code: 'program_threw', message: 'no' } });
        if (!keepGoing) break;
      } else {
        for (const key of keys.slice(i, end)) {
          const state = changed.get(key) ?? states.get(key) ?? [];
          changed.set(key, [...state, id]);
        }
      }
      i = end;
    }
    outcome.changed = [...changed].map(([key, state]) => ({
      key,
      state: JSON.stringify(state),
      ttlMs: null,
    }));
    return outcome;
  }

  #fire({ units }: Omit<FireCall, 'params' | 'version'>): FireOutcome {
    const outcome: FireOutcome = {
      outputs: '',
      outputUnits: [],
      failures: [],
      stoppedAt: null,
      log: [],
    };
    const outputs: string[] = [];
    for (const [unit, { json }] of units.entries()) {
      if (unit > 0 && this.#happens(this.#setting.stops)) {
        outcome.stoppedAt = unit;
        break;
      }
      if (this.#happens(this.#setting.throws)) {
        outcome.failures.push({ unit, error: { code: 'program_threw', message: 'no' } });
        continue;
      }
      const { key, startMs, endMs, count, state, events } = JSON.parse(json) as Omit<
        FiredWindow,
        'events'
      > & {
        state?: string[] | null;
        events?: { id: string }[];
      };
      const ids = events ? events.map(({ id }) => id) : (state ?? []);
      outputs.push(JSON.stringify({ key, startMs, endMs, count, events: ids }));
      outcome.outputUnits.push(unit);
    }
    outcome.outputs = outputs.map((text) => `${text}\n`).join('');
    return outcome;
  }
}
