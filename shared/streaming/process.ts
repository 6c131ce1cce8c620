// What crosses between the edge and an isolate that runs a processor. Plain values only; nothing computes.
import type { Json } from '../schemas/common.ts';
import type { TaskError } from '../schemas/job.ts';

/** One batch of consecutive events for `process(event, ctx)`. */
export interface ProcessCall {
  /** Event lines (NDJSON), as the log keeps them. */
  text: string;
  /** Other events are passed over. Null: all are taken. */
  types: string[] | null;
  params: Json;
  /** Counts from 1. */
  attempt: number;
  version: number;
}

/** What became of a batch. Events are run side by side; their outputs stay in the order of the events. */
export interface ProcessOutcome {
  /** Outputs as NDJSON of EventInput. */
  outputs: string;
  /** The source offset of each output: not decreasing. */
  outputOffsets: number[];
  processed: number;
  passedOver: number;
  /** Events whose code threw, returned rubbish or ran too long, in order of offset. They have no outputs. */
  failures: { offset: number; error: TaskError }[];
  /**
   * Null: all events were run. Else the batch ended early (its outputs or its time were used up) and this is
   * the offset of the first event that counts as not run: it begins the next batch. Never the first event's.
   */
  stoppedAt: number | null;
  log: string[];
}

/** One window for `process(batch, ctx)`; its event lines come as a stream. */
export interface BatchCall {
  reason: string;
  events: number;
  bytes: number;
  types: string[] | null;
  params: Json;
  attempt: number;
  version: number;
}

export type BatchOutcome =
  | { ok: true; outputs: string; outputCount: number; log: string[] }
  | { ok: false; error: TaskError; log: string[] };

// --- Keyed state: folds over keys, and what fires --------------------------------------------------

/** What every call of keyed code carries. */
interface KeyedCall {
  params: Json;
  /** Counts from 1. */
  attempt: number;
  version: number;
}

/**
 * Events that change the states of their keys: `process(event, state, ctx)` of a stateful processor, or
 * `add(state, event, ctx)` of a window. Events of one key run one after the other, those of others side by side.
 */
export interface FoldCall extends KeyedCall {
  calls: 'process' | 'add';
  /** Event lines (NDJSON) of one partition, in order of offset. */
  text: string;
  /** The key of each line: for windows the key of a window. */
  keys: string[];
  /** What `ctx.key` says for each line, when it is not what `keys` says (windows). */
  shownKeys: string[] | null;
  /**
   * JSON of the states that keys have now; a key that is missing has none. Several: windows that have become one,
   * oldest first; `merge(a, b)` makes one state of them before the key's first event is added.
   */
  states: [key: string, states: string[]][];
  /** True: an event that fails is left out and the next ones run on. False: the first failure ends the batch. */
  keepGoing: boolean;
}

export interface FoldOutcome {
  /**
   * New states of the keys that changed. Null: forget it. `ttlMs`: what `ctx.expire(ms)` said last; null: nothing, so
   * that what was said before still holds; 0: that no longer holds, as the key was forgotten in between.
   */
  changed: { key: string; state: string | null; ttlMs: number | null }[];
  /** As in ProcessOutcome. With `keepGoing: false` and a failure nothing of this may be used but `failures`. */
  outputs: string;
  outputOffsets: number[];
  failures: { offset: number; error: TaskError }[];
  /** The first offset that was not run (time or memory was used up). Never the first line's. All before it were. */
  stoppedAt: number | null;
  log: string[];
}

/** Joins that are complete, windows that closed: `process(value, ctx)`, each alone. */
export interface FireCall extends KeyedCall {
  /** `json`: the value, such as {"ProductUploaded": event, …} or {"key", "start", "end", "count", "state"}. */
  units: { key: string; json: string }[];
}

export interface FireOutcome {
  /** NDJSON of EventInput, in order of the units. */
  outputs: string;
  /** The unit (an index) of each output: not decreasing. */
  outputUnits: number[];
  /** In order. They have no outputs. */
  failures: { unit: number; error: TaskError }[];
  /** The first unit that was not run. Never 0. */
  stoppedAt: number | null;
  log: string[];
}
