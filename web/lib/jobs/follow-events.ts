// Follows a job's events to their end; they come in batches.
import type { JobEvent } from '../../../shared/schemas/job.ts';
import type { Problem } from '../../../shared/schemas/problem.ts';
import { asProblem, client } from '../api.ts';
import { readInBatches } from '../live.ts';

/**
 * Calls `onEvents` with every event after `after`, in order, and `onEnd` when the job has no more of them
 * (`problem`: the edge refused, e.g. the job is gone). Returns what stops it.
 */
export function followEvents(
  jobId: string,
  after: number,
  onEvents: (events: JobEvent[]) => void,
  onEnd: (problem: Problem | null) => void,
): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const lastEventId = after > 0 ? String(after) : undefined;
  readInBatches(client.jobs.follow(jobId, { signal, lastEventId }), signal, onEvents).then(
    () => onEnd(null),
    (error: unknown) => {
      if (!signal.aborted) onEnd(asProblem(error));
    },
  );
  return () => stop.abort();
}
