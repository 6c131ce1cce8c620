// A job's events: written with every change, read in pages, and waited for by live readers.
import { WAITERS_MAX } from '../../shared/limits.ts';
import type { JobEvent } from '../../shared/schemas/job.ts';
import { Waiters } from './waiters.ts';

/** Where they lie. */
export interface EventRows {
  addEvent(event: Omit<JobEvent, 'seq'>): void;
  eventsAfter(after: number, limit: number): JobEvent[];
}

export class EventLog {
  readonly #store: EventRows;
  readonly #waiters = new Waiters(WAITERS_MAX);

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

  /** The same, and waits up to `waitMs` for the first of them, unless the job `isOver`. */
  async next(
    after: number,
    limit: number,
    waitMs: number,
    isOver: () => boolean,
  ): Promise<{ events: JobEvent[]; ended: boolean; full: boolean }> {
    let events = this.read(after, limit);
    let full = false;
    if (events.length === 0 && !isOver()) {
      full = (await this.#waiters.wait(waitMs)) === 'full';
      events = this.read(after, limit);
    }
    return { events, ended: events.length < limit && isOver(), full };
  }

  /** Lets live readers look again. */
  wake(): void {
    this.#waiters.wake();
  }
}
