// What a job is, as the JobObject keeps it, and how it is shown. One JSON row; what grows with the
// number of tasks lies in tables of its own.
import { BAD_RECORDS_LISTED_PER_JOB } from '../../../shared/limits.ts';
import type { MapPlan } from '../../../shared/mapreduce/task.ts';
import { usd } from '../../../shared/pricing.ts';
import type {
  BadRecord,
  Counters,
  Job,
  JobState,
  JobSummary,
  MapReduceSpec,
  TaskError,
} from '../../../shared/schemas/job.ts';
import { EDGE, type AttemptRecord } from './attempts.ts';
import type { PartCommit, Submission } from '../../contracts/job.rpc.ts';
import type { EdgeWakeUps } from './edge-wake-ups.ts';
import type { MapStage } from './map-stage.ts';
import { recordFormat, splitCount, type SplitPlan } from './plan.ts';

export interface JobRecord {
  /** Without the specification and the plan, which are stored apart: they may be larger than a row. */
  submission: Omit<Submission, 'spec' | 'plan'>;
  state: JobState;
  reason: string;
  createdAtMs: number;
  startedAtMs: number | null;
  finishedAtMs: number | null;
  error: TaskError | null;
  counters: Counters;
  operations: Record<string, number>;
  badRecords: BadRecord[];
  csvHeader: string[] | null;
  /** When the edge may begin on fresh tasks. */
  edgeFromMs: number;
  /** The last wake-up rung; numbers tell wake-ups apart. */
  lastRing: number;
  /** Running median of the map attempts' time, in ms. */
  medianMs: number | null;
  mapped: number;
  reduced: number;
}

/** A job in memory: what is stored, and the machines that decide about it. */
export interface LoadedJob {
  record: JobRecord;
  spec: MapReduceSpec;
  plan: SplitPlan;
  map: MapStage;
  wakeUps: EdgeWakeUps;
}

export function newJobRecord(submission: JobRecord['submission'], nowMs: number): JobRecord {
  return {
    submission,
    state: 'queued',
    reason: '',
    createdAtMs: nowMs,
    startedAtMs: null,
    finishedAtMs: null,
    error: null,
    counters: {
      recordsIn: 0,
      recordsOut: 0,
      bytesIn: 0,
      bytesShuffled: 0,
      keysOut: 0,
      attempts: 0,
      backups: 0,
      disagreements: 0,
      badRecords: 0,
      edgeTasks: 0,
      volunteerTasks: 0,
      user: {},
    },
    operations: {},
    badRecords: [],
    csvHeader: null,
    edgeFromMs: 0,
    lastRing: 0,
    medianMs: null,
    mapped: 0,
    reduced: 0,
  };
}

/** What the mappers have to read; null when the input has no bytes. */
export const inputBytesOf = ({ submission }: JobRecord): number | null =>
  submission.input?.bytes ?? submission.stream?.bytes ?? null;

export const hasEnded = (state: JobState): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';

export function mapPlanOf(record: JobRecord, spec: MapReduceSpec): MapPlan {
  const { submission } = record;
  return {
    job: submission.job,
    name: spec.name,
    programHash: submission.programHash,
    format: recordFormat(spec.input),
    gzip:
      submission.input?.gzip === true && 'format' in spec.input && spec.input.format !== 'bytes',
    partitions: spec.partitions,
    params: spec.params,
    skipBadRecords: spec.skipBadRecords,
    csvHeader: record.csvHeader,
    nowMs: record.createdAtMs,
    ...(submission.step && { step: submission.step }),
  };
}

/** Adds what a committed attempt counted: called once a task. */
export function countCommitted(
  record: JobRecord,
  attempt: AttemptRecord,
  bytesShuffled: number,
): void {
  const { counters, badRecords } = record;
  const trailer = attempt.receipt?.trailer;
  if (!trailer) throw new Error(`task ${attempt.task} attempt ${attempt.attempt} has no receipt`);
  counters.recordsIn += trailer.recordsIn;
  counters.recordsOut += trailer.recordsOut;
  counters.bytesIn += trailer.bytesIn;
  counters.badRecords += trailer.badRecords;
  counters.bytesShuffled += bytesShuffled;
  if (attempt.by === EDGE) counters.edgeTasks++;
  else counters.volunteerTasks++;
  addInto(counters.user, trailer.userCounters);
  for (const bad of trailer.badRecordsListed) {
    if (badRecords.length < BAD_RECORDS_LISTED_PER_JOB)
      badRecords.push({ ...bad, task: attempt.task });
  }
  if (attempt.ms !== null) record.medianMs = nextMedian(record.medianMs, attempt.ms);
  record.mapped++;
}

export function countPart(record: JobRecord, part: PartCommit): void {
  record.counters.keysOut += part.keys;
  addInto(record.counters.user, part.userCounters);
  addInto(record.operations, part.operations);
  record.reduced++;
}

export function addInto(into: Record<string, number>, amounts: Record<string, number>): void {
  for (const [name, amount] of Object.entries(amounts)) into[name] = (into[name] ?? 0) + amount;
}

/** A running estimate that walks toward the median: constant memory, robust against stragglers. */
function nextMedian(median: number | null, sample: number): number {
  if (median === null) return sample;
  const step = Math.max(1, median * 0.1);
  return sample > median ? Math.min(sample, median + step) : Math.max(sample, median - step);
}

export function jobView(record: JobRecord, spec: MapReduceSpec, plan: SplitPlan): Job {
  return { ...summaryView(record, spec, plan), spec, badRecords: record.badRecords };
}

export function summaryView(record: JobRecord, spec: MapReduceSpec, plan: SplitPlan): JobSummary {
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    id: record.submission.job,
    kind: 'mapreduce',
    name: spec.name,
    state: record.state,
    reason: record.reason,
    createdAt: new Date(record.createdAtMs).toISOString(),
    startedAt: iso(record.startedAtMs),
    finishedAt: iso(record.finishedAtMs),
    progress: {
      splits: splitCount(plan),
      mapped: record.mapped,
      partitions: spec.partitions,
      reduced: record.reduced,
    },
    counters: record.counters,
    cost: { operations: record.operations, usd: usd(record.operations) },
    error: record.error,
    inputBytes: inputBytesOf(record) ?? 0,
  };
}
