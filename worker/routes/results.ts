// /api/jobs/:id/result: what a done job computed, whole or its first records. Bytes go from R2 to the client;
// the job's object is asked only where they lie.
import { type Context, Hono } from 'hono';
import type { Claim } from '../../shared/schemas/claim.ts';
import { type JobState, ResultQuery, TopQuery } from '../../shared/schemas/job.ts';
import { openHeldClaim } from '../claim-check/claims.edge.ts';
import { FIRST_OUTPUT } from '../jobs/dag/run/outputs-page.ts';
import { resultBytes } from '../jobs/dag/result.ts';
import type { Part } from '../contracts/job.rpc.ts';
import { resultStream } from '../jobs/mapreduce/result.edge.ts';
import { topOf } from '../jobs/mapreduce/top-scan.edge.ts';
import { streamOf } from '../platform/byte-stream.ts';
import type { AppEnv } from '../platform/env.ts';
import { isRunId } from '../platform/ids.ts';
import { dagJob, mapReduceJob } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import { parseQuery } from '../platform/validate.ts';
import type { OutputsPlace } from '../contracts/run.rpc.ts';

const CONTENT_TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' };

async function partsOf(c: Context<AppEnv, '/:id/result'>): Promise<Part[]> {
  const id = c.req.param('id');
  return whenDone(await mapReduceJob(c.env, id, 'records').parts(), id).parts;
}

function whenDone<Asked extends { state: JobState }>(job: Asked | null, id: string): Asked {
  if (!job) throw notFound(`job ${id}`);
  if (job.state === 'done') return job;
  const why = `the job is ${job.state}; a result is there once it is done`;
  throw new ProblemError('conflict', why);
}

/** One JSON object, `{"<step>": output, …}`. */
async function runResult(c: Context<AppEnv, '/:id/result'>): Promise<Response> {
  const id = c.req.param('id');
  const run = dagJob(c.env, id);
  const page = async (from: OutputsPlace) => whenDone(await run.outputs(from), id);
  const open = (claim: Claim) => openHeldClaim(c.env, claim);
  const result = resultBytes({ page, open }, await page(FIRST_OUTPUT));
  const headers = {
    'content-type': 'application/json',
    'content-disposition': `inline; filename="${id}.json"`,
    'cache-control': 'no-store',
  };
  return new Response(c.req.method === 'HEAD' ? null : streamOf(result), { headers });
}

export const resultRoutes = new Hono<AppEnv>()
  .get('/:id/result', async (c) => {
    if (isRunId(c.req.param('id'))) return runResult(c);
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
