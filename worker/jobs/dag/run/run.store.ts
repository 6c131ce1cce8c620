// The RunObject's tables and every statement on them. Rows cost money: a step is one row, fifty items are one, and the
// events of a turn are one. A text that is too long for a row is cut into pieces.
import {
  RUN_EVENTS_KEPT,
  STEP_ATTEMPT_PACKS_KEPT,
  STEP_ITEMS_PER_ROW,
} from '../../../../shared/limits.ts';
import { setOwn } from '../../../../shared/own.ts';
import type { Operation } from '../../../../shared/pricing.ts';
import type { JobEvent } from '../../../../shared/schemas/job.ts';
import { LongTexts } from '../../../platform/long-texts.store.ts';
import { Sql, type SqlSource } from '../../../platform/sql.store.ts';
import {
  type AttemptRecord,
  type Head,
  newUnit,
  type RunRecord,
  type StepJob,
  type StepRecord,
  type Submitted,
  type UnitRecord,
  type WatchRecord,
} from './run-record.ts';

const EVENTS_PER_ROW = 500;

const MIGRATIONS = [
  {
    id: 'run-1',
    sql: `
      CREATE TABLE texts (kind TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL, piece INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (kind, name, n, piece)) WITHOUT ROWID;
      CREATE TABLE events (last INTEGER PRIMARY KEY, text TEXT NOT NULL);
    `,
  },
];

/**
 * `run`: one of each name. By step: `step`, its `items` (JSON as it was evaluated), `units` (a number of items a row),
 * `attempts` (an answer a row), `watch` (a partition a row) and `submitting` (an attempt a row). By job: `job`. By number: `claims`.
 */
type Kind =
  'run' | 'step' | 'items' | 'units' | 'attempts' | 'watch' | 'submitting' | 'job' | 'claims';

interface Found extends Record<string, SqlStorageValue> {
  name: string;
  n: number;
  text: string;
}

export class RunStore {
  readonly operations: Record<Operation, number> = {
    workerRequest: 0,
    durableObjectRequest: 0,
    rowWritten: 0,
    rowRead: 0,
    r2Write: 0,
    r2Read: 0,
    queueOperation: 0,
  };
  readonly #sql: Sql;
  readonly #pieces: LongTexts;
  /** What the rows of steps say, as far as it may change. */
  readonly #stored = new Map<string, string>();
  #events: JobEvent[] = [];
  #lastSeq = 0;

  constructor(storage: SqlSource) {
    this.#sql = new Sql(storage, this.operations);
    this.#pieces = new LongTexts(this.#sql, 'texts', { keys: ['kind', 'name', 'n'] });
  }

  /** Nothing was ever stored: asking must not make a database of it. */
  get empty(): boolean {
    return this.#sql.empty;
  }

  open(): void {
    this.#sql.migrate(MIGRATIONS);
    const row = this.#sql.first<{ last: number | null }>('SELECT max(last) AS last FROM events');
    this.#lastSeq = row?.last ?? 0;
  }

  transaction<Result>(work: () => Result): Result {
    return this.#sql.transaction(work);
  }

  // --- Texts ----------------------------------------------------------------------------------------

  #save(kind: Kind, name: string, n: number, text: string): void {
    this.#pieces.save(text, kind, name, n);
  }

  /** Of a kind, or of one name of it, in order; one at a time, since all may be more than fits in memory. */
  *#texts(kind: Kind, name: string | null = null, newestFirst = false): Generator<Found> {
    const order = newestFirst ? 'name, n DESC, piece' : 'name, n, piece';
    let whole: Found | null = null;
    for (const row of this.#sql.each<Found>(
      `SELECT name, n, text FROM texts WHERE kind = ? AND (? IS NULL OR name = ?) ORDER BY ${order}`,
      kind,
      name,
      name,
    )) {
      if (whole && whole.name === row.name && whole.n === row.n) whole.text += row.text;
      else {
        if (whole) yield whole;
        whole = row;
      }
    }
    if (whole) yield whole;
  }

  #json<Value>(kind: Kind, name: string): Value | null {
    const [found] = [...this.#texts(kind, name)];
    return found ? (JSON.parse(found.text) as Value) : null;
  }

  #delete(kind: Kind, name: string, n: number): void {
    this.#pieces.delete(kind, name, n);
  }

  // --- The run --------------------------------------------------------------------------------------

  saveSubmitted(submitted: Submitted): void {
    this.#save('run', 'submitted', 0, JSON.stringify(submitted));
  }
  submitted(): Submitted | null {
    return this.#json('run', 'submitted');
  }
  saveHead(head: Head): void {
    this.#save('run', 'head', 0, JSON.stringify(head));
  }
  head(): Head | null {
    return this.#json('run', 'head');
  }
  saveSignals(signals: RunRecord['signals']): void {
    this.#save('run', 'signals', 0, JSON.stringify(signals));
  }

  /** The whole record of the run; steps that never changed are as `fresh` makes them. */
  record(head: Head, steps: readonly string[], fresh: () => StepRecord): RunRecord {
    const { state, createdAtMs, finishedAtMs, error } = head;
    const signals = this.#json<RunRecord['signals']>('run', 'signals') ?? {};
    const record: RunRecord = {
      state,
      createdAtMs,
      finishedAtMs,
      error,
      steps: Object.fromEntries(steps.map((name) => [name, fresh()])),
      signals,
    };
    for (const { name, text } of this.#texts('step')) {
      setOwn(record.steps, name, { ...(JSON.parse(text) as StepRecord), items: null });
    }
    for (const { name, text } of this.#texts('items')) {
      const step = record.steps[name];
      // Stored as texts of JSON: so nothing is written differently when it is read again.
      if (step) {
        step.items = (JSON.parse(text) as string[]).map((json) => ({
          json,
          unit: { ...newUnit(), state: 'ready' },
        }));
      }
    }
    for (const { name, n, text } of this.#texts('units')) {
      for (const [i, unit] of (JSON.parse(text) as UnitRecord[]).entries()) {
        const item = record.steps[name]?.items?.[n * STEP_ITEMS_PER_ROW + i];
        if (item) item.unit = unit;
      }
    }
    for (const [name, step] of Object.entries(record.steps)) this.#stored.set(name, changing(step));
    return record;
  }

  /** Writes the step's row, unless only its items changed. */
  saveStep(name: string, record: StepRecord): void {
    const now = changing(record);
    if (this.#stored.get(name) === now) return;
    this.#stored.set(name, now);
    this.#save('step', name, 0, JSON.stringify({ ...record, items: null }));
  }

  saveItems(step: string, items: readonly { json: string }[]): void {
    this.#save('items', step, 0, JSON.stringify(items.map(({ json }) => json)));
  }

  /** Those of one row: items from `row` × STEP_ITEMS_PER_ROW on. */
  saveUnits(step: string, row: number, units: readonly UnitRecord[]): void {
    this.#save('units', step, row, JSON.stringify(units));
  }

  // --- Attempts -------------------------------------------------------------------------------------

  addAttempts(step: string, attempts: readonly AttemptRecord[]): void {
    if (attempts.length === 0) return;
    const row = this.#sql.first<{ n: number | null }>(
      `SELECT max(n) AS n FROM texts WHERE kind = 'attempts' AND name = ?`,
      step,
    );
    const n = (row?.n ?? -1) + 1;
    this.#save('attempts', step, n, JSON.stringify(attempts));
    if (n >= STEP_ATTEMPT_PACKS_KEPT) {
      this.#delete('attempts', step, n - STEP_ATTEMPT_PACKS_KEPT);
    }
  }

  /** Newest answers first; those of one answer in its order. */
  *attempts(step: string): Generator<AttemptRecord> {
    for (const { text } of this.#texts('attempts', step, true)) {
      yield* JSON.parse(text) as AttemptRecord[];
    }
  }

  // --- What others have to be told --------------------------------------------------------------------

  /** The step's job is about to be submitted: from now on there may be one whose id the run was never told. */
  saveSubmitting(step: string, attempt: number): void {
    this.#save('submitting', step, attempt, '');
  }
  submitting(): { step: string; attempt: number }[] {
    return [...this.#texts('submitting')].map(({ name, n }) => ({ step: name, attempt: n }));
  }
  deleteSubmitting(step: string, attempt: number): void {
    this.#delete('submitting', step, attempt);
  }

  saveJob({ job, ...rest }: StepJob): void {
    this.#save('job', job, 0, JSON.stringify(rest));
  }
  jobs(): StepJob[] {
    return [...this.#texts('job')].map(({ name, text }) => ({
      job: name,
      ...(JSON.parse(text) as Omit<StepJob, 'job'>),
    }));
  }

  saveWatch({ step, partition, ...rest }: WatchRecord): void {
    this.#save('watch', step, partition, JSON.stringify(rest));
  }
  watches(): WatchRecord[] {
    return [...this.#texts('watch')].map(({ name, n, text }) => ({
      step: name,
      partition: n,
      ...(JSON.parse(text) as Omit<WatchRecord, 'step' | 'partition'>),
    }));
  }
  deleteWatch(step: string): void {
    this.#sql.run(`DELETE FROM texts WHERE kind = 'watch' AND name = ?`, step);
  }

  /** Tokens that the run refers to from now on. */
  addClaims(tokens: readonly string[]): void {
    if (tokens.length === 0) return;
    const row = this.#sql.first<{ n: number | null }>(
      `SELECT max(n) AS n FROM texts WHERE kind = 'claims'`,
    );
    this.#save('claims', 'owed', (row?.n ?? -1) + 1, JSON.stringify(tokens));
  }
  /** `owed`: the ClaimObjects do not know yet. `held`: they know. */
  claims(state: 'owed' | 'held'): { n: number; tokens: string[] }[] {
    return [...this.#texts('claims', state)].map(({ n, text }) => ({
      n,
      tokens: JSON.parse(text) as string[],
    }));
  }
  claimsHeld(n: number): void {
    this.#sql.run(
      `UPDATE texts SET name = 'held' WHERE kind = 'claims' AND name = 'owed' AND n = ?`,
      n,
    );
  }
  deleteClaims(n: number): void {
    this.#sql.run(`DELETE FROM texts WHERE kind = 'claims' AND n = ?`, n);
  }

  // --- Events ---------------------------------------------------------------------------------------

  /** Written with the others of this turn, by `saveEvents`. */
  addEvent(event: Omit<JobEvent, 'seq'>): void {
    this.#events.push({ ...event, seq: ++this.#lastSeq } as JobEvent);
  }
  saveEvents(): void {
    for (let i = 0; i < this.#events.length; i += EVENTS_PER_ROW) {
      const some = this.#events.slice(i, i + EVENTS_PER_ROW);
      const last = some.at(-1)?.seq ?? 0;
      this.#sql.run('INSERT INTO events (last, text) VALUES (?, ?)', last, JSON.stringify(some));
      if (last > RUN_EVENTS_KEPT) {
        this.#sql.run('DELETE FROM events WHERE last <= ?', last - RUN_EVENTS_KEPT);
      }
    }
    this.#events = [];
  }
  eventsAfter(after: number, limit: number): JobEvent[] {
    const events: JobEvent[] = [];
    for (const { text } of this.#sql.each<{ text: string }>(
      'SELECT text FROM events WHERE last > ? ORDER BY last LIMIT ?',
      after,
      limit,
    )) {
      for (const event of JSON.parse(text) as JobEvent[]) {
        if (event.seq > after) events.push(event);
      }
      if (events.length >= limit) break;
    }
    return events.slice(0, limit);
  }

  // --- The end --------------------------------------------------------------------------------------

  /** Forgets everything but what has to be let go: jobs, watches, claims. */
  wipe(run: string): void {
    this.#sql.run(`DELETE FROM texts WHERE kind IN ('run', 'step', 'items', 'units', 'attempts')`);
    this.#sql.run('DELETE FROM events');
    this.#save('run', 'forgotten', 0, JSON.stringify(run));
  }
  forgotten(): string | null {
    return this.#json('run', 'forgotten');
  }
}

/** A step's row would say the same again while this does: outputs and items come with a change of the state. */
function changing(record: StepRecord): string {
  const { output, items, events, ...rest } = record;
  return JSON.stringify([rest, output?.kind, items === null, Object.keys(events)]);
}
