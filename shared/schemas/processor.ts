// Processors: user code attached to streams. What is put, and what is shown of one.
import * as z from 'zod';
import {
  CODE_MAX_BYTES,
  EVENT_TYPE_MAX_CHARS,
  NAME_MAX_CHARS,
  PROCESSOR_SERVICES_MAX,
  PROCESSOR_STREAMS_MAX,
  PROCESSOR_TYPES_MAX,
  REDRIVE_RATE_MAX,
  RETRY_ATTEMPTS_DEFAULT,
  RETRY_ATTEMPTS_MAX,
  RETRY_BASE_DEFAULT_MS,
  RETRY_MAX_DEFAULT_MS,
  RETRY_MAX_MS,
  WINDOW_BYTES_DEFAULT,
  WINDOW_BYTES_MAX,
  WINDOW_EVENTS_DEFAULT,
  WINDOW_EVENTS_MAX,
  WINDOW_WAIT_DEFAULT_MS,
  WINDOW_WAIT_MAX_MS,
} from '../limits.ts';
import { IsoTime, JsonValue, ListQuery, ResourceName } from './common.ts';
import { Cost, MapReduceSpec, TaskError } from './job.ts';
import { StreamEvent, StreamPoint } from './stream.ts';

export const ServiceSpec = z.strictObject({
  url: z
    .string()
    .max(2_000)
    .regex(/^(https?:\/\/|\/api\/services\/)/, 'an http(s) address, or a path under /api/services/')
    .meta({ description: '{key} stands for the key that is asked for' }),
});

export const RetrySpec = z
  .strictObject({
    maxAttempts: z.number().int().min(1).max(RETRY_ATTEMPTS_MAX).default(RETRY_ATTEMPTS_DEFAULT),
    baseMs: z.number().int().min(0).max(RETRY_MAX_MS).default(RETRY_BASE_DEFAULT_MS),
    maxMs: z.number().int().min(0).max(RETRY_MAX_MS).default(RETRY_MAX_DEFAULT_MS),
  })
  .meta({ id: 'RetrySpec' });
export type RetrySpec = z.infer<typeof RetrySpec>;

const StreamNames = z
  .union([ResourceName, z.array(ResourceName).min(1).max(PROCESSOR_STREAMS_MAX)])
  .meta({ description: 'one stream or several' });

const common = {
  stream: StreamNames,
  types: z
    .array(z.string().min(1).max(EVENT_TYPE_MAX_CHARS))
    .min(1)
    .max(PROCESSOR_TYPES_MAX)
    .optional()
    .meta({ description: 'other events are passed over' }),
  output: ResourceName.optional(),
  services: z
    .record(z.string().min(1).max(NAME_MAX_CHARS), ServiceSpec)
    .refine((services) => Object.keys(services).length <= PROCESSOR_SERVICES_MAX, {
      message: `at most ${PROCESSOR_SERVICES_MAX} services`,
    })
    .default({}),
  params: JsonValue.default({}),
  retry: RetrySpec.prefault({}),
  startFrom: StreamPoint.default('latest'),
};
const code = z.string().min(1).max(CODE_MAX_BYTES);

export const StatelessSpec = z
  .strictObject({ kind: z.literal('stateless'), ...common, code })
  .meta({ id: 'StatelessSpec' });
export type StatelessSpec = z.infer<typeof StatelessSpec>;

export const WindowLimits = z.strictObject({
  maxBytes: z.number().int().min(1).max(WINDOW_BYTES_MAX).default(WINDOW_BYTES_DEFAULT),
  maxEvents: z.number().int().min(1).max(WINDOW_EVENTS_MAX).default(WINDOW_EVENTS_DEFAULT),
  maxWaitMs: z.number().int().min(1).max(WINDOW_WAIT_MAX_MS).default(WINDOW_WAIT_DEFAULT_MS),
});
export type WindowLimits = z.infer<typeof WindowLimits>;

/** A MapReduce job without its input: that is the window. */
export const WindowJob = MapReduceSpec.omit({ input: true })
  .extend({ kind: z.literal('mapreduce').default('mapreduce') })
  .meta({ id: 'WindowJob' });
export type WindowJob = z.infer<typeof WindowJob>;

export const BatchSpec = z
  .strictObject({
    kind: z.literal('batch'),
    ...common,
    batch: WindowLimits,
    code: code.optional(),
    job: WindowJob.optional(),
  })
  .refine((spec) => (spec.code === undefined) !== (spec.job === undefined), {
    message: 'a batch processor has either code or a job',
    path: ['code'],
  })
  .refine((spec) => spec.job === undefined || typeof spec.stream === 'string', {
    message: 'windows that become jobs are of one stream: name it, without a list',
    path: ['stream'],
  })
  .refine((spec) => spec.job === undefined || spec.types === undefined, {
    message: 'a job gets every event of its window: its own code passes over what it does not want',
    path: ['types'],
  })
  .meta({ id: 'BatchSpec' });
export type BatchSpec = z.infer<typeof BatchSpec>;

export const ProcessorSpec = z.discriminatedUnion('kind', [StatelessSpec, BatchSpec]);
export type ProcessorSpec = z.infer<typeof ProcessorSpec>;
/** What a client may send: defaults left out. */
export type ProcessorSpecInput = z.input<typeof ProcessorSpec>;

export const PROCESSOR_STATES = ['running', 'paused', 'replaying'] as const;
export type ProcessorState = (typeof PROCESSOR_STATES)[number];

export const ProcessorCounters = z.object({
  processed: z
    .number()
    .int()
    .meta({ description: 'events whose code ran and whose effect is there' }),
  passedOver: z.number().int().meta({ description: 'events of other types' }),
  emitted: z.number().int(),
  retried: z.number().int().meta({ description: 'batches that were run again' }),
  deadLettered: z.number().int(),
  redriven: z.number().int(),
  duplicates: z.number().int().meta({ description: 'outputs that were there already' }),
  expired: z
    .number()
    .int()
    .meta({ description: 'events that retention took before they were read' }),
});
export type ProcessorCounters = z.infer<typeof ProcessorCounters>;

export const PartitionLag = z.object({
  stream: z.string(),
  partition: z.number().int(),
  committed: z.number().int(),
  lag: z.number().int(),
  state: z.enum(['idle', 'running', 'waiting', 'blocked', 'paused']),
  reason: z.string().meta({ description: 'why it waits; empty when it just works' }),
});
export type PartitionLag = z.infer<typeof PartitionLag>;

/** The window of a batch processor that still takes events in. Times are null while it is empty. */
export const OpenWindow = z.object({
  window: z.number().int(),
  events: z.number().int(),
  bytes: z.number().int(),
  openedAt: IsoTime.nullable(),
  firesAt: IsoTime.nullable().meta({ description: 'at the latest' }),
});
export type OpenWindow = z.infer<typeof OpenWindow>;

export const Processor = z
  .object({
    name: z.string(),
    spec: ProcessorSpec,
    version: z.number().int(),
    state: z.enum(PROCESSOR_STATES),
    reason: z.string(),
    createdAt: IsoTime,
    changedAt: IsoTime,
    lag: z.array(PartitionLag),
    counters: ProcessorCounters,
    latencyMs: z
      .object({ p50: z.number().nullable(), p99: z.number().nullable() })
      .meta({ description: 'from append to commit, over the last minutes; null before the first' }),
    deadLetters: z.number().int(),
    replay: z
      .object({
        version: z.number().int(),
        startedAt: IsoTime,
        lag: z.array(PartitionLag),
      })
      .nullable()
      .meta({ description: 'the version that is being rebuilt beside this one' }),
    log: z.array(z.string()).meta({ description: 'the last lines that the code logged' }),
    openWindow: OpenWindow.optional().meta({ description: 'batch processors only' }),
    cost: Cost,
  })
  .meta({ id: 'Processor' });
export type Processor = z.infer<typeof Processor>;

/** In lists: no code, no log. */
export const ProcessorSummary = z
  .object({
    name: z.string(),
    kind: z.enum(['stateless', 'batch']),
    streams: z.array(z.string()),
    output: z.string().nullable(),
    version: z.number().int(),
    state: z.enum(PROCESSOR_STATES),
    reason: z.string(),
    lag: z.array(PartitionLag),
    counters: ProcessorCounters,
    latencyMs: z.object({ p50: z.number().nullable(), p99: z.number().nullable() }),
    deadLetters: z.number().int(),
  })
  .meta({ id: 'ProcessorSummary' });
export type ProcessorSummary = z.infer<typeof ProcessorSummary>;

export const ReplayBody = z.strictObject({ from: StreamPoint.default('earliest') });

export const DeadLetter = z
  .object({
    id: z.string(),
    event: StreamEvent.nullable().meta({ description: 'null for a whole batch' }),
    stream: z.string(),
    partition: z.number().int(),
    offset: z.number().int(),
    error: TaskError,
    attempts: z.number().int(),
    at: IsoTime,
    state: z.enum(['dead', 'redriving']),
    batch: z.number().int().optional().meta({ description: 'the window, for a whole batch' }),
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetter = z.infer<typeof DeadLetter>;

export const RedriveBody = z
  .strictObject({
    ids: z.array(z.string().max(200)).min(1).max(1_000).optional(),
    all: z.literal(true).optional(),
    ratePerSecond: z.number().positive().max(REDRIVE_RATE_MAX).optional(),
  })
  .refine((body) => (body.ids === undefined) !== (body.all === undefined), {
    message: 'either `ids` or `all: true`',
  });
export type RedriveBody = z.infer<typeof RedriveBody>;

export const BATCH_REASONS = ['events', 'bytes', 'time', 'drain'] as const;
export type BatchReason = (typeof BATCH_REASONS)[number];

export const BatchRange = z.object({
  stream: z.string(),
  partition: z.number().int(),
  from: z.number().int(),
  to: z.number().int().meta({ description: 'not included' }),
});
export type BatchRange = z.infer<typeof BatchRange>;

export const Batch = z
  .object({
    window: z.number().int(),
    reason: z.enum(BATCH_REASONS),
    from: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'null when it spans several partitions' }),
    to: z.number().int().nullable().meta({ description: 'not included' }),
    ranges: z.array(BatchRange),
    events: z.number().int(),
    bytes: z.number().int(),
    openedAt: IsoTime,
    firedAt: IsoTime,
    state: z.enum(['waiting', 'running', 'done', 'failed']),
    attempts: z.number().int(),
    error: TaskError.nullable(),
    job: z.string().optional(),
  })
  .meta({ id: 'Batch' });
export type Batch = z.infer<typeof Batch>;

export const DeadLettersQuery = ListQuery;
