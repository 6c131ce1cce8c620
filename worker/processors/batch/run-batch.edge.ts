// Answers the wake-up of a window that fired, with the real log, isolate, output stream and jobs.
import type { Env } from '../../platform/env.ts';
import { jobObject, batchObject } from '../../stubs.ts';
import { submitJob } from '../../jobs/mapreduce/submit.edge.ts';
import { appendEvents } from '../../log/append.edge.ts';
import { streamRange } from '../../log/read.edge.ts';
import { crashOf } from '../../isolates/isolate-run.ts';
import { runBatchFunction } from '../../isolates/stateless.edge.ts';
import { streamNamed } from '../../log/streams.edge.ts';
import type { BatchWork } from '../../contracts/batch.rpc.ts';
import { runWindows, type BatchPorts } from './batch-attempt.ts';

/** Runs window `number` of the windows `name`, if it is its turn, and those after it for a while. */
export const runWindow = (env: Env, name: string, number: number): Promise<void> =>
  runWindows(portsOf(env, name), number);

function portsOf(env: Env, name: string): BatchPorts {
  return {
    windows: batchObject(env, name),
    lines: (ref, from, to) => streamRange(env, ref, from, to),
    run: (program, batch, lines) => runBatchFunction(env, program, batch, lines),
    append: async (output, events, { id, sequences, eventIds }) =>
      appendEvents(env, await streamNamed(env, output), events, {
        producer: { id, sequences },
        ids: eventIds,
      }),
    submit: (work) => submitWindow(env, work),
    crashOf,
    nowMs: Date.now,
    every: (ms, work) => {
      const timer = setInterval(work, ms);
      return () => clearInterval(timer);
    },
  };
}

/** A job that failed goes on where it is; one that is gone, or was cancelled, is made anew. */
async function submitWindow(
  env: Env,
  {
    spec,
    idempotencyKey,
    retryJob,
  }: Pick<Extract<BatchWork, { kind: 'job' }>, 'spec' | 'idempotencyKey' | 'retryJob'>,
): Promise<string> {
  let key = idempotencyKey;
  if (retryJob !== null) {
    const stub = jobObject(env, retryJob);
    const retried = await stub.retry();
    if (retried !== null && retried !== 'conflict') return retried.id;
    // Not failed: it may be at work since an earlier try at this.
    const job = retried === null ? null : await stub.get();
    if (job && job.state !== 'cancelled') return job.id;
    // A deleted job's key stays spent.
    if (job === null) key = `${key}/${retryJob}`;
  }
  return (await submitJob(env, spec, key)).id;
}
