// The vocabulary of the map stage: attempts, and what became of them.
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type { AttemptState, TaskError, TaskErrorCode } from '../../../shared/schemas/job.ts';

/** By convention the edge maps under this name; volunteers have ids of at least 8 characters. */
export const EDGE = 'edge';

export interface AttemptRecord {
  task: number;
  /** From 1, never used twice for a task: it names the spill. */
  attempt: number;
  by: string;
  name: string;
  network: string;
  state: AttemptState;
  grantedAtMs: number;
  deadlineMs: number;
  ms: number | null;
  digest: string | null;
  error: TaskError | null;
  /** Of `awaiting-quorum` and `committed` attempts. */
  receipt: SpillReceipt | null;
  /** Granted since the mapper of an earlier attempt is silent, and may still be at work. */
  backup?: boolean;
}

/** Until version 0.4.0, rows called an attempt that waits for its quorum `held`. */
export function storedAttempt(text: string): AttemptRecord {
  const record = JSON.parse(text) as AttemptRecord;
  return record.state === 'held' ? { ...record, state: 'awaiting-quorum' } : record;
}

/** Its lease ran out in silence: we do not know whether it failed. */
export const hasLapsed = ({ state, error, ms }: AttemptRecord): boolean =>
  state === 'failed' && error?.code === 'deadline' && ms === null;

/** Whether a result that comes now is the attempt's first word: out, given back, or thought lost. */
export const mayStillFinish = (record: AttemptRecord): boolean =>
  record.digest === null &&
  (record.state === 'leased' ||
    record.state === 'returned' ||
    record.state === 'revoked' ||
    hasLapsed(record));

/** The program's own doing: the same everywhere, so that trying it again and again is of no use. */
const DETERMINISTIC: ReadonlySet<TaskErrorCode> = new Set([
  'program_threw',
  'bad_program',
  'bad_key',
  'bad_value',
  'bad_record',
  'too_many_bad_records',
  'loop_guard',
  'memory',
]);
export const isDeterministic = (error: TaskError): boolean => DETERMINISTIC.has(error.code);

/** Lease length from the median running time: generous, since only a hung mapper reaches it. */
export function leaseLengthMs(
  medianMs: number | null,
  bounds: { initial: number; min: number; max: number; factor: number },
): number {
  if (medianMs === null) return bounds.initial;
  return Math.min(bounds.max, Math.max(bounds.min, Math.round(medianMs * bounds.factor)));
}
