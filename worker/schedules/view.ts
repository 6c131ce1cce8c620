// What is said of a schedule and its runs: how late and why, what was missed, which waits for which. Pure.
import { isoTime } from '../../shared/iso-time.ts';
import { SCHEDULE_LATE_MS, SCHEDULE_NEXT_RUNS } from '../../shared/limits.ts';
import type { Schedule, ScheduleRun, ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { type Times, upcoming } from './cron.ts';
import { isGoing, isOver, isUntouched, type RunRecord } from './firings.ts';
import type { ScheduleRecord } from './schedule-record.ts';

/** `runs`: oldest first. */
export function scheduleView(
  { name, paused, createdAtMs }: ScheduleRecord,
  spec: ScheduleSpec,
  runs: RunRecord[],
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
    runs: runs.map((run) => runView(run, runs)).reverse(),
  };
}

const NOBODY = 'nobody was there at its time (the edge was down or busy)';

/** What is said of a run that starts long after its time; null when it is on time. */
export function lateness(run: RunRecord, nowMs: number): string | null {
  const lateMs = nowMs - run.dueMs;
  if (lateMs <= SCHEDULE_LATE_MS) return null;
  const tried = run.attempts > 1 ? `it took ${run.attempts} tries` : 'it waited for the run before';
  const why = run.takenMs - run.dueMs > SCHEDULE_LATE_MS ? NOBODY : tried;
  return `started ${inWords(lateMs)} late: ${why}`;
}

export function missedReason(more: number, moreAtLeast: boolean): string {
  const before = more === 0 ? '' : `; ${moreAtLeast ? 'at least ' : ''}${more} before it, too`;
  return NOBODY + before;
}

/** Why a planned run that still waited made room for the next. */
export const gaveWayReason = (runs: RunRecord[]): string =>
  runs.some(isGoing) ? 'the run before was still going on when the next one was due' : NOBODY;

export function runView(run: RunRecord, runs: RunRecord[]): ScheduleRun {
  const { dueMs, startedMs, manual, state, job, notes } = run;
  return {
    job,
    state,
    at: isoTime(dueMs),
    startedAt: startedMs === null ? null : isoTime(startedMs),
    manual,
    reason: [...notes, run.reason || waitingReason(run, runs)].filter(Boolean).join('; '),
  };
}

function waitingReason(run: RunRecord, runs: RunRecord[]): string {
  if (!isUntouched(run)) return '';
  const before = runs.find((other) => other.seq < run.seq && !isOver(other));
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
