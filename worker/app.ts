// The API: one Hono chain, one way through it. Access is checked here, so that a new route is closed unless
// it is opened below.
import { Hono } from 'hono';
import { operations } from '../shared/api/api.ts';
import { claimHandlers } from './api/claims.ts';
import { datasetHandlers } from './api/datasets.ts';
import { docsHandlers } from './api/docs.ts';
import { jobHandlers } from './api/jobs.ts';
import { leaseHandlers } from './api/leases.ts';
import { processorHandlers } from './api/processors.ts';
import { scheduleHandlers } from './api/schedules.ts';
import { serve } from './api/serve.ts';
import { streamHandlers } from './api/streams.ts';
import { swarmHandlers } from './api/swarm.ts';
import { userHandlers } from './api/users.ts';
import { authorize } from './platform/auth.ts';
import type { AppEnv } from './platform/env.ts';
import { ProblemError, problemResponse } from './platform/problem.ts';

/** Open to anybody, whatever the method: the paths of the operations that say so. */
const openPaths = operations().flatMap(({ open, path }) => (open ? [path] : []));
const OPEN = new RegExp(
  `^(${openPaths.map((path) => path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')).join('|')})$`,
);

export const app = new Hono<AppEnv>()
  .use('/api/*', async (c, next) => {
    if (!OPEN.test(c.req.path)) await authorize(c.req.raw, c.env.API_TOKENS);
    await next();
  })
  .route('/', serve('swarm', swarmHandlers))
  .route('/', serve('docs', docsHandlers))
  .route('/', serve('datasets', datasetHandlers))
  .route('/', serve('claims', claimHandlers))
  .route('/', serve('streams', streamHandlers))
  .route('/', serve('jobs', jobHandlers))
  .route('/', serve('schedules', scheduleHandlers))
  .route('/', serve('users', userHandlers))
  .route('/', serve('processors', processorHandlers))
  .route('/', serve('leases', leaseHandlers));

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];

app.notFound((c) => {
  const { method, path } = c.req;
  // What matches with another method, beside the access check that matches everything.
  const allowed = METHODS.filter((other) => app.router.match(other, path)[0].length > 1);
  if (allowed.length === 0) {
    return problemResponse(new ProblemError('not_found', `there is no ${method} ${path}`));
  }
  const allow = { allow: allowed.join(', ') };
  const detail = `${path} takes ${allow.allow}, not ${method}`;
  return problemResponse(new ProblemError('method_not_allowed', detail, [], allow));
});

app.onError((error) => {
  if (error instanceof ProblemError) return problemResponse(error);
  // The one place where a broken invariant becomes an answer; the details are for the operator's log.
  console.error(error);
  return problemResponse(
    new ProblemError('internal', 'something broke on our side; the log has the details'),
  );
});
