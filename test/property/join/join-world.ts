// The joins of one shard in Node, on a real SQLite, with a clock that is moved by hand and code in JavaScript. It does
// what a shard does: one change at a time, retries, bisecting, dead letters, alarms; and it can die before a change
// is written.
import { DatabaseSync } from 'node:sqlite';
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import type { LateReason, RetrySpec, JoinRules } from '../../../shared/schemas/processor.ts';
import type { FireCall, FireOutcome } from '../../../shared/streaming/process.ts';
import { JoinOperator } from '../../../worker/processors/join/join-operator.ts';
import { DueRows } from '../../../worker/processors/join/due-rows.store.ts';
import {
  JOIN_MIGRATIONS,
  type JoinSql,
  JoinStore,
} from '../../../worker/processors/join/join.store.ts';
import { JOIN_SIZES, type JoinSizes } from '../../../worker/processors/join/parts.ts';
import type { Arrival, Change, KeyedCode } from '../../../worker/processors/keyed/operator.ts';

export class Crash extends Error {}

/** What the fake code does with a join that holds such an event. */
export type Trait = 'good' | 'bad' | 'deadly';

export interface Sent {
  source: number;
  key: string;
  type: string;
  id: string;
  trait: Trait;
  pad?: number;
}
export interface Told extends Sent {
  offset: number;
}

export interface Applied {
  atMs: number;
  redrive: boolean;
  event: Told;
}

const SMALL: Partial<JoinSizes> = {
  callBytes: 1_000,
  dueTogether: 2,
  rowKeys: 3,
  rowChars: 60,
  rowMs: 5,
  staleKeys: 1,
  tidyKeys: 4,
  forgetKeys: 3,
  pageLooks: 3,
};

export class JoinWorld {
  nowMs = 1_000_000;
  readonly outputs: { source: number; offset: number; key: string; ids: (string | null)[] }[] = [];
  readonly late: { source: number; offset: number; reason: LateReason }[] = [];
  readonly lost: { source: number; offset: number; code: string; attempts: number }[] = [];
  /** Events that were given up on, because of themselves or with their join: they may be redriven. */
  readonly dead: Told[] = [];
  readonly history: Applied[] = [];
  readonly drains: number[] = [];
  readonly counters: Record<string, number> = {};
  readonly calls: { keys: string[]; attempt: number }[] = [];
  log: string[] = [];
  /** So many units a call, then time is used up. */
  unitsPerCall = Infinity;
  random = 0.5;
  operator: JoinOperator;
  rules: JoinRules;
  readonly db = new DatabaseSync(':memory:');
  readonly #sizes: JoinSizes;
  readonly #retry: RetrySpec;
  readonly #known = new Map<string, Told>();
  readonly #next: number[] = [0, 0];

  constructor(rules: JoinRules, retry: RetrySpec, sizes: Partial<JoinSizes> = SMALL) {
    this.rules = rules;
    this.#retry = retry;
    this.#sizes = { ...JOIN_SIZES, ...sizes };
    for (const { sql } of JOIN_MIGRATIONS) this.db.exec(sql);
    this.operator = this.#open();
  }

  restart(rules = this.rules): void {
    this.rules = rules;
    this.operator = this.#open();
  }

  #open(): JoinOperator {
    const { db } = this;
    const sql: JoinSql = {
      *each<Row>(query: string, ...bindings: (string | number | null)[]) {
        yield* db.prepare(query).iterate(...bindings) as Iterable<Row>;
      },
      run: (query, ...bindings) => void db.prepare(query).run(...bindings),
    };
    const sources = [0, 1].map((partition) => ({ stream: 's', uid: 'u', partition }));
    return new JoinOperator(
      {
        store: new JoinStore(sql, this.rules.types),
        rows: new DueRows(sql, this.#sizes),
        rules: this.rules,
        retry: this.#retry,
        code: this.#code,
        sources,
        random: () => this.random,
        crashOf: (error) =>
          error instanceof Crash ? { code: 'internal', message: 'it died' } : null,
      },
      this.#sizes,
    );
  }

  // --- The code: the ids by type ---

  readonly #code: KeyedCode = {
    fold: () => Promise.reject(new Error('a join folds nothing')),
    fire: (call) => Promise.resolve(this.#fire(call)),
  };

  #fire({ units, attempt }: Omit<FireCall, 'params' | 'version'>): FireOutcome {
    this.calls.push({ keys: units.map(({ key }) => key), attempt });
    const outcome: FireOutcome = {
      outputs: '',
      outputUnits: [],
      failures: [],
      stoppedAt: null,
      log: [],
    };
    for (const [unit, { key, json }] of units.entries()) {
      if (unit >= this.unitsPerCall) return { ...outcome, stoppedAt: unit };
      const joined = Object.entries(JSON.parse(json) as Record<string, Told | null>);
      const traits = joined.map(([, event]) => event?.trait);
      if (traits.includes('deadly')) throw new Crash();
      if (traits.includes('bad')) {
        const error = { code: 'program_threw' as const, message: 'bad' };
        outcome.failures.push({ unit, error });
        continue;
      }
      const ids = joined.map(([, event]) => event?.id ?? null);
      outcome.outputs += `${JSON.stringify({ key, ids })}\n`;
      outcome.outputUnits.push(unit);
    }
    return outcome;
  }

  // --- Events ---

  send(events: readonly Sent[]): Told[] {
    return events.map((event) => {
      const offset = this.#next[event.source] ?? 0;
      this.#next[event.source] = offset + 1;
      const told = { ...event, offset };
      this.#known.set(`${event.source}/${offset}`, told);
      return told;
    });
  }

  /** As a shard and its consumer do it. `dies`: so many changes are thrown away unwritten, with the process. */
  async apply(events: readonly Told[], { final = false, redrive = false, dies = 0 } = {}) {
    let left = [...events];
    let deaths = dies;
    while (left.length > 0) {
      await this.alarms();
      let change: Change;
      try {
        change = await this.#try(left, final, redrive);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        const [first] = left;
        if (left.length > 1) {
          for (const one of left) await this.apply([one], { final, redrive });
          return;
        }
        if (first) this.#addDeadLetter(first, redrive);
        this.nowMs++;
        return;
      }
      if (deaths-- > 0) {
        this.restart();
        continue;
      }
      const [failure] = change.failures;
      if (failure && !final) {
        const at = left.findIndex(({ offset }) => offset === failure.offset);
        await this.apply(left.slice(0, at), { redrive });
        await this.apply(left.slice(at, at + 1), { final: true, redrive });
        left = left.slice(at + 1);
        continue;
      }
      const stop = change.stoppedAt;
      const end = stop === null ? left.length : left.findIndex(({ offset }) => offset === stop);
      if (end <= 0) throw new Error('no event was taken');
      const failed = new Set(change.failures.map(({ offset }) => offset));
      for (const event of left.slice(0, end)) {
        if (failed.has(event.offset)) this.#addDeadLetter(event, redrive);
        else this.history.push({ atMs: this.nowMs, redrive, event });
      }
      this.#commit(change);
      left = left.slice(end);
    }
  }

  #try(events: readonly Told[], final: boolean, redrive: boolean): Promise<Change> {
    const [first] = events;
    return this.operator.apply({
      source: first?.source ?? 0,
      events: events.map(arrivalOf),
      attempt: 1,
      final,
      redrive,
      clock: null,
      nowMs: this.nowMs,
    });
  }

  #addDeadLetter(event: Told, redrive: boolean): void {
    this.history.push({ atMs: this.nowMs, redrive, event });
    this.dead.push(event);
  }

  #commit(change: Change): void {
    this.db.exec('BEGIN');
    change.write();
    this.db.exec('COMMIT');
    for (const { source, offset, text } of change.outputs) {
      const { key, ids } = JSON.parse(text) as { key: string; ids: (string | null)[] };
      this.outputs.push({ source, offset, key, ids });
    }
    for (const { source, offset, reason } of change.late)
      this.late.push({ source, offset, reason });
    for (const { source, offset, error, attempts } of change.lost) {
      this.lost.push({ source, offset, code: error.code, attempts });
      const event = this.#known.get(`${source}/${offset}`);
      if (event) this.dead.push(event);
    }
    for (const [name, count] of Object.entries(change.counters)) {
      this.counters[name] = (this.counters[name] ?? 0) + (count ?? 0);
    }
    this.log.push(...change.log);
    // No two commits at the same time: what a test expects would depend on more than it knows.
    this.nowMs++;
  }

  // --- The clock ---

  async alarms(): Promise<void> {
    for (let steps = 0; (this.operator.dueAtMs() ?? Infinity) <= this.nowMs; steps++) {
      const due = await this.operator.due(this.nowMs, false);
      if (!due) throw new Error('what is due stays');
      this.#commit(due);
      if (steps > 10_000) throw new Error('ten thousand alarms, and no end');
    }
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      await this.alarms();
      const nextMs = this.operator.dueAtMs() ?? Infinity;
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  async drain(): Promise<number> {
    await this.alarms();
    this.drains.push(this.nowMs++);
    let total = 0;
    for (;;) {
      const due = await this.operator.due(this.nowMs, true);
      if (due) this.#commit(due);
      if (!due?.ended) return total;
      total += due.ended;
    }
  }

  // --- What is there ---

  recount() {
    const { types } = this.rules;
    const rows = this.db
      .prepare('SELECT key, state, arrived, bytes, lines FROM waiting WHERE state IN (0, 3)')
      .all() as { key: string; state: number; arrived: number; bytes: number; lines: string }[];
    return {
      keys: rows.length,
      bytes: rows.reduce((sum, { lines }) => {
        const events = lines.split('\n');
        return sum + events.reduce((all, line) => all + new TextEncoder().encode(line).length, 0);
      }, 0),
      missing: types.map((type, t) => ({
        type,
        count: rows.filter(({ state, arrived }) => state === 0 && (arrived & (1 << t)) === 0)
          .length,
      })),
      listed: Number(this.db.prepare('SELECT total(keys) AS n FROM due WHERE kind = 0').get()?.n),
    };
  }

  counts() {
    const { operator } = this;
    const record = this.db.prepare('SELECT record FROM joinRecord').get()?.record;
    const { listed } = JSON.parse(String(record ?? '{"listed":0}')) as { listed: number };
    return {
      keys: operator.keys(),
      bytes: operator.bytes(),
      missing: operator.missing(),
      listed,
    };
  }

  /** All pages. */
  waiting(missing: string | null, limit: number) {
    const all: { key: string; since: string; dueAt: string | null }[] = [];
    let after: string | null = null;
    for (let asks = 0; asks < 1_000; asks++) {
      const page = this.operator.waiting.page(after, missing, limit);
      all.push(...page.items.map(({ item }) => item));
      if (!page.more) return all;
      const next = String(page.after ?? page.items.at(-1)?.order ?? '');
      if (after !== null && compareKeys(next, after) <= 0)
        throw new Error('a page that leads nowhere');
      after = next;
    }
    throw new Error('a thousand pages, and no end');
  }

  rows(table: string): number {
    return Number(this.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
  }
}

function arrivalOf({ source, offset, ...event }: Told): Arrival {
  const { key, type, id, trait, pad = 0 } = event;
  const line = JSON.stringify({
    partition: source,
    offset,
    id,
    type,
    key,
    trait,
    payload: 'x'.repeat(pad),
  });
  return { offset, key, line, appendedMs: null };
}
