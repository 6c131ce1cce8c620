// When a cron pattern is due in a time zone. croner reads the pattern; this says what may be refused, and
// asks it only for times. Daylight saving: a fixed time that the clock skips runs when the clock has jumped, a
// fixed time that comes twice runs once; patterns with wildcards follow the clock as it is.
import { Cron } from 'croner';
import { messageOf } from '../../shared/message-of.ts';

/** Instants in ms. Whole seconds. */
export interface Times {
  /** The first time after `afterMs`; null: never again. */
  next(afterMs: number): number | null;
  /** The last `count` times before `beforeMs`, youngest first. */
  before(beforeMs: number, count: number): number[];
}

export type ParsedCron =
  { ok: true; times: Times } | { ok: false; field: 'cron' | 'timezone'; reason: string };

/**
 * Five fields (minute hour day month weekday), six with seconds in front, seven with a year behind, a nickname such
 * as `@daily`, or one ISO time. The zone is a name of the IANA database, or an offset such as `+02:00`.
 */
export function parseCron(pattern: string, timezone: string): ParsedCron {
  if (!isZone(timezone)) {
    return { ok: false, field: 'timezone', reason: `there is no time zone ${timezone}` };
  }
  try {
    const cron = new Cron(pattern, { timezone, paused: true });
    return { ok: true, times: timesOf(cron) };
  } catch (error) {
    const message = messageOf(error);
    return { ok: false, field: 'cron', reason: message.replace(/^Cron\w+: /, '') };
  }
}

const timesOf = (cron: Cron): Times => ({
  next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() ?? null,
  before: (beforeMs, count) =>
    cron.previousRuns(count, new Date(beforeMs)).map((date) => date.getTime()),
});

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The next `count` times after `afterMs`; fewer when the pattern ends. */
export function upcoming(times: Times, afterMs: number, count: number): number[] {
  const found: number[] = [];
  let at: number | null = afterMs;
  while (found.length < count && (at = times.next(at)) !== null) found.push(at);
  return found;
}
