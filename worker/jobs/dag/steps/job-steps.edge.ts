// Steps whose work is a job: submitted, looked after, read back, cancelled, deleted.
import type { Job, TaskError } from '../../../../shared/schemas/job.ts';
import { STEP_INLINE_MAX_BYTES, STEP_RESULT_MAX_BYTES } from '../../../../shared/limits.ts';
import { storeClaim } from '../../../claim-check/claims.edge.ts';
import { resultStream } from '../../mapreduce/result.edge.ts';
import { checkProgram, submitAs } from '../../mapreduce/submit.edge.ts';
import type { Env } from '../../../platform/env.ts';
import { jobObject } from '../../../stubs.ts';
import { ProblemError, problemOf } from '../../../platform/problem.ts';
import type {
  MapReduceStepCall,
  StepJobState,
  StepJobSubmitted,
  VolunteerStepCall,
} from '../../../contracts/job-steps.rpc.ts';
import type { Output } from '../../../contracts/run.rpc.ts';
import { meteredOf, registered } from './step-runner.edge.ts';
import { BadOutputError } from './volunteer-outputs.ts';
import {
  collectVolunteer,
  stepJobId,
  stepJobName,
  submitVolunteer,
} from './volunteer-step.edge.ts';

export async function submitVolunteerStep(
  env: Env,
  call: VolunteerStepCall,
): Promise<StepJobSubmitted> {
  const { env: metered, counts } = meteredOf(env);
  return submitted(await submitVolunteer(metered, call), counts);
}

export async function submitMapReduceStep(
  env: Env,
  { run, runName, step, attempt, spec }: MapReduceStepCall,
): Promise<StepJobSubmitted> {
  const { env: metered, counts } = meteredOf(env);
  const job = await stepJobId(run, step, attempt);
  const named = { ...spec.job, name: stepJobName(runName, step) };
  try {
    const program = checkProgram(named);
    await submitAs(metered, job, { spec: named, program, mayComeAgain: true, run });
    return submitted(job, counts);
  } catch (error) {
    const refused = refusalOf(error);
    if (refused === null) throw error;
    return submitted(refused, counts);
  }
}

const submitted = (
  job: string | TaskError,
  operations: Record<string, number>,
): StepJobSubmitted =>
  typeof job === 'string'
    ? { kind: 'submitted', job, operations }
    : { kind: 'failed', error: job, operations };

/** Null: infrastructure failed. */
function refusalOf(error: unknown): TaskError | null {
  if (!(error instanceof ProblemError) || problemOf(error).status >= 500) return null;
  const { message } = error;
  if (error.code === 'bad_program') return { code: 'bad_program', message };
  if (error.code === 'not_found') return { code: 'input_missing', message };
  return { code: error.code === 'too_large' ? 'memory' : 'bad_value', message };
}

export async function collectVolunteerStep(
  env: Env,
  id: string,
  place: number,
  now: () => number,
): Promise<StepJobState> {
  const job = await jobObject(env, id).get();
  if (job?.state !== 'done') return unfinished(job, id);
  const { env: metered, counts } = meteredOf(env);
  try {
    const { stored, ...collected } = await collectVolunteer(metered, job, place, now);
    const operations = { ...counts, ...registered(stored) };
    return { kind: 'done', ...collected, operations };
  } catch (error) {
    if (!(error instanceof BadOutputError)) throw error;
    const message = `a volunteer's answer cannot be used: ${error.message}`;
    return { kind: 'failed', error: { code: 'bad_value', message } };
  }
}

export async function collectMapReduceStep(
  env: Env,
  id: string,
  now: () => number,
): Promise<StepJobState> {
  const job = await jobObject(env, id).get();
  if (job?.state !== 'done') return unfinished(job, id);
  const { env: metered, counts } = meteredOf(env);
  const { output, claims } = await resultOf(metered, job, now);
  const operations = { ...counts, ...registered(claims) };
  return { kind: 'done', outputs: [output], next: null, log: [], operations };
}

function unfinished(job: Job | null, id: string): StepJobState {
  if (!job) return failed({ code: 'returned', message: `its job ${id} was deleted` });
  if (job.state === 'cancelled') {
    return failed({ code: 'returned', message: `its job ${id} was cancelled` });
  }
  const { mapped, splits } = job.progress;
  if (job.state !== 'failed') {
    return { kind: 'running', reason: job.reason, done: mapped, count: splits };
  }
  const { message, task, partition: _partition, record: _record, ...error } = job.error ?? INTERNAL;
  const where = task !== undefined && splits > 1 ? `task ${task}: ` : '';
  return failed({ ...error, message: `${where}${message}` });
}

const failed = (error: TaskError): StepJobState => ({ kind: 'failed', error });
const INTERNAL: TaskError = { code: 'internal', message: 'failed' };

/** Few records stand in the output; more are a claim of NDJSON; very many stay where they are. */
async function resultOf(
  env: Env,
  { id, counters }: Job,
  now: () => number,
): Promise<{ output: Output; claims: number }> {
  const parts = (await jobObject(env, id).parts())?.parts ?? [];
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const facts = { job: id, counters, keys: counters.keysOut };
  if (bytes > STEP_RESULT_MAX_BYTES) {
    const json = JSON.stringify({ ...facts, bytes, records: null });
    return { output: { kind: 'json', json }, claims: 0 };
  }
  if (bytes > STEP_INLINE_MAX_BYTES) {
    const body = resultStream(env.BUCKET, parts, { format: 'ndjson', order: 'partition' });
    const incoming = { body, contentType: 'application/x-ndjson', contentLength: bytes };
    const claim = await storeClaim(env, incoming, now());
    return { output: { kind: 'claim', claim, json: false }, claims: 1 };
  }
  const body = resultStream(env.BUCKET, parts, { format: 'ndjson', order: 'key' });
  const lines = (await new Response(body).text()).split('\n').filter((line) => line !== '');
  const start = JSON.stringify(facts).slice(0, -1);
  return { output: { kind: 'json', json: `${start},"records":[${lines.join(',')}]}` }, claims: 0 };
}

export async function cancelStepJob(env: Env, id: string): Promise<void> {
  await jobObject(env, id).cancel();
}

export async function deleteStepJob(env: Env, id: string): Promise<void> {
  await jobObject(env, id).delete();
}
