// From a checked specification to a run: compiles graph, code and expressions, looks for what the steps read, stores the
// programs by their content, and hands the rest to the RunObject. Everything that can be refused is refused here.
import type { DagJob, DagSpec } from '../../../shared/schemas/dag.ts';
import { submitOnce } from '../../catalog/job-key.edge.ts';
import type { Env } from '../../platform/env.ts';
import { JOB_PREFIXES } from '../../platform/ids.ts';
import { newId } from '../../platform/new-id.edge.ts';
import { runObject } from '../../stubs.ts';
import { sideBySide } from '../../platform/side-by-side.ts';
import { checkInputs, checkJobs } from './check-inputs.edge.ts';
import { type CompiledDag, compileDag } from './definition.ts';
import type { RunSubmission } from '../../contracts/run.rpc.ts';
import { storeStepProgram } from './steps/step-program.edge.ts';

/** Connections that one request may have open. */
const STORED_AT_ONCE = 6;

/** Throws ProblemError. The same `idempotencyKey` with the same specification is the same run. */
export async function submitRun(
  env: Env,
  spec: DagSpec,
  idempotencyKey: string | null,
): Promise<DagJob> {
  const compiled = compileDag(spec);
  checkJobs(spec);
  const id = newId(JOB_PREFIXES.dag, Date.now());
  return submitOnce(env, { key: idempotencyKey, spec, id }, async (job) => {
    const known = idempotencyKey === null ? null : await runObject(env, job).get();
    if (known) return known;
    await checkInputs(env, spec);
    return runObject(env, job).submit({
      job,
      spec,
      levels: compiled.levels,
      ...(await storePrograms(env, compiled)),
      guard: env.LOCAL === '1',
    });
  });
}

async function storePrograms(
  env: Env,
  { programs, expressions }: CompiledDag,
): Promise<Pick<RunSubmission, 'programs' | 'expressions'>> {
  const texts = new Set(Object.values(programs));
  if (expressions !== null) texts.add(expressions);
  const order = [...texts];
  const stored = await sideBySide(order, STORED_AT_ONCE, (text) => storeStepProgram(env, text));
  const refs = new Map(order.map((text, i) => [text, stored[i]]));
  const refOf = (text: string) => {
    const ref = refs.get(text);
    if (!ref) throw new Error('a program was not stored');
    return ref;
  };
  return {
    programs: Object.fromEntries(
      Object.entries(programs).map(([step, text]) => [step, refOf(text)]),
    ),
    expressions: expressions === null ? null : refOf(expressions),
  };
}
