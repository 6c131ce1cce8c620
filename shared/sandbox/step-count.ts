// The budget of the loop guard (local mode): the guarded program tells of each step it takes, and the runner
// decides when a count begins. Errors are named as those of MapReduce's guard, so that they get the same code.
import { RealError } from './intrinsics.ts';

export class StepCount {
  #steps = 0;
  readonly #most: number;
  readonly #what: string;

  /** Null: nothing is counted. `what`: of what it is the budget, for the message. */
  constructor(most: number | null, what = 'event') {
    this.#most = most ?? Infinity;
    this.#what = what;
  }

  begin(): void {
    this.#steps = 0;
  }

  /** What the factory of a guarded program takes. */
  readonly step = (by: number): void => {
    if ((this.#steps += by) <= this.#most) return;
    const error = new RealError(
      `more than ${this.#most} loop turns and calls in one ${this.#what}: an endless loop?`,
    );
    error.name = 'LoopGuardError';
    throw error;
  };
}
