// Reads a resumable event stream to its end: every event once, in order, whatever breaks in between.
// Pure of the network and of time: `open` and `wait` are given, so that a test plays a bad connection.
import type { JobEvent } from '../../shared/schemas/job.ts';
import { createSseParser, type SseMessage } from './sse.ts';

/** After one of these a stream that closes is over, not broken. */
const LAST_TYPES: ReadonlySet<JobEvent['type']> = new Set(['done', 'failed', 'cancelled']);

interface Connection {
  /** Whether there is no use in trying again after this. */
  isFinal(error: unknown): boolean;
  /** Waits before the next try; `failures` counts those in a row that brought nothing. */
  wait(failures: number): Promise<void>;
  isStopped(): boolean;
}

export interface FollowerPorts extends Connection {
  /** The stream after an event; a 204 says that there is nothing after it, nor will be. Throws when it fails. */
  open(afterSeq: number): Promise<Response>;
  onEvent(event: JobEvent): void;
}

export interface MessagesPorts extends Connection {
  /** The stream from where the reader is; 204 as above. */
  open(): Promise<Response>;
  /** Takes one message; false for one that it has already. */
  take(message: SseMessage): boolean;
  /** The stream closed: is it over, or broken off? */
  isOver(): boolean;
}

/** Resolves at the end of the job's events (or when stopped); throws what `isFinal`. */
export async function readEvents(afterSeq: number, deps: FollowerPorts): Promise<void> {
  let lastSeq = afterSeq;
  let last: JobEvent['type'] | null = null;
  return readMessages({
    ...deps,
    open() {
      last = null;
      return deps.open(lastSeq);
    },
    take({ data }) {
      const event = JSON.parse(data) as JobEvent;
      last = event.type;
      if (event.seq <= lastSeq) return false; // a resume may repeat what we have
      lastSeq = event.seq;
      deps.onEvent(event);
      return true;
    },
    isOver: () => last !== null && LAST_TYPES.has(last),
  });
}

/** The same for any stream: connects again until it is over, or stopped; throws what `isFinal`. */
export async function readMessages(deps: MessagesPorts): Promise<void> {
  let failures = 0;
  while (!deps.isStopped()) {
    let brought = false;
    const take = (message: SseMessage) => {
      if (deps.take(message)) brought = true;
    };
    try {
      if (await readOnce(await deps.open(), take, deps)) return;
    } catch (error) {
      if (deps.isStopped()) return;
      if (deps.isFinal(error)) throw error;
    }
    failures = brought ? 0 : failures + 1;
    await deps.wait(failures);
  }
}

/** True: the stream came to its proper end. */
async function readOnce(
  response: Response,
  take: (message: SseMessage) => void,
  deps: MessagesPorts,
): Promise<boolean> {
  if (response.status === 204) return true;
  if (!response.body) return false;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = createSseParser();
  for (;;) {
    const { value, done } = await reader.read();
    if (deps.isStopped()) return true;
    if (done) return deps.isOver();
    for (const message of parse(value)) take(message);
  }
}
