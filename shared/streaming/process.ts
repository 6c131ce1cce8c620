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

/** Failures cross as values: an exception that crosses is logged as the edge's own. */
export type HostAnswer<Value> = { ok: true; value: Value } | { ok: false; message: string };

/** What user code may ask of the world, through the host: everything else is closed. */
export interface ProcessHost {
  /** JSON of a declared service's answer; null for a 404. Everything else that is no success fails. */
  call(service: string, key: string): Promise<HostAnswer<Json>>;
  /** A claim's bytes, checked against its hash. Fails when it is gone, too large, or not what it was. */
  payload(token: string): Promise<HostAnswer<{ bytes: Uint8Array; contentType: string }>>;
}
