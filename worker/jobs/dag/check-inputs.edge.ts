// What the steps of a DAG read that must be there already: streams that they wait on, and the inputs of nested jobs. Asked
// at submission, so that a misspelt name is refused at once, and not by a step that begins an hour later.
import type { DagSpec } from '../../../shared/schemas/dag.ts';
import type { MapReduceSpec } from '../../../shared/schemas/job.ts';
import { planSplits } from '../mapreduce/plan.ts';
import { checkProgram } from '../mapreduce/submit.edge.ts';
import type { Env } from '../../platform/env.ts';
import { catalog } from '../../stubs.ts';
import { notFound, ProblemError } from '../../platform/problem.ts';
import { sideBySide } from '../../platform/side-by-side.ts';

const ASKED_AT_ONCE = 6;

/** What can be said of nested jobs without asking anybody. Throws `bad_program`, `too_large`, `invalid_request`. */
export function checkJobs({ steps }: DagSpec): void {
  for (const [name, step] of Object.entries(steps)) {
    if (step.run !== 'mapreduce') continue;
    try {
      checkProgram(step.job);
      checkPlan(step.job);
    } catch (error) {
      throw error instanceof ProblemError ? ofJob(name, error) : error;
    }
  }
}

/** Inputs whose size is known: a range and a text. */
function checkPlan({ input, splitBytes }: MapReduceSpec): void {
  if ('stream' in input && input.from === 'lastRun') {
    const message = '"lastRun" is for the jobs of schedules: a step had no run before';
    throw new ProblemError('invalid_request', message, [{ path: 'input.from', message }]);
  }
  if ('stream' in input || 'dataset' in input) return;
  const bytes = 'inline' in input ? new TextEncoder().encode(input.inline).length : 0;
  const planned = planSplits(input, { bytes, gzip: false }, splitBytes);
  if (planned.ok) return;
  const { reason } = planned;
  throw new ProblemError('invalid_request', reason, [{ path: 'input', message: reason }]);
}

/** Throws `not_found`, naming every field. */
export async function checkInputs(env: Env, spec: DagSpec): Promise<void> {
  const uses = usesOf(spec);
  const byPlace = Map.groupBy(uses, ({ kind, name }) => `${kind} ${name}`);
  const missing = await sideBySide([...byPlace], ASKED_AT_ONCE, async ([place, [use]]) => {
    if (!use) return null;
    const { kind, name } = use;
    const found = await (kind === 'stream'
      ? catalog(env).stream(name)
      : catalog(env).dataset(name));
    return found ? null : place;
  });
  const errors = uses
    .filter(({ kind, name }) => missing.includes(`${kind} ${name}`))
    .map(({ kind, name, path }) => ({ path, message: notFound(`${kind} ${name}`).message }));
  const [first] = errors;
  if (first) throw new ProblemError('not_found', `${first.path}: ${first.message}`, errors);
}

interface Use {
  kind: 'stream' | 'dataset';
  name: string;
  path: string;
}

function usesOf({ steps }: DagSpec): Use[] {
  return Object.entries(steps).flatMap(([step, definition]): Use[] => {
    if (definition.run === 'wait') {
      const { stream: name } = definition;
      return name === undefined ? [] : [{ kind: 'stream', name, path: `steps.${step}.stream` }];
    }
    if (definition.run !== 'mapreduce') return [];
    const { input } = definition.job;
    const path = `steps.${step}.job.input`;
    if ('stream' in input) return [{ kind: 'stream', name: input.stream, path: `${path}.stream` }];
    if ('dataset' in input)
      return [{ kind: 'dataset', name: input.dataset, path: `${path}.dataset` }];
    return [];
  });
}

function ofJob(step: string, { code, message, errors }: ProblemError): ProblemError {
  const place = `steps.${step}.job`;
  const placed = errors.map((error) => ({ ...error, path: `${place}.${error.path}` }));
  return new ProblemError(code, `${place}: ${message}`, placed);
}
