// What the joins of a shard are made of. A change of the definition makes them anew, over the same tables.
import {
  DUE_TOGETHER,
  JOIN_CALL_MAX_BYTES,
  JOIN_DUE_ROW_CHARS,
  JOIN_DUE_ROW_KEYS,
  JOIN_DUE_ROW_MS,
  JOIN_FORGET_KEYS,
  JOIN_PAGE_LOOKS,
  JOIN_STALE_KEYS,
  JOIN_TIDY_KEYS,
} from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { JoinRules, RetrySpec } from '../../../shared/schemas/processor.ts';
import type { KeyedCode } from '../keyed/operator.ts';
import type { PartitionRef } from '../../contracts/names.ts';
import type { DueRows } from './due-rows.store.ts';
import type { JoinStore } from './join.store.ts';

export interface JoinParts {
  store: JoinStore;
  rows: DueRows;
  rules: JoinRules;
  retry: RetrySpec;
  code: KeyedCode;
  /** What the numbers of sources stand for. */
  sources: readonly PartitionRef[];
  /** From 0 to 1. */
  random(): number;
  /** What killed the isolate; null for everything that is not the code's fault. */
  crashOf(error: unknown): TaskError | null;
}

/** Bounds that tests make smaller: see limits.ts. */
export interface JoinSizes {
  callBytes: number;
  dueTogether: number;
  rowKeys: number;
  rowChars: number;
  rowMs: number;
  staleKeys: number;
  tidyKeys: number;
  forgetKeys: number;
  pageLooks: number;
}

export const JOIN_SIZES: JoinSizes = {
  callBytes: JOIN_CALL_MAX_BYTES,
  dueTogether: DUE_TOGETHER,
  rowKeys: JOIN_DUE_ROW_KEYS,
  rowChars: JOIN_DUE_ROW_CHARS,
  rowMs: JOIN_DUE_ROW_MS,
  staleKeys: JOIN_STALE_KEYS,
  tidyKeys: JOIN_TIDY_KEYS,
  forgetKeys: JOIN_FORGET_KEYS,
  pageLooks: JOIN_PAGE_LOOKS,
};
