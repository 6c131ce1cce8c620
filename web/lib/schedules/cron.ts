// A cron pattern read in the page: in words, and when it is due next, by the same library as at the edge, so
// that the preview is what will happen. Pure.
import cronstrue from 'cronstrue';
import { Cron } from 'croner';
import { SCHEDULE_NEXT_RUNS } from '../../../shared/limits.ts';

export type CronReading =
  | { ok: true; words: string; nextRuns: string[] }
  | { ok: false; field: 'cron' | 'timezone'; message: string };

export function readCron(cron: string, timezone: string, nowMs: number): CronReading {
  if (cron.trim() === '') return { ok: false, field: 'cron', message: 'say when it runs' };
  if (!isTimezone(timezone))
    return { ok: false, field: 'timezone', message: 'no time zone that is known here' };
  try {
    const plan = new Cron(cron, { timezone, paused: true });
    const nextRuns = plan
      .nextRuns(SCHEDULE_NEXT_RUNS, new Date(nowMs))
      .map((date) => date.toISOString());
    if (nextRuns.length === 0) return { ok: false, field: 'cron', message: 'it never comes again' };
    return { ok: true, words: cronWords(cron), nextRuns };
  } catch (error) {
    return { ok: false, field: 'cron', message: messageOf(error) };
  }
}

/** "At 03:00, Monday through Friday"; the pattern itself where there are no words for it. */
export function cronWords(cron: string): string {
  try {
    return cronstrue.toString(cron, { use24HourTimeFormat: true });
  } catch {
    return cron;
  }
}

export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name !== '';
  } catch {
    return false;
  }
}

/** The library's message without the name of its class. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^Cron\w+: /, '');
}
