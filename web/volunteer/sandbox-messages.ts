// What crosses the sandbox's two kinds of channel: host <-> frame (which owns the Web Workers) and host <->
// worker (a private port each). What a worker says is parsed: a hostile program may have bent the realm
// that its result was made in, and must not be able to break the page or the lobby's protocol with it.
import * as z from 'zod';
import {
  ERROR_MESSAGE_MAX_CHARS,
  ERROR_STACK_MAX_CHARS,
  LOG_LINE_MAX_CHARS,
  LOG_LINES_MAX,
  SPILL_MAX_BYTES,
} from '../../shared/limits.ts';
import { isCounts } from '../../shared/own.ts';
import type { DryRunResult } from '../../shared/mapreduce/dry-run.ts';
import type { MapPlan, MapResult, MapTask, SpillTrailer } from '../../shared/mapreduce/task.ts';
import type { ProgramOrigin } from '../../shared/sandbox/task-error.ts';
import { JsonValue } from '../../shared/schemas/common.ts';
import { BadRecord, TaskError } from '../../shared/schemas/job.ts';

/** Host → frame. `spawn` carries the worker's end of its channel. */
export type ToFrame = { type: 'spawn'; worker: number } | { type: 'terminate'; worker: number };

/** Frame → host. `tick` comes every TICK_MS from a worker's clock, which hidden pages do not slow down. */
export type FromFrame =
  { type: 'open' } | { type: 'tick' } | { type: 'broke'; worker: number; message: string };

export interface RunMessage {
  run: number;
  plan: MapPlan;
  task: MapTask;
  input: Uint8Array | null;
  origin: ProgramOrigin;
}

/** Host → worker. `program` comes once, before the first run. `browser`: it may use what only browsers have. */
export type ToWorker =
  | { type: 'program'; text: string; browser: boolean }
  | ({ type: 'map' } & RunMessage)
  | ({ type: 'dry-run'; recordsMax: number } & RunMessage);

/** Worker → host. */
export type FromWorker =
  | { type: 'ready' }
  /** These names could not be taken away from user code: the worker refuses to work. */
  | { type: 'unsafe'; names: string[] }
  | { type: 'progress'; run: number; fraction: number }
  | { type: 'mapped'; run: number; ms: number; result: MapResult }
  | { type: 'dry-ran'; run: number; result: DryRunResult }
  | { type: 'broke'; run: number; message: string };

const Count = z.number().int().min(0);
const CutTaskError = TaskError.transform((error) => ({
  ...error,
  message: error.message.slice(0, ERROR_MESSAGE_MAX_CHARS),
  ...(error.stack !== undefined && { stack: error.stack.slice(0, ERROR_STACK_MAX_CHARS) }),
}));
const Log = z
  .array(z.string())
  .transform((lines) =>
    lines.slice(0, LOG_LINES_MAX).map((line) => line.slice(0, LOG_LINE_MAX_CHARS)),
  );
const Bytes = z.custom<Uint8Array<ArrayBuffer>>(
  (value) => value instanceof Uint8Array && value.byteLength <= SPILL_MAX_BYTES,
);
/** The edge reads the trailer from the spill itself; here it is only carried. */
const Trailer = z.custom<SpillTrailer>((value) => typeof value === 'object' && value !== null);
const Shown = z.array(z.object({ key: z.string(), value: JsonValue }));

const FromWorkerSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('unsafe'), names: z.array(z.string()) }),
  z.object({ type: z.literal('progress'), run: Count, fraction: z.number().min(0).max(1) }),
  z.object({
    type: z.literal('mapped'),
    run: Count,
    ms: z.number().min(0),
    result: z.discriminatedUnion('ok', [
      z.object({
        ok: z.literal(true),
        spill: Bytes,
        digest: z.string().regex(/^[0-9a-f]{64}$/),
        trailer: Trailer,
        log: Log,
      }),
      z.object({ ok: z.literal(false), error: CutTaskError, log: Log }),
    ]),
  }),
  z.object({
    type: z.literal('dry-ran'),
    run: Count,
    result: z.object({
      recordsIn: Count,
      emitted: Count,
      truncated: z.boolean(),
      mapped: Shown,
      result: Shown,
      badRecords: z.array(BadRecord),
      log: Log,
      counters: z.custom<Record<string, number>>(isCounts),
      error: CutTaskError.nullable(),
    }),
  }),
  z.object({ type: z.literal('broke'), run: Count, message: z.string() }),
]);

/** Null: the worker sent something that its own glue never sends. */
export function readFromWorker(data: unknown): FromWorker | null {
  const parsed = FromWorkerSchema.safeParse(data);
  return parsed.success ? (parsed.data as FromWorker) : null;
}
