// A run followed live: its events say that something changed, and what it is then is asked for; a poll is there for
// what events do not bring. A large run takes longer to load, and is asked for less often.
import type { DagJob } from '../../../shared/schemas/dag.ts';
import type { JobEvent } from '../../../shared/schemas/job.ts';
import type { Problem } from '../../../shared/schemas/problem.ts';
import { client } from '../api.ts';
import { followEvents } from '../jobs/follow-events.ts';
import { type Poll, poll } from '../poll.svelte.ts';
import { isOver } from '../theme/kinds.ts';

const POLL_MS = 2_000;
/** Between two questions that events set going; and how many times as long as loading took. */
const REFRESH_MIN_MS = 250;
const REFRESH_SHARE = 4;
const EVENTS_KEPT = 1_000;

/** What the page keeps of the events: a new object at each change. */
export interface RunEvents {
  events: JobEvent[];
  seen: number;
}

export class LiveRun {
  readonly id: string;
  told: RunEvents = $state.raw({ events: [], seen: 0 });
  eventsProblem: Problem | null = $state.raw(null);
  readonly #poll: Poll<DagJob>;
  #lastSeq = 0;
  #loadedMs = 0;
  #loadTookMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop: () => void = () => {};

  /** Call while a component is set up; `close` when it goes. */
  constructor(id: string) {
    this.id = id;
    this.#poll = poll(
      () => this.#load(),
      () => this.#nextPollMs(),
    );
    this.follow();
  }

  get run(): DagJob | null {
    return this.#poll.value;
  }

  get problem(): Problem | null {
    return this.#poll.problem ?? this.eventsProblem;
  }

  async refresh(): Promise<void> {
    await this.#poll.refresh();
  }

  /** Follows from the last event known; again after a retry. */
  follow(): void {
    this.#stop();
    this.#stop = followEvents(
      this.id,
      this.#lastSeq,
      (events) => {
        this.#lastSeq = events.at(-1)?.seq ?? this.#lastSeq;
        this.told = {
          events: [...this.told.events, ...events].slice(-EVENTS_KEPT),
          seen: this.told.seen + events.length,
        };
        this.#refreshSoon();
      },
      (problem) => {
        this.eventsProblem = problem;
        // The last event may be older than what was loaded last.
        this.#refreshSoon();
      },
    );
  }

  close(): void {
    this.#stop();
    clearTimeout(this.#timer);
  }

  async #load(): Promise<DagJob> {
    const fromMs = performance.now();
    const run = await client.jobs.dag(this.id);
    this.#loadedMs = performance.now();
    this.#loadTookMs = this.#loadedMs - fromMs;
    return run;
  }

  #refreshSoon(): void {
    if (this.#timer !== undefined) return;
    const atMs = this.#loadedMs + Math.max(REFRESH_MIN_MS, REFRESH_SHARE * this.#loadTookMs);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.refresh();
      },
      Math.max(0, atMs - performance.now()),
    );
  }

  #nextPollMs(): number | null {
    const run = this.#poll.value;
    const gone = this.#poll.problem?.code === 'not_found';
    if (gone || (run && isOver(run.state))) return null;
    return Math.max(POLL_MS, REFRESH_SHARE * this.#loadTookMs);
  }
}
