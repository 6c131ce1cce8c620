// What a job leaves in other places: pins on its input, and objects in R2.
import type { Env } from '../../platform/env.ts';
import { jobPrefix, mergesPrefix, spillPrefix } from '../../platform/keys.ts';
import { catalog } from '../../stubs.ts';
import { deletePrefix } from './garbage.edge.ts';
import type { JobRecord } from './job-record.ts';
import { unpinStream } from './stream-input.edge.ts';

type Left = Pick<JobRecord['submission'], 'job' | 'stream'>;

/** An ended job needs its input, its spills and its merge runs no more. */
export async function collectGarbage(env: Env, { job, stream }: Left): Promise<void> {
  await catalog(env).unpin(job);
  await unpinStream(env, job, stream);
  await deletePrefix(env.BUCKET, spillPrefix(job));
  await deletePrefix(env.BUCKET, mergesPrefix(job));
}

/** What late uploads left behind, once no lease's signature is honoured any more. */
export const sweepJob = (env: Env, job: string, deleted: boolean): Promise<number> =>
  deletePrefix(env.BUCKET, deleted ? jobPrefix(job) : spillPrefix(job));
