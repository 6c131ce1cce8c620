// An operator whose events say themselves what they do to the code that runs them: change a state, fail, kill the
// isolate, wait for another, come late. Its states lie in a table of its own.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type {
  Arrival,
  Arrivals,
  Change,
  Lost,
  Operator,
  Output,
  Place,
} from '../../../worker/processors/keyed/operator.ts';
import type { Sql } from '../../../worker/platform/sql.store.ts';

export type Deed =
  /** Is added to the state of its key, and emits so many outputs. */
  | { kind: 'add'; outputs: number; keyed: boolean }
  | { kind: 'flaky'; share: number }
  /** Fails, or kills the isolate, until the code is mended. */
  | { kind: 'poison' }
  | { kind: 'killer' }
  /** Emits what is no event, or what no stream takes, until the code is mended. */
  | { kind: 'invalid' }
  | { kind: 'refused' }
  | { kind: 'late' }
  /** Waits for another one under its key, and is lost when none comes in time. */
  | { kind: 'pair' }
  /** Has nothing where its key should be. */
  | { kind: 'keyless' };

export class Crash extends Error {}

interface Waiting extends Place {
  line: string;
}

interface State {
  added: Place[];
  waiting: Waiting | null;
  dueMs: number | null;
}

export interface DeedWorld {
  random(): number;
  mended(): boolean;
  /** The code runs: others may do something meanwhile, and it may be killed. */
  running(): Promise<void>;
  pairWaitsMs: number;
  /** Counts runs of code. */
  nextRun(): number;
}

const DUE_AT_ONCE = 3;

const MIGRATIONS = [
  {
    id: 'deeds-1',
    sql: `CREATE TABLE states (key TEXT PRIMARY KEY, json TEXT NOT NULL, dueMs INTEGER) WITHOUT ROWID;
      CREATE INDEX states_due ON states (dueMs) WHERE dueMs IS NOT NULL;`,
  },
];

export class DeedOperator implements Operator {
  readonly #sql: Sql;
  readonly #world: DeedWorld;

  constructor(sql: Sql, world: DeedWorld) {
    this.#sql = sql;
    this.#world = world;
    sql.migrate(MIGRATIONS);
  }

  async apply({ source, events, final, nowMs }: Arrivals): Promise<Change> {
    await this.#world.running();
    const deeds = events.map(({ line }) => deedOf(line));
    if (deeds.some(({ kind }) => kind === 'killer') && !this.#world.mended()) throw new Crash();
    const states = new Map(events.map(({ key }) => [key, this.state(key)]));
    const change = nothing();
    const run = this.#world.nextRun();
    const stop = events.findIndex((_, i) => i > 0 && this.#world.random() < 0.03);
    if (stop > 0) change.stoppedAt = events[stop]?.offset ?? null;
    for (const [i, event] of events.slice(0, stop > 0 ? stop : undefined).entries()) {
      const error = this.#error(deeds[i] as Deed);
      if (error) {
        change.failures.push({ offset: event.offset, error });
        if (!final) return { ...nothing(), failures: change.failures };
        continue;
      }
      const state = states.get(event.key) as State;
      this.#do(change, state, deeds[i] as Deed, source, event, run, nowMs);
    }
    change.write = () => {
      for (const [key, state] of states) this.#save(key, state);
    };
    return change;
  }

  #error(deed: Deed): TaskError | null {
    const fails =
      (deed.kind === 'poison' && !this.#world.mended()) ||
      (deed.kind === 'flaky' && !this.#world.mended() && this.#world.random() < deed.share);
    return fails ? { code: 'program_threw', message: `no ${deed.kind}` } : null;
  }

  #do(
    change: Change,
    state: State,
    deed: Deed,
    source: number,
    { offset, key, line }: Arrival,
    run: number,
    nowMs: number,
  ): void {
    const at = { source, offset };
    if (deed.kind === 'late') {
      change.late.push({ ...at, key, line, reason: 'closed' });
      return;
    }
    if (deed.kind === 'pair') {
      if (state.waiting) {
        const { line: _, ...first } = state.waiting;
        change.outputs.push(output(at, { pair: [first, at] }, null));
        change.counters.fired = (change.counters.fired ?? 0) + 1;
      }
      const waits = state.waiting === null;
      state.waiting = waits ? { ...at, line } : null;
      state.dueMs = waits ? nowMs + this.#world.pairWaitsMs : null;
      return;
    }
    state.added.push(at);
    const wrong = !this.#world.mended() && (deed.kind === 'invalid' || deed.kind === 'refused');
    const { outputs, keyed } = deed.kind === 'add' ? deed : { outputs: 1, keyed: false };
    for (let nth = 0; nth < outputs; nth++) {
      // Other keys in every run: so other partitions.
      const to = keyed ? `key-${Math.floor(this.#world.random() * 1_000)}` : null;
      const made = output(at, { at, nth, run }, to);
      if (wrong && deed.kind === 'invalid') made.text = '{"payload":"without a type"}';
      if (wrong && deed.kind === 'refused') made.text = '{"type":"Refused"}';
      change.outputs.push(made);
    }
  }

  rested(): void {}

  async due(nowMs: number, drain: boolean): Promise<(Change & { ended: number }) | null> {
    await this.#world.running();
    const rows = this.#sql.all<{ key: string }>(
      'SELECT key FROM states WHERE dueMs IS NOT NULL AND dueMs <= ? LIMIT ?',
      drain ? Number.MAX_SAFE_INTEGER : nowMs,
      DUE_AT_ONCE,
    );
    if (rows.length === 0) return null;
    const lost = rows.map(({ key }): Lost => {
      const { line, source, offset } = this.state(key).waiting as Waiting;
      const error: TaskError = { code: 'deadline', message: 'alone' };
      return { source, offset, line, error, attempts: 1 };
    });
    const write = () => {
      for (const { key } of rows) {
        this.#save(key, { ...this.state(key), waiting: null, dueMs: null });
      }
    };
    return { ...nothing(), write, lost, counters: { timedOut: rows.length }, ended: rows.length };
  }

  dueAtMs(): number | null {
    return (
      this.#sql.first<{ atMs: number | null }>(
        'SELECT min(dueMs) AS atMs FROM states WHERE dueMs IS NOT NULL',
      )?.atMs ?? null
    );
  }

  keys(): number {
    return this.#sql.first<{ n: number }>('SELECT count(*) AS n FROM states')?.n ?? 0;
  }
  bytes(): number {
    return 0;
  }

  state(key: string): State {
    const query = 'SELECT json FROM states WHERE key = ?';
    const row = this.#sql.first<{ json: string }>(query, key);
    return row ? (JSON.parse(row.json) as State) : { added: [], waiting: null, dueMs: null };
  }

  #save(key: string, state: State): void {
    const query = 'INSERT OR REPLACE INTO states (key, json, dueMs) VALUES (?, ?, ?)';
    this.#sql.run(query, key, JSON.stringify(state), state.dueMs);
  }
}

const deedOf = (line: string): Deed =>
  (JSON.parse(line) as { payload: { deed: Deed } }).payload.deed;

const output = (at: Place, payload: unknown, key: string | null): Output => ({
  ...at,
  text: JSON.stringify({ type: 'O', key, payload }),
});

const nothing = (): Change => ({
  write: () => undefined,
  outputs: [],
  late: [],
  lost: [],
  counters: {},
  log: [],
  failures: [],
  stoppedAt: null,
});
