// A job followed live: its events folded into the model, its figures asked for while it runs.
import type { Job } from '../../../../shared/schemas/job.ts';
import type { Problem } from '../../../../shared/schemas/problem.ts';
import { client } from '../../../lib/api.ts';
import { followEvents } from '../../../lib/jobs/follow-events.ts';
import { type Poll, poll } from '../../../lib/poll.svelte.ts';
import { isOver } from '../../../lib/theme/kinds.ts';
import { JobModel } from './job-model.ts';
import { addSample, remaining, type Remaining, type Sample } from './remaining.ts';

const POLL_MS = 1_000;

/** The model with a new wrapper at each change: what a view depends on. */
export interface ModelView {
  model: JobModel;
}

export class LiveJob {
  readonly id: string;
  view: ModelView = $state.raw({ model: new JobModel() });
  /** Every event is in: nothing more will come, unless somebody retries. */
  ended = $state(false);
  eventsProblem: Problem | null = $state.raw(null);
  readonly #poll: Poll<Job>;
  #samples: Sample[] = $state.raw([]);
  #sampled = '';
  #stop: () => void = () => {};

  /** Call while a component is set up; `close` when it goes. */
  constructor(id: string) {
    this.id = id;
    this.#poll = poll(
      async () => this.#sample(await client.jobs.mapReduce(id)),
      () => this.#nextPollMs(),
    );
    this.follow();
  }

  /** As last polled, but no further behind than the events: the page must not count two ways at once. */
  get job(): Job | null {
    const job = this.#poll.value;
    const mapped = Math.max(job?.progress.mapped ?? 0, this.view.model.counts.committed);
    return job && { ...job, progress: { ...job.progress, mapped } };
  }

  get problem(): Problem | null {
    return this.#poll.problem ?? this.eventsProblem;
  }

  /** Of the stage that runs now. */
  get remaining(): Remaining | null {
    const { job } = this;
    if (!job) return null;
    const { splits, partitions } = job.progress;
    if (job.state === 'mapping') return remaining(this.#samples, splits);
    return job.state === 'reducing' ? remaining(this.#samples, partitions) : null;
  }

  async refresh(): Promise<void> {
    await this.#poll.refresh();
  }

  /** Follows from the last event known; again after a retry. */
  follow(): void {
    this.#stop();
    this.ended = false;
    const { model } = this.view;
    this.#stop = followEvents(
      this.id,
      model.lastSeq,
      (events) => {
        model.fold(events);
        this.view = { model };
        // Its end is shown at once, not at the next question.
        if (events.some(({ type }) => isEnd(type))) void this.refresh();
      },
      (problem) => {
        this.ended = true;
        this.eventsProblem = problem;
      },
    );
  }

  close(): void {
    this.#stop();
  }

  #nextPollMs(): number | null {
    const { job } = this;
    const gone = this.#poll.problem?.code === 'not_found';
    return gone || (job && isOver(job.state)) ? null : POLL_MS;
  }

  #sample(job: Job): Job {
    const { mapped, reduced } = job.progress;
    if (this.#sampled !== job.state) this.#samples = [];
    this.#sampled = job.state;
    const done = job.state === 'reducing' ? reduced : mapped;
    this.#samples = addSample(this.#samples, { atMs: performance.now(), done });
    return job;
  }
}

const isEnd = (type: string): boolean =>
  type === 'done' || type === 'failed' || type === 'cancelled' || type === 'retried';
