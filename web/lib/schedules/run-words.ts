// Times of runs as people say them: "tomorrow 03:00, in 14 h". The day is the one of the schedule's own time
// zone, where its pattern is meant. Pure.
import type { ScheduleRun } from '../../../shared/schemas/schedule.ts';
import { duration, plural } from '../format.ts';

const DAY_MS = 24 * 3600_000;

/** "today 15:20", "tomorrow 03:00", "Friday 03:00", "3 Dec 03:00"; with seconds where they matter. */
export function dayAndTime(
  iso: string,
  nowMs: number,
  timezone: string,
  withSeconds = needSeconds([iso]),
): string {
  const at = new Date(iso);
  return `${dayWord(at, nowMs, timezone)} ${clock(at, timezone, withSeconds)}`;
}

/** Whether any of these times is not at a whole minute: then all of them are told to the second. */
export const needSeconds = (times: readonly string[]): boolean =>
  times.some((iso) => new Date(iso).getUTCSeconds() !== 0);

/** "in 14 h", "in 3 min"; "now" for what is due. */
export function untilWords(iso: string, nowMs: number): string {
  const seconds = Math.floor((Date.parse(iso) - nowMs) / 1000);
  if (seconds < 1) return 'now';
  if (seconds < 60) return `in ${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `in ${minutes} min`;
  const hours = Math.round(minutes / 60);
  if (hours < 48) return `in ${hours} h`;
  return `in ${Math.round(hours / 24)} d`;
}

/** How late a run began: empty when the delay is too small to matter. */
export function lateBy({ at, startedAt }: ScheduleRun): string {
  if (startedAt === null) return '';
  const ms = Date.parse(startedAt) - Date.parse(at);
  return ms < 1_000 ? '' : duration(ms);
}

/** The strip in one sentence, for those who do not see it. */
export function stripWords(runs: readonly Pick<ScheduleRun, 'state'>[]): string {
  if (runs.length === 0) return 'No run yet';
  const counts = new Map<string, number>();
  for (const { state } of runs) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, count]) => `${count} ${state}`);
  return `The last ${plural(runs.length, 'run')}: ${parts.join(', ')}`;
}

function dayWord(at: Date, nowMs: number, timezone: string): string {
  const days = dayNumber(at, timezone) - dayNumber(new Date(nowMs), timezone);
  if (days === 0) return 'today';
  if (days === 1) return 'tomorrow';
  if (days === -1) return 'yesterday';
  if (days > 1 && days < 7) return format(at, timezone, { weekday: 'long' });
  const sameYear =
    format(at, timezone, { year: 'numeric' }) === format(nowMs, timezone, { year: 'numeric' });
  return format(at, timezone, {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
  });
}

/** Calendar days since 1970 in that zone. */
function dayNumber(at: Date, timezone: string): number {
  // en-CA writes a date as ISO does.
  const date = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(at);
  return Date.parse(`${date}T00:00:00Z`) / DAY_MS;
}

function clock(at: Date, timezone: string, withSeconds: boolean): string {
  return format(at, timezone, {
    hour: '2-digit',
    minute: '2-digit',
    ...(withSeconds ? { second: '2-digit' } : {}),
  });
}

function format(at: Date | number, timeZone: string, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone, ...options }).format(at);
}
