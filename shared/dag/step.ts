// What crosses between the edge and an isolate that runs steps of a DAG job. Plain values only; nothing computes.
import type { TaskError } from '../schemas/job.ts';

/** One step, or one item of a `forEach`, tried once. */
export interface StepUnit {
  /** Null: the step has no `forEach`. */
  item: number | null;
  /** JSON of the item; null without `forEach`. */
  itemJson: string | null;
  /** Counts from 1. */
  attempt: number;
}

/** Units of one step, run side by side: `export default (input, ctx)`. */
export interface StepCall {
  /**
   * JSON of the run's input, and of the outputs of the steps that this one needs: `{"input": …, "steps": {…}}`. A
   * function gets a copy of its own, with `item` beside them.
   */
  json: string;
  units: StepUnit[];
  timeoutMs: number;
}

export interface StepOutcome {
  /** In the order of the units. `bytes`: it returned a Uint8Array, an ArrayBuffer, or {bytes, contentType}. */
  results: (
    | { kind: 'json'; json: string; log: string[] }
    | { kind: 'bytes'; bytes: Uint8Array; contentType: string; log: string[] }
    | { kind: 'failed'; error: TaskError; log: string[] }
  )[];
}

/** Expressions of a step, over the same `{input, steps}`. */
export interface ExpressionCall {
  json: string;
  /** Which of the program's expressions are asked for: see compileDag. */
  names: string[];
}

export interface ExpressionOutcome {
  /** JSON of each value; `undefined` is null. */
  results: ({ ok: true; json: string } | { ok: false; error: TaskError })[];
}
