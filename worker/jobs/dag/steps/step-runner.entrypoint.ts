// The StepRunner: a stateless Worker of its own, called by RunObjects, so that running code and moving bytes takes
// none of an object's time and memory.
import { WorkerEntrypoint } from 'cloudflare:workers';
import { guardBindings } from '../../../platform/bindings.edge.ts';
import type { Env } from '../../../platform/env.ts';
import { evaluateExpressions, runUnits } from './step-runner.edge.ts';
import type {
  EvaluateAnswer,
  EvaluateCall,
  StepRunAnswer,
  StepRunCall,
  StepRunnerRpc,
} from '../../../contracts/step-runner.rpc.ts';

export class StepRunner extends WorkerEntrypoint<Env> implements StepRunnerRpc {
  run(call: StepRunCall, stopped: () => Promise<void>): Promise<StepRunAnswer> {
    const work = runUnits(guardBindings(this.env), call, Date.now);
    // What a call has under way ends with it: its code in the isolate, and what that asked for.
    const ended = (): StepRunAnswer => ({ results: [], operations: {} });
    return Promise.race([work, stopped().then(ended, ended)]);
  }

  evaluate(call: EvaluateCall): Promise<EvaluateAnswer> {
    return evaluateExpressions(guardBindings(this.env), call);
  }
}
