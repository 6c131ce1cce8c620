// Reads a resumable event stream to its end: every event once, in order, whatever breaks in between.
// Pure of the network and of time: `open` and `wait` are given, so that a test plays a bad connection.
import type { JobEvent } from '../../shared/schemas/job.ts';
import { createSseParser } from './sse.ts';

/** After one of these a stream that closes is over, not broken. */
const LAST_TYPES: ReadonlySet<JobEvent['type']> = new Set(['done', 'failed', 'cancelled']);

export interface FollowerDeps {
  /** The stream after an event; a 204 says that there is nothing after it, nor will be. Throws when it fails. */
  open(afterSeq: number): Promise<Response>;
  /** Whether there is no use in trying again after this. */
  isFinal(error: unknown): boolean;
  /** Waits before the next try; `failures` counts those in a row that brought nothing. */
  wait(failures: number): Promise<void>;
  onEvent(event: JobEvent): void;
  isStopped(): boolean;
}

/** Resolves at the end of the job's events (or when stopped); throws what `isFinal`. */
export async function readEvents(afterSeq: number, deps: FollowerDeps): Promise<void> {
  let lastSeq = afterSeq;
  const take = (event: JobEvent) => {
    if (event.seq <= lastSeq) return; // a resume may repeat what we have
    lastSeq = event.seq;
    deps.onEvent(event);
  };
  let failures = 0;
  while (!deps.isStopped()) {
    const before = lastSeq;
    try {
      if (await readOnce(await deps.open(lastSeq), take, deps)) return;
    } catch (error) {
      if (deps.isStopped()) return;
      if (deps.isFinal(error)) throw error;
    }
    failures = lastSeq > before ? 0 : failures + 1;
    await deps.wait(failures);
  }
}

/** True: the stream came to its proper end. */
async function readOnce(
  response: Response,
  take: (event: JobEvent) => void,
  deps: FollowerDeps,
): Promise<boolean> {
  if (response.status === 204) return true;
  if (!response.body) return false;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = createSseParser();
  let last: JobEvent['type'] | null = null;
  for (;;) {
    const { value, done } = await reader.read();
    if (deps.isStopped()) return true;
    if (done) return last !== null && LAST_TYPES.has(last);
    for (const { data } of parse(value)) {
      const event = JSON.parse(data) as JobEvent;
      take(event);
      last = event.type;
    }
  }
}
