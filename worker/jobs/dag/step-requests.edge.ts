// What is asked of single steps of a run, and told to those that wait. What is not there is named: the run, the step, or
// the item.
import type { Json, List } from '../../../shared/schemas/common.ts';
import type { StepDetail, StepItem } from '../../../shared/schemas/dag.ts';
import type { Env } from '../../platform/env.ts';
import { dagJob } from '../../stubs.ts';
import { notFound, ProblemError } from '../../platform/problem.ts';

/** `item`: whose attempts are shown; null: of all of the step. Throws `not_found`. */
export async function stepDetail(
  env: Env,
  id: string,
  step: string,
  item: number | null,
): Promise<StepDetail> {
  const run = dagJob(env, id);
  const status = await run.step(step);
  if (!status) throw await missing(env, id, `step ${step} in ${id}`);
  const attemptsMade = await run.attempts(step, item);
  if (!attemptsMade) throw notFound(`item ${item} of the step ${step}`);
  return { ...status, step, attemptsMade };
}

/** Throws `not_found`. */
export async function stepItems(
  env: Env,
  id: string,
  step: string,
  cursor: string | undefined,
  limit: number,
): Promise<List<StepItem>> {
  const items = await dagJob(env, id).items(step, cursor, limit);
  if (!items) throw await missing(env, id, `step ${step} in ${id}`);
  return items;
}

/** Throws `not_found`, `conflict` when the run is over, `rate_limited` when too many signals wait. */
export async function sendSignal(env: Env, id: string, name: string, body: Json): Promise<void> {
  const run = dagJob(env, id);
  switch (await run.signal(name, body)) {
    case 'taken':
      return;
    case 'conflict':
      throw new ProblemError('conflict', `${id} is over: nothing waits for signals any more`);
    case 'full':
      throw new ProblemError('rate_limited', `too many signals wait to be taken by steps of ${id}`);
    case 'unknown':
      throw notFound(`step in ${id} that waits for the signal ${name}`);
    case null:
      throw notFound(`job ${id}`);
  }
}

async function missing(env: Env, id: string, what: string): Promise<ProblemError> {
  return notFound((await dagJob(env, id).get()) ? what : `job ${id}`);
}
