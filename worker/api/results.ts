// /api/jobs/:id/result: what a done job computed, whole or its first records. Bytes go from R2 to the client;
// the job's object is asked only where they lie.
import type { Claim } from '../../shared/schemas/claim.ts';
import type { JobState } from '../../shared/schemas/job.ts';
import { openHeldClaim } from '../claim-check/claims.edge.ts';
import { FIRST_OUTPUT } from '../jobs/dag/run/outputs-page.ts';
import { resultBytes } from '../jobs/dag/result.ts';
import type { Part } from '../contracts/job.rpc.ts';
import type { OutputsPlace } from '../contracts/run.rpc.ts';
import { resultStream } from '../jobs/mapreduce/result.edge.ts';
import { topOf } from '../jobs/mapreduce/top-scan.edge.ts';
import { streamOf } from '../platform/byte-stream.ts';
import { notModified } from '../platform/conditions.ts';
import type { Env } from '../platform/env.ts';
import { isRunId } from '../platform/ids.ts';
import { dagJob, mapReduceJob } from '../stubs.ts';
import { found, ProblemError } from '../platform/problem.ts';
import type { Handlers } from './serve.ts';

const CONTENT_TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' };

async function partsOf(env: Env, id: string): Promise<Part[]> {
  return whenDone(await mapReduceJob(env, id, 'records').parts(), id).parts;
}

function whenDone<Asked extends { state: JobState }>(asked: Asked | null, id: string): Asked {
  const job = found(asked, `job ${id}`);
  if (job.state === 'done') return job;
  const why = `the job is ${job.state}; a result is there once it is done`;
  throw new ProblemError('conflict', why);
}

/** One JSON object, `{"<step>": output, …}`. */
async function runResult(
  env: Env,
  id: string,
  { method, headers: asked }: Request,
): Promise<Response> {
  const run = dagJob(env, id);
  const page = async (from: OutputsPlace) => whenDone(await run.outputs(from), id);
  const open = (claim: Claim) => openHeldClaim(env, claim);
  const first = await page(FIRST_OUTPUT);
  const etag = `"${id}"`;
  const answer = notModified(asked, { etag }, { etag });
  if (answer) return answer;
  const result = resultBytes({ page, open }, first);
  const headers = {
    etag,
    'content-type': 'application/json',
    'content-disposition': `inline; filename="${id}.json"`,
    'cache-control': 'no-store',
  };
  return new Response(method === 'HEAD' ? null : streamOf(result), { headers });
}

export const resultHandlers: Pick<Handlers<'jobs'>, 'result' | 'top'> = {
  async result({ c, env, params: { id }, query }) {
    if (isRunId(id)) return runResult(env, id, c.req.raw);
    const parts = await partsOf(env, id);
    // What a done job computed never changes.
    const etag = `"${id}.${query.order}.${query.format}"`;
    const answer = notModified(c.req.raw.headers, { etag }, { etag });
    if (answer) return answer;
    const headers = {
      etag,
      'content-type': CONTENT_TYPES[query.format],
      'content-disposition': `attachment; filename="${id}.${query.format}"`,
      'cache-control': 'no-store',
    };
    return new Response(c.req.method === 'HEAD' ? null : resultStream(env.BUCKET, parts, query), {
      headers,
    });
  },
  top: async ({ env, params: { id }, query }) => topOf(env.BUCKET, await partsOf(env, id), query),
};
