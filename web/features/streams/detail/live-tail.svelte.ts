// The end of a stream, live: followed, pinned (the list holds still while new events are counted) or paused
// (nothing is read; going on misses nothing).
import type { Problem } from '../../../../shared/schemas/problem.ts';
import type { PartitionStatus, StreamEvent } from '../../../../shared/schemas/stream.ts';
import { asProblem, client } from '../../../lib/api.ts';
import { readInBatches } from '../../../lib/live.ts';
import { addRows, backlogPlaces, type Places } from './tail-buffer.ts';

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
    const { signal } = stop;
    this.#stop = stop;
    this.problem = null;
    const events = client.streams.follow(this.stream, {
      signal,
      lastEventId: this.#places.toString(),
      onState: (state) => {
        if (!signal.aborted) this.connection = state;
      },
    });
    readInBatches(events, signal, (batch) => this.#take(batch)).catch((error: unknown) => {
      if (signal.aborted) return;
      this.problem = asProblem(error);
      this.connection = 'broken';
    });
  }

  #take(batch: StreamEvent[]): void {
    const events = batch.filter((event) => this.#places.take(event));
    this.rows = addRows(this.rows, events);
    if (this.mode !== 'following') this.unseen += events.length;
  }

  /** What was read and not yet taken is read again. */
  #close(): void {
    this.#stop?.abort();
    this.#stop = null;
  }
}
