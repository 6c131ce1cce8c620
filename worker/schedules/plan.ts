// What is due. Times that passed while the object slept are not all made up for: the youngest one runs (late), the
// older ones are missed, the youngest of them by name and the rest by number. Pure.
import { SCHEDULE_MISSED_COUNTED, SCHEDULE_MISSED_LISTED } from '../../shared/limits.ts';
import type { Times } from './cron.ts';

export interface Due {
  /** The time that runs now. */
  dueMs: number;
  /** Times before it that were missed, oldest first; at most SCHEDULE_MISSED_LISTED. */
  missed: number[];
  /** How many more there were before those; `moreAtLeast`: so many were counted, and not all. */
  more: number;
  moreAtLeast: boolean;
  /** The next time to wake at; null: the pattern has ended. */
  nextMs: number | null;
}

/** What is due at `nowMs` when `nextMs` was the next time; null: nothing. */
export function takeDue(times: Times, nextMs: number | null, nowMs: number): Due | null {
  if (nextMs === null || nextMs > nowMs) return null;
  const passed = times
    .before(nowMs + 1, SCHEDULE_MISSED_LISTED + 1)
    .filter((atMs) => atMs >= nextMs && atMs <= nowMs)
    .reverse();
  // The pattern is not the one that `nextMs` was computed from, or its zone's rules changed: what was
  // announced runs.
  const dueMs = passed.pop() ?? nextMs;
  const firstListedMs = passed[0] ?? dueMs;
  let more = 0;
  for (let at: number | null = nextMs; at !== null && at < firstListedMs; at = times.next(at)) {
    if (more === SCHEDULE_MISSED_COUNTED) break;
    more++;
  }
  return {
    dueMs,
    missed: passed,
    more,
    moreAtLeast: more === SCHEDULE_MISSED_COUNTED,
    nextMs: times.next(nowMs),
  };
}
