// A job as its events tell it: one fold over the event log gives each split's state, each mapper's lane and
// the throughput over time. Events are canonical and this is derived, so that any batching of the same
// events gives the same model. Bounded memory: typed arrays for tasks, a ring for attempts.
import type { JobEvent, TaskError } from '../../../../shared/schemas/job.ts';
import { AttemptRing, type AttemptEnd } from './attempt-ring.ts';
import {
  byOf,
  numbersOf,
  numberOf,
  errorOf,
  textOf,
  timeMsOf,
} from '../../../lib/jobs/event-fields.ts';
import { ThroughputSeries } from './throughput-series.ts';

export const TASK_STATES = [
  'waiting',
  'running',
  'checking',
  'retry',
  'committed',
  'failed',
] as const;
export type TaskState = (typeof TASK_STATES)[number];
const STATE_CODE = Object.fromEntries(TASK_STATES.map((state, code) => [state, code])) as Record<
  TaskState,
  number
>;

/** One mapper: a volunteer, or the edge. */
export interface Lane {
  /** Index; a task's `owner` is this plus 1. */
  index: number;
  by: string;
  name: string;
  active: number;
  committed: number;
  failed: number;
  returned: number;
  records: number;
  bytes: number;
  /** Sum of the running times of its committed attempts. */
  ms: number;
}

export interface FailedAttempt {
  seq: number;
  atMs: number;
  task: number | null;
  partition: number | null;
  attempt: number;
  by: string;
  name: string;
  error: TaskError;
}

export interface PartState {
  state: 'waiting' | 'committed' | 'failed';
  keys: number;
  bytes: number;
  ms: number;
}

const FAILURES_MAX = 100;
const DISAGREEMENTS_MAX = 100;
const EVENTS_MAX = 1_000;
const LANES_MAX = 5_000;

export class JobModel {
  lastSeq = 0;
  /** Raised with every event taken in: what a view watches. */
  version = 0;
  splits = 0;
  planned = false;
  /** Codes of TASK_STATES, one a split. */
  taskStates = new Uint8Array(0);
  /** Lane index + 1 of who holds or committed the split; 0 for no mapper. */
  taskOwners = new Uint16Array(0);
  /** Attempts granted, up to 255. */
  taskAttempts = new Uint8Array(0);
  taskMs = new Float32Array(0);
  readonly counts: Record<TaskState, number> = {
    waiting: 0,
    running: 0,
    checking: 0,
    retry: 0,
    committed: 0,
    failed: 0,
  };
  readonly lanes: Lane[] = [];
  readonly attempts = new AttemptRing();
  readonly throughput = new ThroughputSeries();
  parts: PartState[] = [];
  /** The first ones: later ones mostly repeat them. */
  readonly failures: FailedAttempt[] = [];
  failuresSeen = 0;
  readonly disagreements: { seq: number; task: number; attempts: number[] }[] = [];
  /** Why it waited, or why the edge maps: the last word of each. */
  waitingFor = '';
  edgeBecause = '';
  /** The newest ones, oldest first. */
  events: JobEvent[] = [];
  eventsSeen = 0;
  firstMs: number | null = null;
  lastMs: number | null = null;
  mappingFromMs: number | null = null;
  reducingFromMs: number | null = null;
  endedMs: number | null = null;
  readonly #laneOf = new Map<string, Lane>();

  /** Takes events in order; those already taken are skipped, so that a resumed stream may overlap. */
  fold(events: readonly JobEvent[]): void {
    for (const event of events) {
      if (event.seq <= this.lastSeq) continue;
      this.lastSeq = event.seq;
      this.#take(event);
    }
    this.version++;
  }

  stateOf(task: number): TaskState {
    return TASK_STATES[this.taskStates[task] ?? 0] ?? 'waiting';
  }

  ownerOf(task: number): Lane | null {
    return this.lanes[(this.taskOwners[task] ?? 0) - 1] ?? null;
  }

  get partsDone(): number {
    return this.parts.filter((part) => part.state === 'committed').length;
  }

  #take(event: JobEvent): void {
    const atMs = timeMsOf(event);
    this.firstMs ??= atMs;
    this.lastMs = Math.max(this.lastMs ?? atMs, atMs);
    this.eventsSeen++;
    this.events.push(event);
    // Trimmed in halves: amortised, and the same however the events were batched.
    if (this.events.length > EVENTS_MAX) this.events.splice(0, EVENTS_MAX / 2);
    switch (event.type) {
      case 'planned':
        return this.#plan(numberOf(event, 'splits'));
      case 'waiting':
        this.waitingFor = textOf(event, 'reason');
        return;
      case 'mapping':
        this.mappingFromMs ??= atMs;
        this.waitingFor = '';
        return;
      case 'granted':
        return this.#granted(event, atMs);
      case 'committed':
        return this.#committed(event, atMs);
      case 'attemptFailed':
        return this.#attemptFailed(event, atMs);
      case 'returned':
        return this.#returned(event, atMs);
      case 'disagreement':
        return this.#disagreement(event);
      case 'edge':
        this.edgeBecause = textOf(event, 'reason');
        return;
      case 'reducing':
        this.mappingFromMs ??= atMs;
        this.reducingFromMs = atMs;
        this.waitingFor = '';
        return this.#openParts(numberOf(event, 'partitions'));
      case 'partReduced':
        return this.#partReduced(event);
      case 'reduceFailed':
        return this.#reduceFailed(event, atMs);
      case 'retried':
        return this.#retried();
      case 'done':
      case 'failed':
      case 'cancelled':
        return this.#ended(event, atMs);
      case 'submitted':
        return;
    }
  }

  #plan(splits: number): void {
    this.splits = splits;
    this.planned = true;
    this.taskStates = new Uint8Array(splits);
    this.taskOwners = new Uint16Array(splits);
    this.taskAttempts = new Uint8Array(splits);
    this.taskMs = new Float32Array(splits);
    for (const state of TASK_STATES) this.counts[state] = 0;
    this.counts.waiting = splits;
  }

  #granted(event: JobEvent, atMs: number): void {
    const lane = this.#lane(event);
    this.waitingFor = '';
    for (const [task = -1, attempt = 0] of numbersOf(event, 'tasks')) {
      if (!this.#has(task)) continue;
      // A task whose attempt is still out gets another one to compare them.
      const second = this.attempts.openOf(task).length > 0;
      this.attempts.open(task, attempt, lane.index, atMs);
      lane.active++;
      this.taskAttempts[task] = Math.min(255, (this.taskAttempts[task] ?? 0) + 1);
      this.taskOwners[task] = lane.index + 1;
      this.#setState(task, second ? 'checking' : 'running');
    }
  }

  #committed(event: JobEvent, atMs: number): void {
    const lane = this.#lane(event);
    for (const row of numbersOf(event, 'tasks')) {
      const [task = -1, attempt = 0, ms = 0, records = 0, bytes = 0] = row;
      if (!this.#has(task) || this.stateOf(task) === 'committed') continue;
      this.#close(task, attempt, 'committed', atMs, ms);
      // The others at it were revoked, or agreed and were dropped.
      for (const open of this.attempts.openOf(task)) this.#close(task, open, 'dropped', atMs, null);
      this.taskOwners[task] = lane.index + 1;
      this.taskMs[task] = ms;
      this.#setState(task, 'committed');
      lane.committed++;
      lane.records += records;
      lane.bytes += bytes;
      lane.ms += ms;
      this.throughput.add(atMs, { tasks: 1, records, bytes });
    }
  }

  #attemptFailed(event: JobEvent, atMs: number): void {
    const task = numberOf(event, 'task', -1);
    const attempt = numberOf(event, 'attempt');
    const lane = this.#lane(event);
    lane.failed++;
    if (this.#has(task)) {
      this.#close(task, attempt, 'failed', atMs, null);
      this.#settle(task, 'retry');
    }
    this.#noteFailure(event, atMs, { task, partition: null, attempt });
  }

  #returned(event: JobEvent, atMs: number): void {
    const lane = this.#lane(event);
    for (const [task = -1, attempt = 0] of numbersOf(event, 'tasks')) {
      if (!this.#has(task)) continue;
      if (this.#close(task, attempt, 'returned', atMs, null)) lane.returned++;
      this.#settle(task, 'waiting');
    }
  }

  #disagreement(event: JobEvent): void {
    const task = numberOf(event, 'task', -1);
    const attempts = event['attempts'];
    if (this.disagreements.length < DISAGREEMENTS_MAX) {
      const list = Array.isArray(attempts) ? attempts.map(Number) : [];
      this.disagreements.push({ seq: event.seq, task, attempts: list });
    }
    if (this.#has(task) && this.stateOf(task) !== 'committed') this.#setState(task, 'checking');
  }

  #openParts(partitions: number): void {
    // Parts that a failed reduce had finished stay: a retry runs only what is missing.
    this.parts = Array.from({ length: partitions }, (_, partition): PartState => {
      const before = this.parts[partition];
      return before?.state === 'committed'
        ? before
        : { state: 'waiting', keys: 0, bytes: 0, ms: 0 };
    });
  }

  #partReduced(event: JobEvent): void {
    const part = this.parts[numberOf(event, 'partition', -1)];
    if (!part) return;
    part.state = 'committed';
    part.keys = numberOf(event, 'keys');
    part.bytes = numberOf(event, 'bytes');
    part.ms = numberOf(event, 'ms');
  }

  #reduceFailed(event: JobEvent, atMs: number): void {
    const partition = numberOf(event, 'partition', -1);
    const part = this.parts[partition];
    if (part && part.state !== 'committed') part.state = 'failed';
    this.#noteFailure(event, atMs, {
      task: null,
      partition,
      attempt: numberOf(event, 'attempt'),
    });
  }

  #retried(): void {
    this.endedMs = null;
    this.waitingFor = '';
    for (let task = 0; task < this.splits; task++) {
      if (this.stateOf(task) === 'failed') this.#setState(task, 'retry');
    }
  }

  #ended(event: JobEvent, atMs: number): void {
    this.endedMs = atMs;
    this.waitingFor = '';
    for (const { task, attempt } of this.attempts.allOpen()) {
      this.#close(task, attempt, 'dropped', atMs, null);
      this.#settle(task, 'waiting');
    }
    if (event.type === 'failed') {
      const task = errorOf(event)?.task;
      for (let other = 0; other < this.splits; other++) {
        if (this.stateOf(other) === 'retry' || other === task) {
          if (this.stateOf(other) !== 'committed') this.#setState(other, 'failed');
        }
      }
    }
    if (event.type === 'done') {
      // Partitions without a record are committed without a reducer, and without an event.
      for (const part of this.parts) part.state = 'committed';
    }
  }

  #noteFailure(
    event: JobEvent,
    atMs: number,
    where: Pick<FailedAttempt, 'task' | 'partition' | 'attempt'>,
  ): void {
    const error = errorOf(event);
    this.failuresSeen++;
    if (!error || this.failures.length >= FAILURES_MAX) return;
    const by = where.partition === null ? byOf(event) : 'edge';
    this.failures.push({ seq: event.seq, atMs, ...where, by, name: textOf(event, 'name'), error });
  }

  #has(task: number): boolean {
    return Number.isInteger(task) && task >= 0 && task < this.splits;
  }

  /** After an attempt ended unfinished: others at the task go on, else it waits again. */
  #settle(task: number, otherwise: 'waiting' | 'retry'): void {
    if (this.stateOf(task) === 'committed') return;
    const open = this.attempts.openOf(task).length;
    if (open > 0) this.#setState(task, open > 1 ? 'checking' : 'running');
    else {
      this.taskOwners[task] = 0;
      // A failure is remembered until somebody takes the task up again.
      const state = otherwise === 'waiting' && this.stateOf(task) === 'retry' ? 'retry' : otherwise;
      this.#setState(task, state);
    }
  }

  #close(task: number, attempt: number, end: AttemptEnd, atMs: number, ms: number | null): boolean {
    const lane = this.attempts.close(task, attempt, end, atMs, ms);
    const owner = lane === null ? undefined : this.lanes[lane];
    if (owner) owner.active--;
    return lane !== null;
  }

  #setState(task: number, state: TaskState): void {
    this.counts[this.stateOf(task)]--;
    this.taskStates[task] = STATE_CODE[state];
    this.counts[state]++;
  }

  #lane(event: JobEvent): Lane {
    const by = byOf(event);
    const name = textOf(event, 'name');
    let lane = this.#laneOf.get(by);
    if (!lane) {
      const rest = this.lanes.length >= LANES_MAX;
      // Past the bound, newcomers share the last lane.
      const last = rest ? this.lanes.at(-1) : undefined;
      lane = last ?? {
        index: this.lanes.length,
        by,
        name: '',
        active: 0,
        committed: 0,
        failed: 0,
        returned: 0,
        records: 0,
        bytes: 0,
        ms: 0,
      };
      if (!last) this.lanes.push(lane);
      this.#laneOf.set(by, lane);
    }
    if (lane.by === by && name !== '') lane.name = name;
    if (lane.name === '') lane.name = by === 'edge' ? 'edge' : by.slice(0, 8);
    return lane;
  }
}
