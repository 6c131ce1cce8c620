// /api/jobs: jobs of both kinds. Their results are served in results.ts, the steps of DAG jobs in steps.ts.
import { API } from '../../shared/api/api.ts';
import { type AnyJob, JobSpec } from '../../shared/schemas/jobs.ts';
import { assertStepNames } from '../jobs/dag/read-spec.ts';
import { submitRun } from '../jobs/dag/submit.edge.ts';
import { eventStream } from '../jobs/mapreduce/event-stream.ts';
import { submitJob } from '../jobs/mapreduce/submit.edge.ts';
import { anyJob, catalog, mapReduceJob } from '../stubs.ts';
import { parse } from '../platform/parse.ts';
import { found, ProblemError } from '../platform/problem.ts';
import { idempotencyKey, jsonBodyAndText } from '../platform/validate.ts';
import { resultHandlers } from './results.ts';
import { created, type Handlers } from './serve.ts';
import { stepHandlers } from './steps.ts';

const changed = (job: AnyJob | 'conflict' | null, id: string, why: string): AnyJob => {
  const value = found(job, `job ${id}`);
  if (value === 'conflict') throw new ProblemError('conflict', why);
  return value;
};

export const jobHandlers: Handlers<'jobs'> = {
  ...resultHandlers,
  ...stepHandlers,
  async submit({ c, env }) {
    const { text, value } = await jsonBodyAndText(c.req.raw);
    const spec = parse(JobSpec, value, 'body');
    if (spec.kind === 'dag') assertStepNames(text);
    const key = idempotencyKey(c.req.raw);
    const job: AnyJob =
      spec.kind === 'dag' ? await submitRun(env, spec, key) : await submitJob(env, spec, key);
    return created(job, `/api/jobs/${job.id}`);
  },
  list: ({ env, query }) => catalog(env).jobs(query),
  get: async ({ env, params: { id } }) => found<AnyJob>(await anyJob(env, id).get(), `job ${id}`),
  async delete({ env, params: { id } }) {
    found((await anyJob(env, id).delete()) || null, `job ${id}`);
  },
  async tasks({ env, params: { id }, query: { cursor, limit } }) {
    return found(await mapReduceJob(env, id, 'tasks').tasks(cursor, limit), `job ${id}`);
  },
  async events({ env, params: { id }, query: { cursor, limit } }) {
    const items = found(await anyJob(env, id).events(Number(cursor ?? 0), limit), `job ${id}`);
    const last = items.at(-1);
    return { items, next: items.length === limit && last ? String(last.seq) : null };
  },
  async follow({ c: { req }, env, params: { id }, query }) {
    const headers = { 'last-event-id': req.header('last-event-id') };
    const last = parse(API.jobs.follow.headers, headers, 'headers')['last-event-id'];
    const after = Number(last ?? query.after ?? 0);
    return found(await eventStream(anyJob(env, id), after, req.raw.signal), `job ${id}`);
  },
  async cancel({ env, params: { id } }) {
    return changed(await anyJob(env, id).cancel(), id, 'the job has ended');
  },
  async retry({ env, params: { id } }) {
    const why = 'only a job that failed, or a DAG job that was cancelled, can be tried again';
    return changed(await anyJob(env, id).retry(), id, why);
  },
};
