// One stream, asked for again and again: its figures, and how fast they grow.
import type { Problem } from '../../../../shared/schemas/problem.ts';
import type { PartitionLag } from '../../../../shared/schemas/processor.ts';
import type { Stream } from '../../../../shared/schemas/stream.ts';
import { client } from '../../../lib/api.ts';
import { type Poll, poll } from '../../../lib/poll.svelte.ts';
import { addSample, perSecondOf, type Sample } from '../../../lib/rate.ts';
import { totalsOf } from '../stream-figures.ts';

const POLL_MS = 1_500;
const STATES_MS = 3_000;
const PROCESSORS_ASKED = 100;

export class LiveStream {
  readonly name: string;
  readonly #poll: Poll<Stream>;
  readonly #states: Poll<Record<string, PartitionLag>>;
  #events: Sample[] = $state.raw([]);
  #bytes: Sample[] = $state.raw([]);

  /** Call while a component is set up. */
  constructor(name: string) {
    this.name = name;
    this.#poll = poll(async () => this.#sample(await client.streams.get(name)), POLL_MS);
    this.#states = poll(() => this.#askStates(), STATES_MS);
  }

  get stream(): Stream | null {
    return this.#poll.value;
  }
  get problem(): Problem | null {
    return this.#poll.problem;
  }
  get eventsPerSecond(): number | null {
    return perSecondOf(this.#events);
  }
  get bytesPerSecond(): number | null {
    return perSecondOf(this.#bytes);
  }
  /** How the reader of a partition stands, and why; not known for a moment after the page opens. */
  stateOf(processor: string, partition: number): PartitionLag | undefined {
    return this.#states.value?.[`${processor}/${partition}`];
  }
  refresh(): Promise<void> {
    return this.#poll.refresh();
  }

  #sample(stream: Stream): Stream {
    const { appended, bytes } = totalsOf(stream);
    const atMs = performance.now();
    this.#events = addSample(this.#events, { atMs, value: appended });
    this.#bytes = addSample(this.#bytes, { atMs, value: bytes });
    return stream;
  }

  async #askStates(): Promise<Record<string, PartitionLag>> {
    const { items } = await client.processors.list({ limit: PROCESSORS_ASKED });
    return Object.fromEntries(
      items.flatMap(({ name, lag }) =>
        lag
          .filter(({ stream }) => stream === this.name)
          .map((entry): [string, PartitionLag] => [`${name}/${entry.partition}`, entry]),
      ),
    );
  }
}
