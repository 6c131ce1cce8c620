// The planner: which splits an input has. Pure arithmetic, so that no split has to be stored: split n
// is computed when it is leased. Only `csv` inputs over one split need a scan (csv-scan.ts), because a
// quoted field may hold newlines; they store their boundaries.
import { GZIP_MAX_BYTES, SPLIT_MAX_BYTES, TASKS_MAX } from '../../shared/limits.ts';
import type { RecordFormat, Split } from '../../shared/mapreduce/task.ts';
import type { JobInput } from '../../shared/schemas/job.ts';

export type SplitPlan =
  /** Split n is bytes [n × splitBytes, (n + 1) × splitBytes) of the input. */
  | { kind: 'bytes'; bytes: number; splitBytes: number; splits: number }
  /** Split n is bytes [boundaries[n], boundaries[n + 1]); each begins a record. */
  | { kind: 'boundaries'; boundaries: number[]; splits: number }
  | { kind: 'integers'; from: number; to: number; splitItems: number; splits: number }
  /** Boundaries are not known yet: the input has to be scanned. */
  | { kind: 'scan'; bytes: number; splitBytes: number };

export interface InputFacts {
  /** Size of the stored input; 0 for a range. */
  bytes: number;
  gzip: boolean;
}

/** A reason in words when the input cannot be planned; the bound is named in it. */
export type Planned = { ok: true; plan: SplitPlan } | { ok: false; reason: string };

export function recordFormat(input: JobInput): RecordFormat {
  return 'range' in input ? 'integers' : input.format;
}

/** Plans an input. Zero bytes or an empty range are zero splits, and a job with an empty result. */
export function planSplits(input: JobInput, facts: InputFacts, splitBytes: number): Planned {
  if ('range' in input) {
    const { from, to } = input.range;
    const splits = Math.ceil((to - from) / input.splitItems);
    if (splits > TASKS_MAX) return tooManySplits(splits, 'splitItems');
    return { ok: true, plan: { kind: 'integers', from, to, splitItems: input.splitItems, splits } };
  }
  const { bytes, gzip } = facts;
  if (bytes === 0) return { ok: true, plan: { kind: 'boundaries', boundaries: [0], splits: 0 } };
  if (gzip && input.format !== 'bytes') {
    if (bytes > GZIP_MAX_BYTES) {
      return {
        ok: false,
        reason: `a gzip input is one split of at most ${GZIP_MAX_BYTES} bytes; this one has ${bytes}`,
      };
    }
    return { ok: true, plan: { kind: 'boundaries', boundaries: [0, bytes], splits: 1 } };
  }
  if (splitBytes > SPLIT_MAX_BYTES) {
    return { ok: false, reason: `splitBytes is at most ${SPLIT_MAX_BYTES}` };
  }
  const splits = Math.ceil(bytes / splitBytes);
  if (splits > TASKS_MAX) return tooManySplits(splits, 'splitBytes');
  if (input.format === 'csv' && splits > 1)
    return { ok: true, plan: { kind: 'scan', bytes, splitBytes } };
  return { ok: true, plan: { kind: 'bytes', bytes, splitBytes, splits } };
}

function tooManySplits(splits: number, field: string): Planned {
  return {
    ok: false,
    reason: `the input would have ${splits} splits, the most is ${TASKS_MAX}; use a larger ${field}`,
  };
}

/** Raw split n of a plan; `align.ts` makes the byte ranges of `lines` and `ndjson` exact. */
export function splitOf(plan: SplitPlan, task: number): Split {
  switch (plan.kind) {
    case 'bytes':
      return {
        kind: 'bytes',
        start: task * plan.splitBytes,
        end: Math.min((task + 1) * plan.splitBytes, plan.bytes),
      };
    case 'boundaries': {
      const start = plan.boundaries[task];
      const end = plan.boundaries[task + 1];
      if (start === undefined || end === undefined) throw new Error(`no split ${task} in the plan`);
      return { kind: 'bytes', start, end };
    }
    case 'integers':
      return {
        kind: 'integers',
        from: plan.from + task * plan.splitItems,
        to: Math.min(plan.from + (task + 1) * plan.splitItems, plan.to),
      };
    case 'scan':
      throw new Error('splitOf: the input has not been scanned yet');
  }
}

export function splitCount(plan: SplitPlan): number {
  return plan.kind === 'scan' ? 0 : plan.splits;
}
