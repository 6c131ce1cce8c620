// What a RunObject asks of JobSteps: a stateless Worker that makes a step's work a MapReduce job, for volunteers or as it
// was written, and reads back what it came to. So bytes never pass through the object. Reached as
// `this.ctx.exports.JobSteps`.
import type { MapReduceStep, VolunteerStep } from '../../shared/schemas/dag.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type { Output } from './run.rpc.ts';
import type { NeededOutput } from './step-runner.rpc.ts';

interface StepJobCall {
  run: string;
  /** Of the run: the job is shown as `<runName> / <step>`. */
  runName: string;
  step: string;
  /** The same attempt is the same job, however often it is submitted. */
  attempt: number;
}

export interface VolunteerStepCall extends StepJobCall {
  spec: VolunteerStep;
  /** JSON of the run's input. */
  input: string;
  needs: NeededOutput[];
  /** JSON of each item; null without `forEach`. Never empty. */
  items: string[] | null;
}

export interface MapReduceStepCall extends StepJobCall {
  spec: MapReduceStep;
}

export type StepJobSubmitted =
  | { kind: 'submitted'; job: string; operations: Record<string, number> }
  /** The job was refused. It would be again. */
  | { kind: 'failed'; error: TaskError; operations: Record<string, number> };

export type StepJobState =
  /** Units: splits of the job, which are the items of a volunteer step. */
  | { kind: 'running'; reason: string; done: number; count: number }
  | { kind: 'failed'; error: TaskError }
  | {
      kind: 'done';
      /**
       * Of a volunteer step with `forEach`: of its items, in order, those that come next. Else one. Claims among them
       * are registered and have no holder yet.
       */
      outputs: Output[];
      /** There are more: ask again with this place (which is not the number of an item). */
      next: number | null;
      /** What the step's code logged. */
      log: string[];
      operations: Record<string, number>;
    };

/** What is wrong with a step comes as a value. All reject when infrastructure fails; then they may be asked again. */
export interface JobStepsRpc {
  submitVolunteerStep(call: VolunteerStepCall): Promise<StepJobSubmitted>;
  /** `place`: 0, then `next` of the answer before. */
  collectVolunteerStep(job: string, place: number): Promise<StepJobState>;
  submitMapReduceStep(call: MapReduceStepCall): Promise<StepJobSubmitted>;
  collectMapReduceStep(job: string): Promise<StepJobState>;
  /** Idempotent, as is the next. */
  cancelStepJob(job: string): Promise<void>;
  /** The run is deleted: its jobs go too. */
  deleteStepJob(job: string): Promise<void>;
}
