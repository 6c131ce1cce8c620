// One processor, asked for again and again; what its charts show is collected while the page is open.
import type { Problem } from '../../../../shared/schemas/problem.ts';
import type { Processor } from '../../../../shared/schemas/processor.ts';
import { client } from '../../../lib/api.ts';
import { type Poll, poll } from '../../../lib/poll.svelte.ts';
import { addSample, perSecondOf, type Sample } from '../../../lib/rate.ts';
import { totalLag } from '../processor-figures.ts';
import { addReading, type Reading } from './latency-series.ts';

const POLL_MS = 1_500;

export class LiveProcessor {
  readonly name: string;
  readonly #poll: Poll<Processor>;
  readings: readonly Reading[] = $state.raw([]);
  #processed: Sample[] = $state.raw([]);
  #replayed: Sample[] = $state.raw([]);

  /** Call while a component is set up. */
  constructor(name: string) {
    this.name = name;
    this.#poll = poll(async () => this.#read(await client.processors.get(name)), POLL_MS);
  }

  get processor(): Processor | null {
    return this.#poll.value;
  }
  get problem(): Problem | null {
    return this.#poll.problem;
  }
  get perSecond(): number | null {
    return perSecondOf(this.#processed);
  }
  /** How fast the replay reads. */
  get replayPerSecond(): number | null {
    return perSecondOf(this.#replayed);
  }
  refresh(): Promise<void> {
    return this.#poll.refresh();
  }

  #read(processor: Processor): Processor {
    const atMs = performance.now();
    const { lag, latencyMs, counters, replay } = processor;
    this.readings = addReading(this.readings, { atMs, lag: totalLag(lag), ...latencyMs });
    this.#processed = addSample(this.#processed, {
      atMs,
      value: counters.processed + counters.passedOver,
    });
    const committed = replay?.lag.reduce((sum, entry) => sum + entry.committed, 0);
    this.#replayed =
      committed === undefined ? [] : addSample(this.#replayed, { atMs, value: committed });
    return processor;
  }
}
