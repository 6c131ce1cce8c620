// The vocabulary of the map stage: attempts, what became of them, and how a job checks them.
import type { SpillReceipt } from '../../../shared/mapreduce/task.ts';
import type {
  AttemptState,
  TaskError,
  TaskErrorCode,
  Verify,
} from '../../../shared/schemas/job.ts';

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
  /** Of `held` and `committed` attempts. */
  receipt: SpillReceipt | null;
}

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

/** How many agreeing digests commit a task. */
export const copiesOf = (verify: Verify): number => (verify.mode === 'quorum' ? verify.copies : 1);

/** Lease length from the median running time: generous, since only a hung mapper reaches it. */
export function leaseLengthMs(
  medianMs: number | null,
  bounds: { initial: number; min: number; max: number; factor: number },
): number {
  if (medianMs === null) return bounds.initial;
  return Math.min(bounds.max, Math.max(bounds.min, Math.round(medianMs * bounds.factor)));
}
