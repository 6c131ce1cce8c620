// Programs of a DAG job on their way in: stored by their content, so that runs of the same definition share them.
import type { Env } from '../../../platform/env.ts';
import { stepProgramKey } from '../../../platform/keys.ts';
import { sha256Hex } from '../../../platform/sha256.ts';
import type { ProgramRef } from '../../../contracts/step-runner.rpc.ts';

/** Stores a compiled text; see compileStep and compileExpressions. */
export async function storeStepProgram(
  env: Pick<Env, 'BUCKET'>,
  text: string,
): Promise<ProgramRef> {
  const hash = await sha256Hex(text);
  const key = stepProgramKey(hash);
  // The same program may be stored by many at once: who comes second finds it there.
  await env.BUCKET.put(key, text, { onlyIf: { etagDoesNotMatch: '*' } });
  return { key, hash };
}
