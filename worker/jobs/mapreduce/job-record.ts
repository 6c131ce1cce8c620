// What a job is, as the JobObject keeps it, and how it is shown. One JSON row; what grows with the
// number of tasks lies in tables of its own.
import { isoTime } from '../../../shared/iso-time.ts';
import {
  BAD_RECORDS_LISTED_PER_JOB,
  LEASE_FACTOR,
  LEASE_MAX_MS,
  LEASE_MIN_MS,
  LEASE_MS,
  LEASE_TOKEN_MS,
} from '../../../shared/limits.ts';
import type { MapPlan } from '../../../shared/mapreduce/task.ts';
import { addTo } from '../../../shared/own.ts';
import { usd } from '../../../shared/pricing.ts';
import type {
  BadRecord,
  Counters,
  Job,
  JobSummary,
  MapReduceSpec,
} from '../../../shared/schemas/job.ts';
import { type AttemptRecord, EDGE, leaseLengthMs } from './attempts.ts';
import type { PartCommit, Submission } from '../../contracts/job.rpc.ts';
import type { EdgeWakeUps } from './edge-wake-ups.ts';
import type { JobLife } from './job-machine.ts';
import type { NewLease } from './lease.ts';
import type { MapStage } from './map-stage.ts';
import { pieceOf, recordFormat, splitCount, splitOf, type SplitPlan } from './plan.ts';

export interface JobRecord extends JobLife {
  /** Without the specification and the plan, which are stored apart: they may be larger than a row. */
  submission: Omit<Submission, 'spec' | 'plan'>;
  createdAtMs: number;
  counters: Counters;
  operations: Record<string, number>;
  badRecords: BadRecord[];
  csvHeader: string[] | null;
  /** The last wake-up sent; numbers tell wake-ups apart. */
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
  /** When a volunteer last took or reported a task. In memory only. */
  lastVolunteerMs: number;
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

export function leaseMsOf({ medianMs }: JobRecord): number {
  const bounds = { initial: LEASE_MS, min: LEASE_MIN_MS, max: LEASE_MAX_MS, factor: LEASE_FACTOR };
  return leaseLengthMs(medianMs, bounds);
}

/** The object that a task's split lies in. */
function inputOf({ record, plan }: LoadedJob, task: number): NewLease['input'] {
  const { input, step } = record.submission;
  if (plan.kind !== 'pieces') return input && { ...input, exact: step !== undefined };
  const { key, end } = pieceOf(plan, task);
  return { key, bytes: end, exact: true };
}

/** The lease of an attempt, not signed yet. */
export function leaseOf(
  job: LoadedJob,
  { task, attempt, by, grantedAtMs }: AttemptRecord,
): NewLease {
  return {
    plan: mapPlanOf(job.record, job.spec),
    task: { task, split: splitOf(job.plan, task) },
    attempt,
    by,
    expiresAtMs: grantedAtMs + LEASE_TOKEN_MS,
    input: inputOf(job, task),
  };
}

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
  addInto(record.operations, {
    durableObjectRequest: 3,
    rowWritten: 3,
    workerRequest: 1,
    queueOperation: 3,
  });
  record.reduced++;
}

export function addInto(into: Record<string, number>, amounts: Record<string, number>): void {
  for (const [name, amount] of Object.entries(amounts)) addTo(into, name, amount);
}

/** A running estimate that walks toward the median: constant memory, robust against stragglers. */
function nextMedian(median: number | null, sample: number): number {
  if (median === null) return sample;
  const step = Math.max(1, median * 0.1);
  return sample > median ? Math.min(sample, median + step) : Math.max(sample, median - step);
}

export function jobView(job: LoadedJob): Job {
  return { ...summaryView(job), spec: job.spec, badRecords: job.record.badRecords };
}

export function summaryView({ record, spec, plan }: LoadedJob): JobSummary {
  const iso = (ms: number | null) => (ms === null ? null : isoTime(ms));
  return {
    id: record.submission.job,
    kind: 'mapreduce',
    name: spec.name,
    state: record.state,
    reason: record.reason,
    createdAt: isoTime(record.createdAtMs),
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
