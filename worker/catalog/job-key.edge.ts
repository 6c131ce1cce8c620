// An Idempotency-Key stands for one job: the one that was submitted with it first. A submission that is refused did
// nothing, and gives its key back. The key of a deleted job stays spent.
import { PROBLEMS } from '../../shared/schemas/problem.ts';
import type { Env } from '../platform/env.ts';
import { ProblemError } from '../platform/problem.ts';
import { sha256Hex } from '../platform/sha256.ts';
import { catalog } from '../stubs.ts';

export interface KeyedSubmission {
  /** Null: the client sent none. */
  key: string | null;
  /** What the key must always come with. */
  spec: object;
  /** The job's id, unless the key stands for a job already. */
  id: string;
}

/** Throws `conflict` for a key of another specification or of a deleted job, and what `submit` throws. */
export async function submitOnce<Job>(
  env: Env,
  { key, spec, id }: KeyedSubmission,
  submit: (job: string) => Promise<Job>,
): Promise<Job> {
  if (key === null) return submit(id);
  const digest = await sha256Hex(JSON.stringify(spec));
  const job = await catalog(env).reserveIdempotencyKey(key, digest, id);
  if (job === 'conflict') {
    throw new ProblemError('conflict', 'this Idempotency-Key was used with another body');
  }
  if (job === 'deleted') {
    const detail = 'the job of this Idempotency-Key was deleted; send another key to run it again';
    throw new ProblemError('conflict', detail);
  }
  try {
    return await submit(job);
  } catch (error) {
    const isRefusal = error instanceof ProblemError && PROBLEMS[error.code][0] < 500;
    if (isRefusal) await catalog(env).releaseIdempotencyKey(key, job);
    throw error;
  }
}
