// JobSteps: a stateless Worker of its own, called by RunObjects, so that what steps' jobs read and write takes none of an
// object's time and memory.
import { WorkerEntrypoint } from 'cloudflare:workers';
import { guardBindings } from '../../../platform/bindings.edge.ts';
import type { Env } from '../../../platform/env.ts';
import {
  cancelStepJob,
  collectMapReduceStep,
  collectVolunteerStep,
  deleteStepJob,
  submitMapReduceStep,
  submitVolunteerStep,
} from './job-steps.edge.ts';
import type {
  JobStepsRpc,
  MapReduceStepCall,
  StepJobState,
  StepJobSubmitted,
  VolunteerStepCall,
} from '../../../contracts/job-steps.rpc.ts';

export class JobSteps extends WorkerEntrypoint<Env> implements JobStepsRpc {
  get #env(): Env {
    return guardBindings(this.env);
  }

  submitVolunteerStep(call: VolunteerStepCall): Promise<StepJobSubmitted> {
    return submitVolunteerStep(this.#env, call);
  }

  collectVolunteerStep(job: string, place: number): Promise<StepJobState> {
    return collectVolunteerStep(this.#env, job, place, Date.now);
  }

  submitMapReduceStep(call: MapReduceStepCall): Promise<StepJobSubmitted> {
    return submitMapReduceStep(this.#env, call);
  }

  collectMapReduceStep(job: string): Promise<StepJobState> {
    return collectMapReduceStep(this.#env, job, Date.now);
  }

  cancelStepJob(job: string): Promise<void> {
    return cancelStepJob(this.#env, job);
  }

  deleteStepJob(job: string): Promise<void> {
    return deleteStepJob(this.#env, job);
  }
}
