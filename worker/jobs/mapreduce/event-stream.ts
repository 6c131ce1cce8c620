// A job's events as server-sent events: ids are sequence numbers, so that a client resumes where it was. The
// stream ends with the job; who comes back after the last event gets 204, which tells an EventSource to stop.
import {
  EVENTS_PAGE_MAX_ITEMS,
  LIVE_WAIT_MS,
  WAITERS_FULL_PAUSE_MS,
} from '../../../shared/limits.ts';
import type { JobEvent } from '../../../shared/schemas/job.ts';
import type { JobRpc } from '../../contracts/job.rpc.ts';

const encoder = new TextEncoder();

/** Null: there is no such job. */
export async function eventStream(
  job: Pick<JobRpc, 'eventsAfter'>,
  after: number,
  signal: AbortSignal,
): Promise<Response | null> {
  const first = await job.eventsAfter(after, EVENTS_PAGE_MAX_ITEMS, 0);
  if (!first) return null;
  if (first.ended && first.events.length === 0 && after > 0)
    return new Response(null, { status: 204 });
  let next: Awaited<ReturnType<JobRpc['eventsAfter']>> = first;
  let last = after;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const page =
        next ??
        (await job.eventsAfter(last, EVENTS_PAGE_MAX_ITEMS, LIVE_WAIT_MS).catch(() => null));
      next = null;
      if (page?.full) await scheduler.wait(WAITERS_FULL_PAUSE_MS);
      if (!page || signal.aborted) return controller.close();
      last = page.events.at(-1)?.seq ?? last;
      // A comment keeps proxies from closing a silent stream.
      const text = page.events.length > 0 ? page.events.map(frame).join('') : ': still here\n\n';
      controller.enqueue(encoder.encode(text));
      if (page.ended) controller.close();
    },
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  });
}

const frame = (event: JobEvent) => `id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;
