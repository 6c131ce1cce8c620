// From a firing to its job: what it reads is fixed first, and submitted under a key that only this firing has. So a
// submission that got no answer can be made again.
import { isoTime } from '../../shared/iso-time.ts';
import type { Job, MapReduceSpec } from '../../shared/schemas/job.ts';
import type { ProblemCode } from '../../shared/schemas/problem.ts';
import { rangesOfInput, streamOfInput } from '../jobs/mapreduce/stream-input.edge.ts';
import { submitJob } from '../jobs/mapreduce/submit.edge.ts';
import type { Env } from '../platform/env.ts';
import { ProblemError } from '../platform/problem.ts';
import { type Covered, goOn } from './last-run.ts';
import { readsOn, type ScheduleFiring, type Submitted } from './firings.ts';

/** What a job of this version reads now, and what is to be said of it. Throws ProblemError. */
export async function meaningOf(
  env: Env,
  version: number,
  job: MapReduceSpec,
  covered: Covered | null,
): Promise<{ submitted: Submitted; note: string | null }> {
  const { input } = job;
  const nothing = { version, streamUid: null, ranges: null };
  if (!('stream' in input)) return { submitted: nothing, note: null };
  const stream = await streamOfInput(env, input);
  const streamUid = stream.uid;
  if (!readsOn(job)) return { submitted: { ...nothing, streamUid }, note: null };
  const { ranges: _, ...points } = input;
  const everything = await rangesOfInput(env, stream, { ...points, from: 'earliest' });
  const { ranges, lost } = goOn(everything, covered?.streamUid === streamUid ? covered : null);
  const note = lost === 0 ? null : `retention took ${lost} events before they were read`;
  return { submitted: { version, streamUid, ranges }, note };
}

/** Throws ProblemError. The same firing is the same job. */
export function submitFiring(
  env: Env,
  uid: string,
  { dueMs, seq, manual }: ScheduleFiring,
  { ranges }: Submitted,
  job: MapReduceSpec,
): Promise<Job> {
  const spec: MapReduceSpec =
    ranges && 'stream' in job.input ? { ...job, input: { ...job.input, ranges } } : job;
  const which = manual ? `run-${seq}` : isoTime(dueMs);
  return submitJob(env, spec, `schedule/${uid}/${which}`);
}

/** Refusals that may not be one the next time. */
const PASSING: ReadonlySet<ProblemCode> = new Set(['unavailable', 'internal', 'rate_limited']);

export const isFinal = (error: unknown): boolean =>
  error instanceof ProblemError && !PASSING.has(error.code);
