// The planner: which splits an input has. Pure arithmetic, so that no split has to be stored: split n
// is computed when it is leased. Only `csv` inputs over one split need a scan (csv-scan.ts), because a
// quoted field may hold newlines; they store their boundaries. A stream's splits are the pieces of its log
// that were pinned; they lie in many objects and are stored too.
import { GZIP_MAX_BYTES, SPLIT_MAX_BYTES, TASKS_MAX } from '../../../shared/limits.ts';
import type { RecordFormat, Split } from '../../../shared/mapreduce/task.ts';
import type { JobInput } from '../../../shared/schemas/job.ts';
import type { Piece, SplitPlan } from '../../contracts/job.rpc.ts';

export type { SplitPlan };

export interface InputFacts {
  /** Size of the stored input; 0 for a range. */
  bytes: number;
  gzip: boolean;
  /** Of a stream: where the events lie, in order. */
  pieces?: Piece[] | undefined;
}

/** A reason in words when the input cannot be planned; the bound is named in it. */
export type Planned = { ok: true; plan: SplitPlan } | { ok: false; reason: string };

export function recordFormat(input: JobInput): RecordFormat {
  if ('stream' in input) return 'ndjson';
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
  if ('stream' in input) return planPieces(facts.pieces ?? []);
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

function planPieces(pieces: Piece[]): Planned {
  if (pieces.length > TASKS_MAX)
    return tooManySplits(pieces.length, 'splitBytes, or a shorter range');
  const tooLong = pieces.find(({ start, end }) => end - start > SPLIT_MAX_BYTES);
  if (tooLong) {
    return { ok: false, reason: `a split has at most ${SPLIT_MAX_BYTES} bytes` };
  }
  const objects: string[] = [];
  const objectOf: number[] = [];
  const spans: number[] = [];
  for (const { key, start, end } of pieces) {
    // Pieces of one object follow one another.
    if (objects.at(-1) !== key) objects.push(key);
    objectOf.push(objects.length - 1);
    spans.push(start, end);
  }
  return { ok: true, plan: { kind: 'pieces', objects, objectOf, spans, splits: pieces.length } };
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
    case 'pieces': {
      const { start, end } = pieceOf(plan, task);
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

/** Where piece n of a stream's range lies. */
export function pieceOf(plan: SplitPlan & { kind: 'pieces' }, task: number): Piece {
  const key = plan.objects[plan.objectOf[task] ?? -1];
  const start = plan.spans[task * 2];
  const end = plan.spans[task * 2 + 1];
  if (key === undefined || start === undefined || end === undefined) {
    throw new Error(`no split ${task} in the plan`);
  }
  return { key, start, end };
}
