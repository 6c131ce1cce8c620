// Open calls that wait for the log to grow, as live tails make them. In memory only: a caller whose object
// restarts asks again.
import { LOG_WAITERS_MAX } from '../../../shared/limits.ts';

export class LogWaiters {
  /** From the oldest on. */
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `wake`, or after `waitMs`; sooner when too many wait. */
  async wait(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      this.#waiting.add(wake);
      if (this.#waiting.size > LOG_WAITERS_MAX) this.#waiting.values().next().value?.();
    });
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
