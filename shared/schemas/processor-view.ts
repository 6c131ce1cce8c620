// What is shown of a processor: how far it is, what it counted, its windows and its dead letters.
import * as z from 'zod';
import { IsoTime } from './common.ts';
import { Cost, TaskError } from './job.ts';
import { StreamEvent } from './stream.ts';
import { PROCESSOR_KINDS, ProcessorSpec } from './processor-spec.ts';

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
  late: z
    .number()
    .int()
    .optional()
    .meta({ description: 'join and window: events that came too late' }),
  fired: z
    .number()
    .int()
    .optional()
    .meta({ description: 'join and window: joins that were complete, windows that closed' }),
  timedOut: z
    .number()
    .int()
    .optional()
    .meta({ description: 'joins that were not complete in time' }),
  repeated: z
    .number()
    .int()
    .optional()
    .meta({ description: 'join: events whose id was there already' }),
  forgotten: z
    .number()
    .int()
    .optional()
    .meta({ description: 'stateful: keys whose time to live was over' }),
  refused: z.number().int().optional().meta({
    description: 'keyed: outputs that their stream would never take, and that were dropped',
  }),
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

/** What the shards of a keyed processor hold. */
export const KeyedHoldings = z
  .object({
    shards: z.number().int(),
    keys: z.number().int().meta({
      description: 'stateful: keys with state; join: keys that wait; window: open windows',
    }),
    bytes: z.number().int(),
    missing: z
      .array(z.object({ type: z.string(), count: z.number().int() }))
      .optional()
      .meta({ description: 'join: how many keys wait for each type' }),
    watermark: IsoTime.nullable().optional().meta({
      description: 'window: event time that no shard is behind; null before the first event',
    }),
  })
  .meta({ id: 'KeyedHoldings' });
export type KeyedHoldings = z.infer<typeof KeyedHoldings>;

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
    keyed: KeyedHoldings.optional().meta({ description: 'stateful, join and window' }),
    cost: Cost,
  })
  .meta({ id: 'Processor' });
export type Processor = z.infer<typeof Processor>;

/** In lists: no code, no log. */
export const ProcessorSummary = z
  .object({
    name: z.string(),
    kind: z.enum(PROCESSOR_KINDS),
    streams: z.array(z.string()),
    output: z.string().nullable(),
    late: z.string().optional().meta({ description: 'join and window: the stream of late events' }),
    version: z.number().int(),
    state: z.enum(PROCESSOR_STATES),
    reason: z.string(),
    lag: z.array(PartitionLag),
    counters: ProcessorCounters,
    latencyMs: z.object({ p50: z.number().nullable(), p99: z.number().nullable() }),
    deadLetters: z.number().int(),
    keyed: KeyedHoldings.optional(),
  })
  .meta({ id: 'ProcessorSummary' });
export type ProcessorSummary = z.infer<typeof ProcessorSummary>;

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
