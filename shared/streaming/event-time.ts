// The time of an event, from wherever its processor says that it lies. What is no time is null: the event then fails
// by itself instead of closing or holding windows.
import type { TaskError } from '../schemas/job.ts';

/** ECMAScript's dates end at 8.64e15; a window's end may lie some days behind an event. */
const TIME_MAX_MS = 8.6e15;

/** A date, or a date and a time; without a zone it is UTC. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** Milliseconds since 1970, or null. `path` is an EventPath. */
export function eventTimeMs(event: unknown, path: string): number | null {
  const value = valueAt(event, path);
  const ms = typeof value === 'number' ? Math.floor(value) : isoMs(value);
  return ms !== null && Math.abs(ms) <= TIME_MAX_MS ? ms : null;
}

function isoMs(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  const [, time, , , zone] = ISO_TIME.exec(value) ?? [];
  if (time === undefined && !ISO_TIME.test(value)) return null;
  const ms = Date.parse(time !== undefined && zone === undefined ? `${value}Z` : value);
  return Number.isNaN(ms) ? null : ms;
}

/** What lies at a path of own properties; undefined where there is nothing. */
function valueAt(event: unknown, path: string): unknown {
  let value = event;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

export function noTimeError(event: unknown, path: string): TaskError {
  const value = valueAt(event, path);
  const found =
    value === undefined ? 'there is nothing' : `there is ${JSON.stringify(value).slice(0, 100)}`;
  const message = `the event has no time at "${path}": ${found}, where a text such as 2026-01-31T12:00:00Z or milliseconds since 1970 should be`;
  return { code: 'bad_value', message };
}
