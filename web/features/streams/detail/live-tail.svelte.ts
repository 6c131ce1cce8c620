// The end of a stream, live: followed, pinned (the list holds still while new events are counted) or paused
// (nothing is read; going on misses nothing).
import type { Problem } from '../../../../shared/schemas/problem.ts';
import type { PartitionStatus, StreamEvent } from '../../../../shared/schemas/stream.ts';
import { asProblem, request, streams } from '../../../lib/api.ts';
import { readMessages } from '../../../lib/event-follower.ts';
import { isFinal, waitToRetry } from '../../../lib/live.ts';
import { addRows, backlogPlaces, type Places } from './tail-buffer.ts';

const BATCH_MS = 120;

export class LiveTail {
  readonly stream: string;
  rows: readonly StreamEvent[] = $state.raw([]);
  mode: 'following' | 'pinned' | 'paused' = $state('following');
  /** Events that came since it was pinned. */
  unseen = $state(0);
  connection: 'connecting' | 'live' | 'broken' = $state('connecting');
  problem: Problem | null = $state.raw(null);
  #held: readonly StreamEvent[] = $state.raw([]);
  #places: Places;
  #pending: StreamEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop: AbortController | null = null;

  constructor(stream: string, partitions: readonly PartitionStatus[]) {
    this.stream = stream;
    this.#places = backlogPlaces(partitions);
    this.#open();
  }

  /** What is on the screen: the newest, or what was there when it was pinned. */
  get shown(): readonly StreamEvent[] {
    return this.mode === 'following' ? this.rows : this.#held;
  }

  pin(): void {
    if (this.mode !== 'following') return;
    this.#hold('pinned');
  }

  pause(): void {
    if (this.mode === 'following') this.#hold('paused');
    this.mode = 'paused';
    this.#close();
  }

  follow(): void {
    this.mode = 'following';
    this.unseen = 0;
    if (!this.#stop) this.#open();
  }

  close(): void {
    this.#close();
  }

  #hold(mode: 'pinned' | 'paused'): void {
    this.#held = this.rows;
    this.unseen = 0;
    this.mode = mode;
  }

  #open(): void {
    const stop = new AbortController();
    this.#stop = stop;
    this.connection = 'connecting';
    this.problem = null;
    void readMessages({
      open: async () => {
        const places = this.#places.toString();
        const response = await request(streams.livePath(this.stream), {
          headers: {
            accept: 'text/event-stream',
            ...(places !== '' && { 'last-event-id': places }),
          },
          signal: stop.signal,
          cache: 'no-store',
        });
        this.connection = 'live';
        return response;
      },
      take: ({ data }) => this.#take(data),
      // A stream has no end: whatever closes the connection broke it.
      isOver: () => false,
      isFinal,
      wait: (failures) => {
        if (failures > 1) this.connection = 'broken';
        return waitToRetry(failures, stop.signal);
      },
      isStopped: () => stop.signal.aborted,
    }).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      this.problem = asProblem(error);
      this.connection = 'broken';
    });
  }

  #take(data: string): boolean {
    const event = JSON.parse(data) as StreamEvent;
    if (typeof event.offset !== 'number' || !this.#places.take(event)) return false;
    this.#pending.push(event);
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS);
    return true;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.length === 0) return;
    this.rows = addRows(this.rows, this.#pending);
    if (this.mode !== 'following') this.unseen += this.#pending.length;
    this.#pending = [];
  }

  #close(): void {
    this.#flush();
    this.#stop?.abort();
    this.#stop = null;
  }
}
