// The firings of a schedule (the API says runs) as they are kept, and what may happen to them next: which may
// start, which gives way to a younger one, when to look again. Pure.
import { type Backoff, backoffMs } from '../../shared/backoff.ts';
import {
  IDEMPOTENCY_MS,
  SCHEDULE_ASK_MAX_MS,
  SCHEDULE_ASK_MIN_MS,
  SCHEDULE_ASK_SHARE,
  SCHEDULE_ATTEMPTS_MAX,
  SCHEDULE_JOBS_MAX,
  SCHEDULE_RETRY_BASE_MS,
  SCHEDULE_RETRY_MAX_MS,
} from '../../shared/limits.ts';
import type { MapReduceSpec, StreamRange } from '../../shared/schemas/job.ts';
import type { ScheduleRun } from '../../shared/schemas/schedule.ts';

/** What is submitted, fixed at the first try: every further try means the same job. */
export interface Submitted {
  /** Of the schedule's specification. */
  version: number;
  /** The stream that is read; null for other inputs. */
  streamUid: string | null;
  /** What "lastRun" meant. */
  ranges: StreamRange[] | null;
}

export interface ScheduleFiring {
  seq: number;
  dueMs: number;
  /** When the schedule saw that it was due. */
  takenMs: number;
  manual: boolean;
  /** "queued" without a job: it waits to be submitted. */
  state: ScheduleRun['state'];
  job: string | null;
  startedMs: number | null;
  submitted: Submitted | null;
  attempts: number;
  triedMs: number;
  /** Not before. */
  retryMs: number;
  /** What is to be said whatever becomes of the job. */
  notes: string[];
  /** What the job says, or why there is none. */
  reason: string;
}

export type Insertion = Pick<ScheduleFiring, 'dueMs' | 'takenMs' | 'manual' | 'state' | 'reason'>;

export const newFiring = (seq: number, firing: Insertion): ScheduleFiring => ({
  ...firing,
  seq,
  job: null,
  startedMs: null,
  submitted: null,
  attempts: 0,
  triedMs: 0,
  retryMs: 0,
  notes: [],
});

const RETRY: Backoff = { baseMs: SCHEDULE_RETRY_BASE_MS, maxMs: SCHEDULE_RETRY_MAX_MS };
/** Past this it is unknown whether the key of an unanswered submission is still remembered. */
const SURE_MS = IDEMPOTENCY_MS / 2;

/** Reads only what the runs before it left: two at once would read the same events. */
export const readsOn = ({ input }: MapReduceSpec): boolean =>
  'stream' in input && input.from === 'lastRun' && input.ranges === undefined;

export const isWaiting = (firing: ScheduleFiring): boolean =>
  firing.state === 'queued' && firing.job === null;
/** Waits, and nothing of it was submitted: it can still be taken back. */
export const isUntouched = (firing: ScheduleFiring): boolean =>
  isWaiting(firing) && firing.attempts === 0;
/** Its job goes on. */
export const isGoing = (firing: ScheduleFiring): boolean =>
  firing.job !== null && !['done', 'failed', 'cancelled'].includes(firing.state);
export const isOver = (firing: ScheduleFiring): boolean => !isWaiting(firing) && !isGoing(firing);

/** The firing that may be submitted now: the oldest that waits, if its turn has come. Oldest first. */
export function nextToStart(
  firings: ScheduleFiring[],
  alone: boolean,
  nowMs: number,
): ScheduleFiring | null {
  const waiting = firings.find(isWaiting);
  if (!waiting || waiting.retryMs > nowMs) return null;
  const going = firings.filter(isGoing).length;
  // One that was tried may have its job already.
  const room = going < (alone ? 1 : SCHEDULE_JOBS_MAX) || waiting.attempts > 0;
  return room ? waiting : null;
}

/** A firing whose submission failed: tried again after a wait that grows, or refused. */
export function troubled(
  firing: ScheduleFiring,
  failure: { message: string; final: boolean },
  nowMs: number,
  random: number,
): ScheduleFiring {
  const { message, final } = failure;
  if (final) return { ...firing, state: 'refused', reason: message };
  if (firing.attempts >= SCHEDULE_ATTEMPTS_MAX) {
    const reason = `given up after ${firing.attempts} tries: ${message}`;
    return { ...firing, state: 'refused', reason };
  }
  const retryMs = nowMs + backoffMs(RETRY, firing.attempts - 1, random);
  const reason = `try ${firing.attempts} did not succeed, another one follows: ${message}`;
  return { ...firing, retryMs, reason };
}

/** Its key may be forgotten: another try could be a second job. */
export const isTooOldToTry = (firing: ScheduleFiring, nowMs: number): boolean =>
  firing.attempts > 0 && nowMs - firing.triedMs > SURE_MS;

/** The platform counts an alarm's time in nanoseconds, in 64 bits: they end in the year 2262. */
const LAST_ALARM_MS = Date.UTC(2200);

/** When to look again: the next time, the next try, the next question after a job. Null: never. */
export function wakeAtMs(
  nextMs: number | null,
  firings: ScheduleFiring[],
  askedMs: number,
  nowMs: number,
): number | null {
  const times = nextMs === null ? [] : [nextMs];
  const going = firings.filter(isGoing);
  for (const { startedMs } of going) {
    const share = (nowMs - (startedMs ?? nowMs)) / SCHEDULE_ASK_SHARE;
    times.push(askedMs + Math.min(SCHEDULE_ASK_MAX_MS, Math.max(SCHEDULE_ASK_MIN_MS, share)));
  }
  // What waits for room is looked at when a job ends.
  const waiting = firings.find(isWaiting);
  if (waiting && (waiting.attempts > 0 || going.length === 0)) times.push(waiting.retryMs);
  return times.length === 0 ? null : Math.max(nowMs, Math.min(LAST_ALARM_MS, ...times));
}
