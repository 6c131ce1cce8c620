// What a RunObject asks of the StepRunner: a stateless Worker that runs a step's code in an isolate. So user code and
// large bytes never pass through the object. Reached as `this.ctx.exports.StepRunner`.
import type { ExpressionOutcome, StepUnit } from '../../shared/dag/step.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type { Output } from './run.rpc.ts';

/** A compiled program in R2; see compileStep and compileExpressions. */
export interface ProgramRef {
  key: string;
  hash: string;
}

/** A step that another one needs: its output, a list of them (`forEach`), or null (it was skipped). */
export interface NeededOutput {
  step: string;
  output: Output | Output[] | null;
}

export interface StepRunCall {
  run: string;
  step: string;
  program: ProgramRef;
  /** Local mode: loops are counted. */
  guard: boolean;
  services: Record<string, { url: string }>;
  /** JSON of the run's input. */
  input: string;
  needs: NeededOutput[];
  /** At most STEP_UNITS_TOGETHER. */
  units: StepUnit[];
  timeoutMs: number;
}

export type UnitResult =
  | { kind: 'done'; output: Output; log: string[] }
  | { kind: 'failed'; error: TaskError; log: string[] };

export interface StepRunAnswer {
  /** In the order of the units. Claims among them are registered and have no holder yet. */
  results: UnitResult[];
  /** Operations by kind, as Cost names them. */
  operations: Record<string, number>;
}

export interface EvaluateCall {
  program: ProgramRef;
  guard: boolean;
  input: string;
  needs: NeededOutput[];
  /**
   * `<step>.when` comes to true or false, `<step>.forEach` to a list of at most FOR_EACH_ITEMS_MAX items,
   * `<step>.key` to a text: anything else is an error.
   */
  names: string[];
}

export type EvaluateAnswer = ExpressionOutcome & { operations: Record<string, number> };

/**
 * What user code does wrong comes as a value. Both reject when infrastructure fails (the platform, a program that
 * cannot be read): then the end of the attempts is unknown, and they count as lost.
 */
export interface StepRunnerRpc {
  /** `stopped` settles when the run no longer needs this call: it ends then, its code with it, without results. */
  run(call: StepRunCall, stopped: () => Promise<void>): Promise<StepRunAnswer>;
  evaluate(call: EvaluateCall): Promise<EvaluateAnswer>;
}
