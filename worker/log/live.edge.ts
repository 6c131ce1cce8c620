// A stream's live tail as server-sent events: pulled page by page as fast as the client reads, so that a slow one
// makes nothing grow here. The id of each event says where all partitions are: a client resumes with the last.
import {
  CONNECTIONS_MAX,
  LIVE_PAGE_MAX_BYTES,
  LIVE_PAGE_MAX_EVENTS,
  LIVE_WAIT_MS,
  WAITERS_FULL_PAUSE_MS,
} from '../../shared/limits.ts';
import type { Env } from '../platform/env.ts';
import { logObject } from '../stubs.ts';
import { ProblemError } from '../platform/problem.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import { partitionsOf, type PartitionRef, type StreamDefinition } from '../contracts/names.ts';
import { parsePlaces, type Places, placesText } from './places.ts';
import { readEvents } from './read.edge.ts';
import { partitionOfStream } from './streams.edge.ts';

const encoder = new TextEncoder();
const EARLY_MS = 1_000;
const BOUNDS = { maxEvents: LIVE_PAGE_MAX_EVENTS, maxBytes: LIVE_PAGE_MAX_BYTES };

export interface LiveQuery {
  /** One partition; undefined: all. */
  partition?: number | undefined;
  /** Where partitions begin that `lastEventId` does not name. */
  from: 'earliest' | 'latest';
  /** The id of the last event that was seen. */
  lastEventId: string | null;
}

/** Ends when the stream is deleted. Throws `invalid_request` for an id that is none of ours. */
export async function liveEvents(
  env: Env,
  stream: StreamDefinition,
  query: LiveQuery,
  signal: AbortSignal,
): Promise<Response> {
  const refs =
    query.partition === undefined
      ? partitionsOf(stream)
      : [partitionOfStream(stream, query.partition)];
  const places = await beginningOf(env, stream, refs, query);
  const tail = new Tail(env, refs, places);
  let started = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        // An id without data: who is cut off before the first event resumes from here all the same.
        const text = started ? await tail.next() : `id: ${placesText(places)}\n\n`;
        started = true;
        if (text === null || signal.aborted) controller.close();
        else controller.enqueue(encoder.encode(text));
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  });
}

async function beginningOf(
  env: Env,
  stream: StreamDefinition,
  refs: readonly PartitionRef[],
  { from, lastEventId }: LiveQuery,
): Promise<Places> {
  const seen =
    lastEventId === null ? new Map<number, number>() : parsePlaces(lastEventId, stream.partitions);
  if (!seen) {
    const message = 'no id of an event of this stream; it looks like 0:12,1:7';
    throw new ProblemError('invalid_request', `Last-Event-ID: ${message}`, [
      { path: 'lastEventId', message },
    ]);
  }
  const places = await sideBySide(refs, CONNECTIONS_MAX, async (ref) => {
    const place = seen.get(ref.partition) ?? (await logObject(env, ref).resolve(from));
    return [ref.partition, place] as const;
  });
  return new Map(places);
}

class Tail {
  readonly #env: Env;
  readonly #refs: readonly PartitionRef[];
  readonly #places: Places;
  /** Ends of the logs, as far as they are known. */
  readonly #ends = new Map<number, number>();
  /** One question at a time and partition: an answer that came late is not lost. */
  readonly #waits = new Map<number, Promise<void>>();
  #turn = 0;

  constructor(env: Env, refs: readonly PartitionRef[], places: Places) {
    this.#env = env;
    this.#refs = refs;
    this.#places = places;
    // What is there already is read first.
    for (const { partition } of refs) this.#ends.set(partition, Infinity);
  }

  /** The next frames; a comment when nothing came for LIVE_WAIT_MS; null when the stream is gone. */
  async next(): Promise<string | null> {
    const untilMs = Date.now() + LIVE_WAIT_MS;
    for (;;) {
      const ref = this.#partitionWithEvents();
      if (ref) {
        const frames = await this.#read(ref);
        if (frames !== '') return frames;
        continue;
      }
      // A comment keeps proxies from closing a silent stream.
      if (Date.now() >= untilMs) return ': still here\n\n';
      await Promise.race(this.#refs.map((waiting) => this.#wait(waiting)));
    }
  }

  /** In turn, so that a busy partition does not starve the others. */
  #partitionWithEvents(): PartitionRef | null {
    for (let i = 0; i < this.#refs.length; i++) {
      const ref = this.#refs[(this.#turn + i) % this.#refs.length] as PartitionRef;
      if ((this.#ends.get(ref.partition) ?? 0) > this.#place(ref)) {
        this.#turn = (this.#turn + i + 1) % this.#refs.length;
        return ref;
      }
    }
    return null;
  }

  /** Empty when there was nothing, null when there is no such partition any more. */
  async #read(ref: PartitionRef): Promise<string | null> {
    const { partition } = ref;
    const from = this.#place(ref);
    const read = await readEvents(this.#env, ref, from, BOUNDS);
    if (read.kind === 'unknown') return null;
    this.#ends.set(partition, read.next);
    if (read.kind === 'end') return '';
    if (read.kind === 'expired') {
      this.#places.set(partition, read.first);
      const gap = { partition, from, to: read.first };
      return `event: gap\n${this.#frame(JSON.stringify(gap))}`;
    }
    let at = read.first;
    let frames = '';
    for (const line of read.text.split('\n')) {
      this.#places.set(partition, ++at);
      frames += this.#frame(line);
    }
    return frames;
  }

  #frame(data: string): string {
    return `id: ${placesText(this.#places)}\ndata: ${data}\n\n`;
  }

  #wait(ref: PartitionRef): Promise<void> {
    const waiting = this.#waits.get(ref.partition) ?? this.#askForMore(ref);
    this.#waits.set(ref.partition, waiting);
    return waiting;
  }

  async #askForMore(ref: PartitionRef): Promise<void> {
    const { partition } = ref;
    const place = this.#place(ref);
    const untilMs = Date.now() + LIVE_WAIT_MS;
    try {
      const end = await logObject(this.#env, ref).waitPast(place, LIVE_WAIT_MS);
      if (end === 'full') {
        // Read again after a pause: what came meanwhile must not wait for a place.
        await scheduler.wait(WAITERS_FULL_PAUSE_MS);
        this.#ends.set(partition, Infinity);
        return;
      }
      // Back early and without news: the stream may be deleted, which a read finds out.
      const early = end <= place && Date.now() < untilMs - EARLY_MS;
      this.#ends.set(partition, early ? Infinity : end);
    } catch {
      // The object was restarted, or cannot be reached: a read finds that out, too.
      this.#ends.set(partition, Infinity);
    } finally {
      this.#waits.delete(partition);
    }
  }

  #place({ partition }: PartitionRef): number {
    return this.#places.get(partition) ?? 0;
  }
}
