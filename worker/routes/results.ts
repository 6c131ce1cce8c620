// /api/jobs/:id/result: what a done job computed, whole or its first records. Bytes go from R2 to the client;
// the JobObject is asked only where they lie.
import { type Context, Hono } from 'hono';
import { ResultQuery, TopQuery } from '../../shared/schemas/job.ts';
import type { Part } from '../mapreduce/job.rpc.ts';
import { resultStream } from '../mapreduce/result.ts';
import { topOf } from '../mapreduce/top-scan.ts';
import type { AppEnv } from '../platform/env.ts';
import { jobObject } from '../platform/objects.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { parseQuery } from '../platform/validate.ts';

const CONTENT_TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' };

async function partsOf(c: Context<AppEnv, '/:id/result'>): Promise<Part[]> {
  const id = c.req.param('id');
  const job = await jobObject(c.env, id).parts();
  if (!job) throw notFound(`job ${id}`);
  if (job.state !== 'done') {
    throw new ProblemError(
      'conflict',
      `the job is ${job.state}; a result is there once it is done`,
    );
  }
  return job.parts;
}

export const resultRoutes = new Hono<AppEnv>()
  .get('/:id/result', async (c) => {
    const options = parseQuery(c, ResultQuery);
    const parts = await partsOf(c);
    const headers = {
      'content-type': CONTENT_TYPES[options.format],
      'content-disposition': `attachment; filename="${c.req.param('id')}.${options.format}"`,
      'cache-control': 'no-store',
    };
    if (c.req.method === 'HEAD') return new Response(null, { headers });
    return new Response(resultStream(c.env.BUCKET, parts, options), { headers });
  })
  .get('/:id/result/top', async (c) => {
    const query = parseQuery(c, TopQuery);
    return c.json(await topOf(c.env.BUCKET, await partsOf(c), query));
  });
