// Programs of a DAG job on their way in: stored by their content, so that runs of the same definition share them.
import type { ProgramRef } from '../../../contracts/step-runner.rpc.ts';
import { storeByContent } from '../../../isolates/store-by-content.edge.ts';
import type { Env } from '../../../platform/env.ts';
import { stepProgramKey } from '../../../platform/keys.ts';

/** Stores a compiled text; see compileStep and compileExpressions. */
export const storeStepProgram = (env: Pick<Env, 'BUCKET'>, text: string): Promise<ProgramRef> =>
  storeByContent(env, text, stepProgramKey);
