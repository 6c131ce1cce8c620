// What is remembered of a DAG run: plain values, one record per step. The machine changes them, the RunObject stores them.
import type { DagSpec, StepState } from '../../../../shared/schemas/dag.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import type { Output, RunSubmission } from '../../../contracts/run.rpc.ts';

export interface UnitRecord {
  state: StepState;
  /** The newest attempt's number, 0 before the first. Never used twice. */
  attempt: number;
  /** Attempts that failed, and that were lost (their end is unknown), since the step was begun anew. */
  failures: number;
  lost: number;
  /** Not begun again before. */
  notBeforeMs: number;
  startedAtMs: number | null;
  finishedAtMs: number | null;
  output: Output | null;
  error: TaskError | null;
}

export interface StepRecord extends UnitRecord {
  /** Why it waits, was skipped or cancelled. */
  reason: string;
  /** Its expressions have been evaluated. */
  evaluated: boolean;
  /** JSON of each item, and what became of it; null without `forEach`, and before it is evaluated. */
  items: { json: string; unit: UnitRecord }[] | null;
  /** The job that does the work of a volunteer or MapReduce step. */
  job: string | null;
  /** Wait for events: the key that they have, and those that came, by type (JSON). */
  key: string | null;
  events: Record<string, string>;
  /** When a sleep is over, or a wait has waited long enough. */
  untilMs: number | null;
}

export type RunState = 'running' | 'done' | 'failed' | 'cancelled';

export interface RunRecord {
  state: RunState;
  createdAtMs: number;
  finishedAtMs: number | null;
  error: TaskError | null;
  steps: Record<string, StepRecord>;
  /** Signals that came before anything waited for them: JSON, oldest first. */
  signals: Record<string, string[]>;
}

/** What is stored of the run besides its steps. */
export interface Head {
  state: RunRecord['state'];
  createdAtMs: number;
  finishedAtMs: number | null;
  error: TaskError | null;
  operations: Record<string, number>;
}

/** Where the partitions of a stream ended when the run was submitted. */
export interface StreamEnds {
  stream: string;
  uid: string;
  ends: number[];
}

export interface Submitted extends RunSubmission {
  streams: StreamEnds[];
}

/** What is remembered of an attempt that failed, or logged something. */
export interface AttemptRecord {
  item: number | null;
  attempt: number;
  startedAtMs: number;
  finishedAtMs: number;
  error: TaskError | null;
  log: string[];
}

/** A partition that a step watches. */
export interface WatchRecord {
  step: string;
  partition: number;
  stream: string;
  uid: string;
  /** Events before it were looked at. */
  next: number;
}

/** A job that a step submitted. `open`: it may still have to be cancelled. */
export interface StepJob {
  job: string;
  step: string;
  open: boolean;
}

/** How far the job of a step is. */
export interface JobProgress {
  reason: string;
  done: number;
  count: number;
}

export const newUnit = (): UnitRecord => ({
  state: 'waiting',
  attempt: 0,
  failures: 0,
  lost: 0,
  notBeforeMs: 0,
  startedAtMs: null,
  finishedAtMs: null,
  output: null,
  error: null,
});

export const newStep = (): StepRecord => ({
  ...newUnit(),
  reason: '',
  evaluated: false,
  items: null,
  job: null,
  key: null,
  events: {},
  untilMs: null,
});

export const newRun = (spec: DagSpec, nowMs: number): RunRecord => ({
  state: 'running',
  createdAtMs: nowMs,
  finishedAtMs: null,
  error: null,
  steps: Object.fromEntries(Object.keys(spec.steps).map((name) => [name, newStep()])),
  signals: {},
});

/** What it is will not change any more, unless the run is tried again. */
export const isSettled = ({ state }: UnitRecord): boolean =>
  state === 'done' || state === 'failed' || state === 'skipped' || state === 'cancelled';
