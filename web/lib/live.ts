// Follows a job's events: an event stream read by fetch (EventSource cannot send a bearer token), resumed
// with Last-Event-ID after a broken connection, handed on in batches so that a burst costs one update.
import type { JobEvent } from '../../shared/schemas/job.ts';
import { ApiProblem, request } from './api.ts';
import { fullJitterMs } from './backoff.ts';
import { createSseParser } from './sse.ts';

const BATCH_MS = 100;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 15_000;
/** After one of these a stream that closes is over, not broken. */
const LAST_TYPES: ReadonlySet<JobEvent['type']> = new Set(['done', 'failed', 'cancelled']);

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
  let lastSeq = after;
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
  const take = (event: JobEvent) => {
    if (event.seq <= lastSeq) return; // a resume may repeat what we have
    lastSeq = event.seq;
    pending.push(event);
    timer ??= setTimeout(flush, BATCH_MS);
  };

  const readOnce = async (): Promise<'ended' | 'broken'> => {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (lastSeq > 0) headers['last-event-id'] = String(lastSeq);
    const path = `/api/jobs/${encodeURIComponent(jobId)}/events/live`;
    const response = await request(path, { headers, signal: stop.signal, cache: 'no-store' });
    if (!response.body) return 'broken';
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = createSseParser();
    let last: JobEvent['type'] | null = null;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return last !== null && LAST_TYPES.has(last) ? 'ended' : 'broken';
      for (const message of parse(value)) {
        if (message.event === 'end') return 'ended';
        const event = JSON.parse(message.data) as JobEvent;
        take(event);
        last = event.type;
      }
    }
  };

  const run = async () => {
    let failures = 0;
    while (!stop.signal.aborted) {
      const before = lastSeq;
      try {
        if ((await readOnce()) === 'ended') {
          flush();
          if (!stop.signal.aborted) onEnd(null);
          return;
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        const status = error instanceof ApiProblem ? error.problem.status : 0;
        if (error instanceof ApiProblem && status >= 400 && status < 500 && status !== 429) {
          flush();
          onEnd(error);
          return;
        }
      }
      flush();
      failures = lastSeq > before ? 0 : failures + 1;
      await wait(fullJitterMs(failures, RETRY_BASE_MS, RETRY_MAX_MS, Math.random()), stop.signal);
    }
  };
  void run();

  return () => {
    stop.abort();
    clearTimeout(timer);
  };
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
