// Server-sent events as an async iterable: whatever breaks in between, each message comes once, in order. A broken
// connection is opened again where it broke (Last-Event-ID), later after each failure in a row.
import { backoffMs } from '../backoff.ts';
import { ApiProblem } from './problem.ts';
import { SseParser } from './sse.ts';

const RETRY = { baseMs: 500, maxMs: 15_000 };

export interface LiveMessage<Data> {
  /** What `lastEventId` takes to go on behind this message. */
  id: string;
  /** 'message', or what the server names it. */
  event: string;
  data: Data;
}

export interface LiveOptions {
  signal?: AbortSignal | undefined;
  /** Go on behind this message. */
  lastEventId?: string | undefined;
  /** How the connection is; 'broken' from the second failure in a row on. */
  onState?: ((state: 'connecting' | 'live' | 'broken') => void) | undefined;
}

/** What `follow` needs; a test plays a bad connection and a clock with it. */
export interface Connection {
  /** The stream behind a message; 204: there is nothing more, nor will be. Throws when it fails. */
  open(lastEventId: string): Promise<Response>;
  wait(ms: number, signal?: AbortSignal): Promise<void>;
  random(): number;
}

/** Ends with the stream; throws what the edge refuses for good, and the signal's reason. */
export async function* follow<Data>(
  { open, wait, random }: Connection,
  { signal, lastEventId: lastId = '', onState }: LiveOptions,
): AsyncGenerator<LiveMessage<Data>, void, undefined> {
  const parser = { lastId };
  let failures = 0;
  let wasOpen = false;
  onState?.('connecting');
  for (;;) {
    let brought = false;
    try {
      const response = await open(parser.lastId);
      if (response.status === 204) return;
      wasOpen = true;
      onState?.('live');
      for await (const { id, event, data } of messages(response, parser)) {
        brought = true;
        yield { id, event, data: JSON.parse(data) as Data };
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ApiProblem && !error.isPassing) {
        // It was there and is deleted: that is an end, too.
        if (wasOpen && error.problem.status === 404) return;
        throw error;
      }
      if (error instanceof SyntaxError) throw error;
    }
    signal?.throwIfAborted();
    failures = brought ? 0 : failures + 1;
    if (failures > 1) onState?.('broken');
    await wait(backoffMs(RETRY, failures, random()), signal);
  }
}

async function* messages(response: Response, place: { lastId: string }) {
  if (!response.body) return;
  const parser = new SseParser();
  parser.lastId = place.lastId;
  const decoder = new TextDecoder();
  for await (const bytes of chunks(response)) {
    for (const message of parser.take(decoder.decode(bytes, { stream: true }))) {
      place.lastId = message.id;
      yield message;
    }
    place.lastId = parser.lastId;
  }
}

/** A body's bytes; a reader that stops cancels it. Not every browser can iterate over a stream. */
export async function* chunks({ body }: Response): AsyncGenerator<Uint8Array, void, undefined> {
  if (!body) return;
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Resolves early when the signal comes. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
