// The runs of a schedule as they are kept, and what may happen to them next: which may start, which gives way
// to a younger one, when to look again. Pure.
import { type Backoff, backoffMs } from '../../shared/backoff.ts';
import {
  IDEMPOTENCY_MS,
  SCHEDULE_ASK_MAX_MS,
  SCHEDULE_ASK_MIN_MS,
  SCHEDULE_ASK_SHARE,
  SCHEDULE_ATTEMPTS_MAX,
  SCHEDULE_JOBS_MAX,
  SCHEDULE_LATE_MS,
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

export interface RunRecord {
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

export type Insertion = Pick<RunRecord, 'dueMs' | 'takenMs' | 'manual' | 'state' | 'reason'>;

export const newRun = (seq: number, run: Insertion): RunRecord => ({
  ...run,
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
/** Past this nobody knows whether the key of an unanswered submission is still remembered. */
const SURE_MS = IDEMPOTENCY_MS / 2;

/** Reads only what the runs before it left: two at once would read the same events. */
export const readsOn = ({ input }: MapReduceSpec): boolean =>
  'stream' in input && input.from === 'lastRun' && input.ranges === undefined;

export const isWaiting = (run: RunRecord): boolean => run.state === 'queued' && run.job === null;
/** Waits, and nothing of it was submitted: it can still be taken back. */
export const isUntouched = (run: RunRecord): boolean => isWaiting(run) && run.attempts === 0;
/** Its job goes on. */
export const isGoing = (run: RunRecord): boolean =>
  run.job !== null && !['done', 'failed', 'cancelled'].includes(run.state);
export const isOver = (run: RunRecord): boolean => !isWaiting(run) && !isGoing(run);

/** The run that may be submitted now: the oldest that waits, if its turn has come. Runs in order of age. */
export function nextToStart(runs: RunRecord[], alone: boolean, nowMs: number): RunRecord | null {
  const waiting = runs.find(isWaiting);
  if (!waiting || waiting.retryMs > nowMs) return null;
  const going = runs.filter(isGoing).length;
  // One that was tried may have its job already.
  const room = going < (alone ? 1 : SCHEDULE_JOBS_MAX) || waiting.attempts > 0;
  return room ? waiting : null;
}

/** Whether a run that was tried and got no answer may be tried again, and after which wait. */
export function afterTrouble(
  run: Pick<RunRecord, 'attempts'>,
  random: number,
): { kind: 'again'; waitMs: number } | { kind: 'over' } {
  if (run.attempts >= SCHEDULE_ATTEMPTS_MAX) return { kind: 'over' };
  return { kind: 'again', waitMs: backoffMs(RETRY, run.attempts - 1, random) };
}

/** Its key may be forgotten: another try could be a second job. */
export const isTooOldToTry = (run: RunRecord, nowMs: number): boolean =>
  run.attempts > 0 && nowMs - run.triedMs > SURE_MS;

/** When to look again: the next time, the next try, the next question after a job. Null: never. */
export function wakeAtMs(
  nextMs: number | null,
  runs: RunRecord[],
  askedMs: number,
  nowMs: number,
): number | null {
  const times = nextMs === null ? [] : [nextMs];
  const going = runs.filter(isGoing);
  for (const { startedMs } of going) {
    const share = (nowMs - (startedMs ?? nowMs)) / SCHEDULE_ASK_SHARE;
    times.push(askedMs + Math.min(SCHEDULE_ASK_MAX_MS, Math.max(SCHEDULE_ASK_MIN_MS, share)));
  }
  // What waits for room is looked at when a job ends.
  const waiting = runs.find(isWaiting);
  if (waiting && (waiting.attempts > 0 || going.length === 0)) times.push(waiting.retryMs);
  return times.length === 0 ? null : Math.max(nowMs, Math.min(...times));
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

export function runView(run: RunRecord, runs: RunRecord[]): ScheduleRun {
  const { dueMs, startedMs, manual, state, job, notes } = run;
  return {
    job,
    state,
    at: new Date(dueMs).toISOString(),
    startedAt: startedMs === null ? null : new Date(startedMs).toISOString(),
    manual,
    reason: [...notes, run.reason || waitingReason(run, runs)].filter(Boolean).join('; '),
  };
}

function waitingReason(run: RunRecord, runs: RunRecord[]): string {
  if (!isUntouched(run)) return '';
  const before = runs.find((other) => other.seq < run.seq && !isOver(other));
  if (!before) return '';
  return `waits for the run of ${new Date(before.dueMs).toISOString()}, which is still going on`;
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
