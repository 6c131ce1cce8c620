// Something that a button does at the edge: under way, done, or refused with the problem to show. One at a time.
import type { Problem } from '../../shared/schemas/problem.ts';
import { asProblem } from './api.ts';

export class Action {
  busy = $state(false);
  problem: Problem | null = $state.raw(null);

  /** True when it was done; false when it was refused, or when another one is still under way. */
  async run(act: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = null;
    try {
      await act();
      return true;
    } catch (failure) {
      this.problem = asProblem(failure);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
