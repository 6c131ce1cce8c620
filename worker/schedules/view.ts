// What is said of a schedule and its runs: how late and why, what was missed, which waits for which. Pure.
import { isoTime } from '../../shared/iso-time.ts';
import { SCHEDULE_LATE_MS, SCHEDULE_NEXT_RUNS } from '../../shared/limits.ts';
import type { Schedule, ScheduleRun, ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { type Times, upcoming } from './cron.ts';
import { isGoing, isOver, isUntouched, type ScheduleFiring } from './firings.ts';
import type { ScheduleRecord } from './schedule-record.ts';

/** `firings`: oldest first. */
export function scheduleView(
  { name, paused, createdAtMs }: ScheduleRecord,
  spec: ScheduleSpec,
  firings: ScheduleFiring[],
  times: Times,
  nowMs: number,
): Schedule {
  const next = paused ? [] : upcoming(times, nowMs, SCHEDULE_NEXT_RUNS);
  return {
    name,
    ...spec,
    state: paused ? 'paused' : 'active',
    createdAt: isoTime(createdAtMs),
    nextRuns: next.map((atMs) => isoTime(atMs)),
    runs: firings.map((firing) => firingView(firing, firings)).reverse(),
  };
}

const NOBODY = 'nobody was there at its time (the edge was down or busy)';

/** What is said of a firing that starts long after its time; null when it is on time. */
export function lateness(firing: ScheduleFiring, nowMs: number): string | null {
  const lateMs = nowMs - firing.dueMs;
  if (lateMs <= SCHEDULE_LATE_MS) return null;
  const tried =
    firing.attempts > 1 ? `it took ${firing.attempts} tries` : 'it waited for the run before';
  const why = firing.takenMs - firing.dueMs > SCHEDULE_LATE_MS ? NOBODY : tried;
  return `started ${inWords(lateMs)} late: ${why}`;
}

export function missedReason(more: number, moreAtLeast: boolean): string {
  const before = more === 0 ? '' : `; ${moreAtLeast ? 'at least ' : ''}${more} before it, too`;
  return NOBODY + before;
}

/** Why a planned firing that still waited made room for the next. */
export const gaveWayReason = (firings: ScheduleFiring[]): string =>
  firings.some(isGoing) ? 'the run before was still going on when the next one was due' : NOBODY;

export function firingView(firing: ScheduleFiring, firings: ScheduleFiring[]): ScheduleRun {
  const { dueMs, startedMs, manual, state, job, notes } = firing;
  return {
    job,
    state,
    at: isoTime(dueMs),
    startedAt: startedMs === null ? null : isoTime(startedMs),
    manual,
    reason: [...notes, firing.reason || waitingReason(firing, firings)].filter(Boolean).join('; '),
  };
}

function waitingReason(firing: ScheduleFiring, firings: ScheduleFiring[]): string {
  if (!isUntouched(firing)) return '';
  const before = firings.find((other) => other.seq < firing.seq && !isOver(other));
  if (!before) return '';
  return `waits for the run of ${isoTime(before.dueMs)}, which is still going on`;
}

const UNITS: [string, number][] = [
  ['d', 24 * 3600_000],
  ['h', 3600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** A span in its two largest units: `2 h 5 min`. */
export function inWords(ms: number): string {
  const largest = Math.max(
    0,
    UNITS.findIndex(([, unitMs]) => ms >= unitMs),
  );
  let rest = ms;
  const parts = UNITS.slice(largest, largest + 2).flatMap(([name, unitMs]) => {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    return count === 0 ? [] : [`${count} ${name}`];
  });
  return parts.join(' ') || '0 s';
}
