// A schedule as it is kept, but for its runs. Types only, so that pure files may know them.
import type { Covered } from './last-run.ts';

export interface ScheduleRecord {
  name: string;
  uid: string;
  createdAtMs: number;
  /** Of the specification; grows with every change. */
  version: number;
  paused: boolean;
  /** The next time by the plan; null: none (paused, or the pattern has ended). */
  nextMs: number | null;
  lastSeq: number;
  covered: Covered | null;
}
