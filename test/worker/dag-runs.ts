// Runs of DAG jobs for tests inside workerd: submitted straight to their object, looked at until something holds.
import { env } from 'cloudflare:test';
import { compileExpressions, compileStep } from '../../shared/dag/program.ts';
import { needsOf, readGraph } from '../../shared/dag/graph.ts';
import { DagSpec, type DagJob, type DagSpecInput } from '../../shared/schemas/dag.ts';
import { storeStepProgram } from '../../worker/jobs/dag/steps/step-program.edge.ts';
import type { RunRpc, RunSubmission } from '../../worker/contracts/run.rpc.ts';
import { newId } from '../../worker/platform/new-id.edge.ts';
import { runObject } from '../../worker/stubs.ts';

export interface NewRun {
  id: string;
  readonly run: RunRpc;
  first: DagJob;
}

export async function submissionOf(
  steps: DagSpecInput['steps'],
  input: DagSpecInput['input'] = null,
): Promise<RunSubmission> {
  const spec = DagSpec.parse({ kind: 'dag', name: 'a run', steps, input });
  const names = Object.entries(spec.steps);
  const graph = readGraph(needsOf(spec.steps));
  if (!graph.ok) throw new Error(JSON.stringify(graph.problems));
  const programs: RunSubmission['programs'] = {};
  for (const [name, step] of names) {
    if (step.run !== 'edge') continue;
    const compiled = compileStep(step.code);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
    programs[name] = await storeStepProgram(env, compiled.text);
  }
  const expressions = compileExpressions(spec);
  if (!expressions.ok) throw new Error(JSON.stringify(expressions.errors));
  return {
    job: newId('run', Date.now()),
    spec,
    levels: graph.levels,
    programs,
    expressions: expressions.text === null ? null : await storeStepProgram(env, expressions.text),
    guard: true,
  };
}

/** A stub that saw its object die is of no more use: each question has its own. */
const runOf = (id: string, first: DagJob): NewRun => ({
  id,
  first,
  get run() {
    return runObject(env, id);
  },
});

export async function submitRun(
  steps: DagSpecInput['steps'],
  input: DagSpecInput['input'] = null,
): Promise<NewRun> {
  const submission = await submissionOf(steps, input);
  return runOf(submission.job, await runObject(env, submission.job).submit(submission));
}

export const stubOf = (id: string) => env.RUNS.get(env.RUNS.idFromName(id));

/** Asks until it holds. */
export async function until(
  of: Pick<NewRun, 'run'>,
  holds: (job: DagJob) => boolean,
  waitMs = 20_000,
): Promise<DagJob> {
  const untilMs = Date.now() + waitMs;
  for (;;) {
    const job = await of.run.get();
    if (job && holds(job)) return job;
    if (Date.now() > untilMs) throw new Error(`not within ${waitMs} ms: ${JSON.stringify(job)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const over = (job: DagJob): boolean => job.state !== 'running';

/** Waits for its end by its events, as a live reader does. */
export async function ended(of: Pick<NewRun, 'run'>): Promise<DagJob> {
  let after = 0;
  for (;;) {
    const page = await of.run.eventsAfter(after, 1_000, 5_000);
    after = page?.events.at(-1)?.seq ?? after;
    if (!page?.ended) continue;
    const job = await of.run.get();
    if (!job) throw new Error('the run is gone');
    if (over(job)) return job;
  }
}
