// The API: one Hono chain, one way through it. Access is checked here, so that a new route is closed unless
// it is opened below.
import { Hono } from 'hono';
import { authorize } from './platform/auth.ts';
import type { AppEnv } from './platform/env.ts';
import { ProblemError, problemResponse } from './platform/problem.ts';
import { claimRoutes } from './routes/claims.ts';
import { datasetRoutes } from './routes/datasets.ts';
import { docsRoutes } from './routes/docs.ts';
import { jobRoutes } from './routes/jobs.ts';
import { leaseRoutes } from './routes/leases.ts';
import { processorRoutes } from './routes/processors.ts';
import { resultRoutes } from './routes/results.ts';
import { runRoutes } from './routes/runs.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { serviceRoutes } from './routes/services.ts';
import { streamRoutes } from './routes/streams.ts';
import { swarmRoutes } from './routes/swarm.ts';

/** Open to anybody: health, what the page shows of the swarm, the documentation, and volunteering, where leases are the permission. */
const OPEN = /^\/api\/(health|swarm|volunteer|openapi\.json|docs|leases\/.*)$/;

export const app = new Hono<AppEnv>()
  .basePath('/api')
  .use(async (c, next) => {
    if (!OPEN.test(c.req.path)) await authorize(c.req.raw, c.env.API_TOKENS);
    await next();
  })
  .route('/', swarmRoutes)
  .route('/', docsRoutes)
  .route('/datasets', datasetRoutes)
  .route('/claims', claimRoutes)
  .route('/streams', streamRoutes)
  .route('/jobs', jobRoutes)
  .route('/jobs', resultRoutes)
  .route('/jobs', runRoutes)
  .route('/schedules', scheduleRoutes)
  .route('/services', serviceRoutes)
  .route('/processors', processorRoutes)
  .route('/leases', leaseRoutes);

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

export type App = typeof app;
