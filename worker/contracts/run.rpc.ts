// What others may ask of a RunObject: one run of a DAG.
import type { Json, List } from '../../shared/schemas/common.ts';
import type {
  DagJob,
  DagSpec,
  StepAttempt,
  StepItem,
  StepStatus,
} from '../../shared/schemas/dag.ts';
import type { JobEvent } from '../../shared/schemas/job.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { KeyPath } from '../../shared/schemas/processor.ts';
import type { NewEvents } from './job.rpc.ts';

export interface RunSubmission {
  job: string;
  spec: DagSpec;
  levels: string[][];
  /** Step → its compiled program in R2 (steps that run code). */
  programs: Record<string, { key: string; hash: string }>;
  /** All expressions of the definition, one program; null: there are none. */
  expressions: { key: string; hash: string } | null;
  guard: boolean;
}

export interface RunRpc {
  /** Idempotent by job id. */
  submit(submission: RunSubmission): Promise<DagJob>;
  get(): Promise<DagJob | null>;
  /** With its output, also where `get` leaves it out. */
  step(step: string): Promise<StepStatus | null>;
  items(step: string, cursor: string | undefined, limit: number): Promise<List<StepItem> | null>;
  attempts(step: string, item: number | null): Promise<StepAttempt[] | null>;
  /** What the result is made of, in the order of the levels, a page at a time: see outputs-page.ts. */
  outputs(from: OutputsPlace): Promise<({ state: DagJob['state'] } & OutputsPage) | null>;
  /** 'conflict': the run is over. 'full': too many wait already. 'unknown': no step waits for one of this name. */
  signal(name: string, body: Json): Promise<'taken' | 'conflict' | 'full' | 'unknown' | null>;
  /** What a step waits for in a partition of its stream; null: nothing (any more). */
  watching(step: string, partition: number): Promise<Watching | null>;
  /** A watched partition was read up to `to`, and these events have the key. Answers what is waited for from there on. */
  arrived(
    step: string,
    partition: number,
    to: number,
    events: { type: string; json: string }[],
  ): Promise<Watching | null>;
  /** A job that a step submitted has ended. */
  jobEnded(job: string): Promise<void>;
  cancel(): Promise<DagJob | 'conflict' | null>;
  retry(): Promise<DagJob | 'conflict' | null>;
  delete(): Promise<boolean>;
  events(after: number, limit: number): Promise<JobEvent[] | null>;
  eventsAfter(after: number, limit: number, waitMs: number): Promise<NewEvents | null>;
}

/** What a unit came to: small ones lie in the run, large ones and bytes in R2. `json`: what lies there is JSON. */
export type Output =
  { kind: 'json'; json: string } | { kind: 'claim'; claim: Claim; json: boolean };

/** A step, or an item of its `forEach` (counted from 0). */
export interface Unit {
  step: string;
  item: number | null;
}

/** A step by its number in the order of the levels, and an item of its `forEach`. */
export interface OutputsPlace {
  step: number;
  item: number;
}

export interface OutputsPiece {
  step: string;
  /** Of a step with `forEach`, which of its items these are from; else null, and `outputs` has one or, if skipped, none. */
  from: number | null;
  outputs: Output[];
}

export interface OutputsPage {
  pieces: OutputsPiece[];
  next: OutputsPlace | null;
  /** Of the whole result: JSON that lies in R2, and has to be read from there. */
  claims: number;
}

/** What the dispatcher has to know to read a partition for a step. */
export interface Watching {
  from: number;
  types: string[];
  keyBy: KeyPath;
  key: string;
}
