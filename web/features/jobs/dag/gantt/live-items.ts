// The times of the items of steps that are shown item by item, asked for again while they change. A long list costs
// something: only its first ones are asked for, and less often the longer that takes.
import type { DagJob, StepStatus } from '../../../../../shared/schemas/dag.ts';
import { isSettled } from '../../../../lib/dag/run-figures.ts';
import type { ItemTimes } from './chart.ts';

export const ITEMS_SHOWN = 500;
const PAUSE_MIN_MS = 300;
const PAUSE_SHARE = 4;

export interface LiveItemsPorts {
  nowMs(): number;
  load(step: string, limit: number): Promise<readonly ItemTimes[]>;
  onTimes(step: string, times: readonly ItemTimes[]): void;
}

export class LiveItems {
  readonly #deps: LiveItemsPorts;
  readonly #times = new Map<string, readonly ItemTimes[]>();
  /** What the newest answer was of, by step. */
  readonly #seen = new Map<string, string>();
  #latest: { run: Pick<DagJob, 'steps'>; shown: readonly string[] } | null = null;
  #busy = false;
  #closed = false;

  constructor(deps: LiveItemsPorts) {
    this.#deps = deps;
  }

  /** At each change of the run, or of what is shown. */
  update(run: Pick<DagJob, 'steps'>, shown: readonly string[]): void {
    this.#latest = { run, shown };
    if (!this.#busy) void this.#loadAll();
  }

  close(): void {
    this.#closed = true;
  }

  async #loadAll(): Promise<void> {
    this.#busy = true;
    const fromMs = this.#deps.nowMs();
    const asked = this.#outdated();
    for (const [step, of] of asked) {
      try {
        const times = (await this.#deps.load(step, ITEMS_SHOWN)).map(timesOf);
        if (this.#closed) return;
        this.#seen.set(step, of);
        this.#times.set(step, times);
        this.#deps.onTimes(step, times);
      } catch {
        // The run itself is asked for as well, and says what is wrong.
        this.#seen.set(step, of);
      }
    }
    const pauseMs = Math.max(PAUSE_MIN_MS, PAUSE_SHARE * (this.#deps.nowMs() - fromMs));
    if (asked.length > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    this.#busy = false;
    if (!this.#closed && this.#outdated().length > 0) void this.#loadAll();
  }

  /** Steps of which the answer is older than the run, and what it is to be of. */
  #outdated(): [step: string, of: string][] {
    if (!this.#latest) return [];
    const { run, shown } = this.#latest;
    return shown.flatMap((step): [string, string][] => {
      const status = run.steps[step];
      if (!status?.items || status.items.count === 0) return [];
      const of = stampOf(status);
      return this.#seen.get(step) === of || this.#allEnded(step, status) ? [] : [[step, of]];
    });
  }

  /** What is beyond those that are shown goes on, they do not. */
  #allEnded(step: string, { state }: StepStatus): boolean {
    const times = this.#times.get(step);
    if (!times || times.length < ITEMS_SHOWN || isSettled(state)) return false;
    return times.every(({ finishedAt }) => finishedAt !== null);
  }
}

const stampOf = ({ state, items }: StepStatus): string => JSON.stringify([state, items]);

/** Outputs are not kept: there may be megabytes of them. */
const timesOf = ({ item, state, startedAt, finishedAt }: ItemTimes): ItemTimes => ({
  item,
  state,
  startedAt,
  finishedAt,
});
