// /api/jobs: jobs of both kinds. Validates, calls, answers.
import { Hono } from 'hono';
import { ListQuery } from '../../shared/schemas/common.ts';
import { JobListQuery } from '../../shared/schemas/job.ts';
import { type AnyJob, JobSpec } from '../../shared/schemas/jobs.ts';
import { assertStepNames } from '../jobs/dag/read-spec.ts';
import { submitRun } from '../jobs/dag/submit.edge.ts';
import { eventStream } from '../jobs/mapreduce/event-stream.ts';
import { submitJob } from '../jobs/mapreduce/submit.edge.ts';
import type { AppEnv } from '../platform/env.ts';
import { anyJob, catalog, mapReduceJob } from '../stubs.ts';
import { parse } from '../platform/parse.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { idempotencyKey, jsonBodyAndText, parseQuery } from '../platform/validate.ts';

const found = <Value>(value: Value | null, id: string): Value => {
  if (value === null) throw notFound(`job ${id}`);
  return value;
};

const changed = (job: AnyJob | 'conflict' | null, id: string, why: string): AnyJob => {
  const value = found(job, id);
  if (value === 'conflict') throw new ProblemError('conflict', why);
  return value;
};

export const jobRoutes = new Hono<AppEnv>()
  .post('/', async (c) => {
    const { text, value } = await jsonBodyAndText(c.req.raw);
    const spec = parse(JobSpec, value, 'body');
    if (spec.kind === 'dag') assertStepNames(text, spec);
    const key = idempotencyKey(c.req.raw);
    const job: AnyJob =
      spec.kind === 'dag' ? await submitRun(c.env, spec, key) : await submitJob(c.env, spec, key);
    return c.json(job, 201, { location: `/api/jobs/${job.id}` });
  })
  .get('/', async (c) => c.json(await catalog(c.env).jobs(parseQuery(c, JobListQuery))))
  .get('/:id', async (c) => {
    const id = c.req.param('id');
    return c.json(found<AnyJob>(await anyJob(c.env, id).get(), id));
  })
  .get('/:id/tasks', async (c) => {
    const id = c.req.param('id');
    const { cursor, limit } = parseQuery(c, ListQuery);
    return c.json(found(await mapReduceJob(c.env, id, 'tasks').tasks(cursor, limit), id));
  })
  .get('/:id/events', async (c) => {
    const id = c.req.param('id');
    const { cursor, limit } = parseQuery(c, ListQuery);
    const after = Number.parseInt(cursor ?? '0', 10) || 0;
    const items = found(await anyJob(c.env, id).events(after, limit), id);
    const last = items.at(-1);
    return c.json({ items, next: items.length === limit && last ? String(last.seq) : null });
  })
  .get('/:id/events/live', async (c) => {
    const id = c.req.param('id');
    const after =
      Number.parseInt(c.req.header('last-event-id') ?? c.req.query('after') ?? '0', 10) || 0;
    return found(await eventStream(anyJob(c.env, id), after, c.req.raw.signal), id);
  })
  .post('/:id/cancel', async (c) => {
    const id = c.req.param('id');
    return c.json(changed(await anyJob(c.env, id).cancel(), id, 'the job has ended'));
  })
  .post('/:id/retry', async (c) => {
    const id = c.req.param('id');
    const why = 'only a job that failed, or a DAG job that was cancelled, can be tried again';
    return c.json(changed(await anyJob(c.env, id).retry(), id, why));
  })
  .delete('/:id', async (c) => {
    const id = c.req.param('id');
    if (!(await anyJob(c.env, id).forget())) throw notFound(`job ${id}`);
    return c.body(null, 204);
  });
