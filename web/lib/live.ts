// Follows a job's events: an event stream read by fetch (EventSource cannot send a bearer token), resumed
// with Last-Event-ID after a broken connection, handed on in batches so that a burst costs one update.
import type { JobEvent } from '../../shared/schemas/job.ts';
import { backoffMs } from '../../shared/backoff.ts';
import { ApiProblem, request } from './api.ts';
import { readEvents } from './event-follower.ts';

const BATCH_MS = 100;
const RETRY = { baseMs: 500, maxMs: 15_000 };

export interface FollowOptions {
  /** Only events past this sequence number. */
  after?: number;
}

/**
 * Calls `onEvents` with every event once, in order, and `onEnd` when the job has no more of them
 * (`problem`: the edge refused, e.g. the job is gone). Returns what stops it.
 */
export function followEvents(
  jobId: string,
  onEvents: (events: JobEvent[]) => void,
  onEnd: (problem: ApiProblem | null) => void,
  { after = 0 }: FollowOptions = {},
): () => void {
  const stop = new AbortController();
  let pending: JobEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (pending.length === 0 || stop.signal.aborted) return;
    const batch = pending;
    pending = [];
    onEvents(batch);
  };
  const end = (problem: ApiProblem | null) => {
    flush();
    if (!stop.signal.aborted) onEnd(problem);
  };

  void readEvents(after, {
    open: (afterSeq) =>
      request(`/api/jobs/${encodeURIComponent(jobId)}/events/live`, {
        headers: {
          accept: 'text/event-stream',
          ...(afterSeq > 0 ? { 'last-event-id': String(afterSeq) } : {}),
        },
        signal: stop.signal,
        cache: 'no-store',
      }),
    isFinal,
    wait: (failures) => waitToRetry(failures, stop.signal),
    onEvent: (event) => {
      pending.push(event);
      timer ??= setTimeout(flush, BATCH_MS);
    },
    isStopped: () => stop.signal.aborted,
  }).then(
    () => end(null),
    (error: unknown) => end(error instanceof ApiProblem ? error : null),
  );

  return () => {
    stop.abort();
    clearTimeout(timer);
  };
}

/** Whether the edge refused for good: asking again would get the same answer. */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof ApiProblem)) return false;
  const { status } = error.problem;
  return status >= 400 && status < 500 && status !== 429;
}

/** Waits before a connection is tried again, longer after each failure. */
export function waitToRetry(failures: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, backoffMs(RETRY, failures, Math.random()));
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
