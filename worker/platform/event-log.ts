// A job's events: written with every change, read in pages, and waited for by live readers.
import type { JobEvent } from '../../shared/schemas/job.ts';

/** Where they lie. */
export interface EventRows {
  addEvent(event: Omit<JobEvent, 'seq'>): void;
  eventsAfter(after: number, limit: number): JobEvent[];
}

export class EventLog {
  readonly #store: EventRows;
  readonly #waiting = new Set<() => void>();

  constructor(store: EventRows) {
    this.#store = store;
  }

  readonly write = (type: JobEvent['type'], fields: Record<string, unknown>): void => {
    this.#store.addEvent({ time: new Date().toISOString(), type, ...fields });
  };

  /** Up to `limit` events past the sequence number `after`. */
  read(after: number, limit: number): JobEvent[] {
    return this.#store.eventsAfter(after, limit);
  }

  /** Resolves at the next `wake`, or after `waitMs`. */
  async wait(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      this.#waiting.add(wake);
    });
  }

  /** Lets live readers look again. */
  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
