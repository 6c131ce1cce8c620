// What crosses between the edge and an isolate that runs steps of a DAG job. Plain values only; nothing computes.
import type { TaskError } from '../schemas/job.ts';
import type { HostAnswer, ProcessHost } from '../sandbox/host.ts';

/** One step, or one item of a `forEach`, tried once. */
export interface StepUnit {
  /** Null: the step has no `forEach`. */
  item: number | null;
  /** JSON of the item; null without `forEach`. */
  itemJson: string | null;
  /** Counts from 1. */
  attempt: number;
}

/**
 * Units of one step, run side by side: `export default (input, ctx)`. Beside it goes a JSON text of the run's input and
 * the outputs of the steps that this one needs, `{"input": …, "steps": {…}}`: each function gets a copy of its own, with
 * `item` in it.
 */
export interface StepCall {
  run: string;
  step: string;
  units: StepUnit[];
  timeoutMs: number;
}

/** What the host of a step does for it. */
export interface StepHost extends ProcessHost {
  /**
   * Takes bytes that a step returned, or an output that is too large to be handed back as text, as a stream. The number
   * stands for it in the outcome.
   */
  store(body: unknown, bytes: number, contentType: string): Promise<HostAnswer<number>>;
}

export type StepResult =
  | { kind: 'json'; json: string; log: string[] }
  /** `json`: what was stored is JSON; else bytes, which it returned as a Uint8Array, an ArrayBuffer, or {bytes, contentType}. */
  | { kind: 'stored'; stored: number; json: boolean; log: string[] }
  | { kind: 'failed'; error: TaskError; log: string[] };

export interface StepOutcome {
  /**
   * In the order of the units. Never empty; where it is shorter than the units, the others count as not run: their time
   * was used up, or one before them looped without end.
   */
  results: StepResult[];
}

/** Expressions of a step, over the same `{input, steps}`. */
export interface ExpressionCall {
  /** Which of the program's expressions are asked for: see compileExpressions. */
  names: string[];
}

export interface ExpressionOutcome {
  /** In the order of the names. JSON of each value; `undefined` is null. */
  results: ({ ok: true; json: string } | { ok: false; error: TaskError })[];
}
