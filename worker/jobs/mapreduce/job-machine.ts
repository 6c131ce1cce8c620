// A job's life cycle as a pure machine: which state follows what happens, which timers that sets, when the edge is
// woken, when reducing begins, and what is said while the job waits. Values in, decisions out: job-arbiter.ts
// stores what is decided here.
import { EDGE_GRACE_MS, FAILED_KEEP_MS } from '../../../shared/limits.ts';
import type { JobEvent, JobState, MapReduceSpec, TaskError } from '../../../shared/schemas/job.ts';
import { EDGE } from './attempts.ts';
import { inputBytesOf, type LoadedJob } from './job-record.ts';
import { splitCount } from './plan.ts';

/** A job's timers. The JobObject has a handler for each. */
export type JobTimer = 'advance' | 'waiting' | 'summary' | 'garbage' | 'sweep' | 'unsubmitted';

/** What this machine decides about; a part of the job's record. */
export interface JobLife {
  state: JobState;
  /** Why it waits, or why it ended so. */
  reason: string;
  error: TaskError | null;
  startedAtMs: number | null;
  finishedAtMs: number | null;
  /** When the edge may begin on fresh tasks. */
  edgeFromMs: number;
}

export type Happening =
  /** `splits`: null when the input has to be scanned for them. */
  | { kind: 'submitted'; name: string; splits: number | null }
  | { kind: 'planned'; splits: number }
  | { kind: 'granted' }
  /** Every task is committed. `problem`: why the counters do not reconcile. `waiting`: partitions to reduce. */
  | { kind: 'mapped'; splits: number; partitions: number; waiting: number; problem: string | null }
  | { kind: 'reduced' }
  | { kind: 'failed'; error: TaskError }
  | { kind: 'cancelled' }
  | { kind: 'retried'; mapped: number };

export interface Move {
  life: JobLife;
  events: [JobEvent['type'], Record<string, unknown>][];
  /** Timers that are set; null: cleared. */
  timers: Partial<Record<JobTimer, number | null>>;
  /** Why every lease is taken back; null: they stay. */
  revoke: string | null;
}

export const hasEnded = (state: JobState): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';

export const isMapping = (state: JobState): boolean => state === 'queued' || state === 'mapping';

/** Null: this does not happen to a job in its state; what comes too late changes nothing. */
export function happen(
  life: JobLife,
  what: Happening,
  { mappers }: Pick<MapReduceSpec, 'mappers'>,
  nowMs: number,
): Move | null {
  const to = (changed: Partial<JobLife>, events: Move['events'], timers: Move['timers'] = {}) => ({
    life: { ...life, ...changed },
    events,
    timers,
    revoke: null,
  });
  const edgeFromMs = nowMs + (mappers === 'edge' ? 0 : EDGE_GRACE_MS);
  switch (what.kind) {
    case 'submitted': {
      const { name, splits } = what;
      const events: Move['events'] = [['submitted', { name }]];
      if (splits !== null) events.push(['planned', { splits }]);
      return to({ edgeFromMs }, events, { unsubmitted: null });
    }
    case 'planned':
      if (!isMapping(life.state)) return null;
      return to({ edgeFromMs }, [['planned', { splits: what.splits }]]);
    case 'granted':
      if (life.state !== 'queued') return null;
      return to({ state: 'mapping', startedAtMs: life.startedAtMs ?? nowMs }, [['mapping', {}]]);
    case 'mapped':
      return isMapping(life.state) ? mapped(life, what, nowMs) : null;
    case 'reduced':
      return life.state === 'reducing' ? end(life, 'done', null, nowMs) : null;
    case 'failed':
      return hasEnded(life.state) ? null : end(life, 'failed', what.error, nowMs);
    case 'cancelled':
      return hasEnded(life.state) ? null : end(life, 'cancelled', null, nowMs);
    case 'retried': {
      if (life.state !== 'failed') return null;
      const state = what.mapped > 0 ? 'mapping' : 'queued';
      const fresh = { state, error: null, finishedAtMs: null, reason: '', edgeFromMs } as const;
      // Both delete spills, and the job is going to make some.
      return to(fresh, [['retried', {}]], { garbage: null, sweep: null });
    }
  }
}

function mapped(life: JobLife, what: Happening & { kind: 'mapped' }, nowMs: number): Move {
  const { problem, partitions, waiting, splits } = what;
  if (problem !== null) {
    return end(life, 'failed', { code: 'counters', message: problem }, nowMs);
  }
  const reducing: JobLife = {
    ...life,
    state: 'reducing',
    startedAtMs: life.startedAtMs ?? nowMs,
    reason: '',
  };
  const events: Move['events'] = [['reducing', { partitions }]];
  if (waiting > 0) return { life: reducing, events, timers: {}, revoke: null };
  const ended = end(reducing, 'done', null, nowMs);
  if (splits === 0) ended.life.reason = 'the input is empty: no records';
  return { ...ended, events: [...events, ...ended.events] };
}

function end(
  life: JobLife,
  state: 'done' | 'failed' | 'cancelled',
  error: TaskError | null,
  nowMs: number,
): Move {
  return {
    life: { ...life, state, error, reason: error?.message ?? '', finishedAtMs: nowMs },
    events: [[state, error ? { error } : {}]],
    timers: { garbage: state === 'failed' ? nowMs + FAILED_KEEP_MS : nowMs },
    revoke: state === 'done' ? 'the job is done' : `the job was ${state}`,
  };
}

/** What a job has to do next. */
export function stageOf({
  record,
  plan,
  map,
}: LoadedJob): 'map' | 'begin-reduce' | 'reduce' | 'over' {
  if (record.state === 'reducing') return 'reduce';
  if (!isMapping(record.state)) return 'over';
  return plan.kind !== 'scan' && map.complete ? 'begin-reduce' : 'map';
}

/**
 * Never reduce on partial input: why the counters do not reconcile; null when they do. `committed`: tasks,
 * `records`: what the sections of their spills hold.
 */
export function reconcile(
  { record, plan }: Pick<LoadedJob, 'record' | 'plan'>,
  committed: number,
  records: number,
): string | null {
  const { counters } = record;
  const splits = splitCount(plan);
  if (committed !== splits) return `${committed} of ${splits} tasks are committed`;
  if (records !== counters.recordsOut) {
    return `the mappers wrote ${counters.recordsOut} records, the sections hold ${records}`;
  }
  if (plan.kind === 'integers') {
    const seen = counters.recordsIn + counters.badRecords;
    const items = plan.to - plan.from;
    return seen === items ? null : `the range has ${items} items, the mappers read ${seen}`;
  }
  const bytes = inputBytesOf(record);
  if (bytes === null || counters.bytesIn === bytes) return null;
  return `the input has ${bytes} bytes, the mappers read ${counters.bytesIn}`;
}

/** Whether the edge may take tasks that no mapper has tried yet. */
export function edgeMayBegin(job: LoadedJob, nowMs: number): boolean {
  const { spec, map } = job;
  if (spec.mappers === 'edge') return true;
  if (spec.mappers === 'volunteers' || map.volunteersActive) return false;
  return nowMs >= edgeBeginsMs(job);
}

/** When the edge may begin, unless a volunteer does something before. */
const edgeBeginsMs = ({ record, lastVolunteerMs }: LoadedJob): number =>
  Math.max(record.edgeFromMs, lastVolunteerMs + EDGE_GRACE_MS);

/** Attempts that the edge could make now, and why the job waits; no reason while something is being mapped. */
export function askEdge(job: LoadedJob, nowMs: number): { work: number; reason: string } {
  if (job.plan.kind === 'scan') return { work: 1, reason: 'finding the records of the CSV input' };
  const work = job.map.edgeWork(edgeMayBegin(job, nowMs));
  return { work, reason: waitingReason(job, work, nowMs) };
}

/** Why the edge is woken, as its event says. */
export const edgeReason = ({ spec }: LoadedJob): string =>
  spec.mappers === 'edge' ? 'the job asks for the edge' : 'no volunteer at work, or one stalled';

function waitingReason(job: LoadedJob, work: number, nowMs: number): string {
  const { map, spec, record } = job;
  if (map.volunteersActive || map.activeOf(EDGE) > 0) return '';
  if (work > 0) return 'an edge mapper was woken; it begins when those before it are done';
  if (spec.mappers === 'any') {
    const seconds = Math.max(1, Math.ceil((edgeBeginsMs(job) - nowMs) / 1000));
    return `no volunteer connected; edge mappers start in ${seconds} s`;
  }
  if (record.counters.attempts === 0 || spec.verify.mode !== 'quorum') {
    return 'waiting for a volunteer: none has a task of this job';
  }
  return `waiting for another volunteer: a quorum needs ${spec.verify.copies} different ones`;
}

/** When the job has to look again by itself: a lease runs out, a wake-up got lost, the edge may begin. */
export function lookAgainMs(
  job: LoadedJob,
  partRingMs: () => number | null,
  nowMs: number,
): number | null {
  const { record, spec, map, wakeUps } = job;
  if (record.state === 'reducing') return partRingMs();
  if (!isMapping(record.state)) return null;
  const times = [map.nextDeadlineMs(), wakeUps.nextCheckMs()];
  if (spec.mappers === 'any' && !map.volunteersActive && !edgeMayBegin(job, nowMs)) {
    times.push(edgeBeginsMs(job));
  }
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
}

/** A wait that is over sooner is shown, but is not worth an event. */
const WAITING_EVENT_MS = 500;

/** When the event of a wait is due; null: the job does not wait. */
export const waitingEventMs = ({ record, map }: LoadedJob): number | null =>
  record.reason === '' || map.unleased === 0 ? null : record.createdAtMs + WAITING_EVENT_MS;
