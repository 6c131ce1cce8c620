// Processors: user code attached to streams. What is put, and what is shown of one.
import * as z from 'zod';
import {
  CODE_MAX_BYTES,
  EVENT_TYPE_MAX_CHARS,
  GRACE_DEFAULT_MS,
  GRACE_MAX_MS,
  IDLE_DEFAULT_MS,
  IDLE_MAX_MS,
  JOIN_REMEMBER_DEFAULT_MS,
  JOIN_REMEMBER_MAX_MS,
  JOIN_TIMEOUT_MAX_MS,
  JOIN_TYPES_MAX,
  KEY_PARTS_MAX,
  KEY_PATH_MAX_CHARS,
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
  SHARDS_DEFAULT,
  SHARDS_MAX,
  SKEW_DEFAULT_MS,
  SKEW_MAX_MS,
  STATE_KEY_MAX_BYTES,
  STATE_TTL_MAX_MS,
  STATE_TTL_MIN_MS,
  WINDOW_BYTES_DEFAULT,
  WINDOW_BYTES_MAX,
  WINDOW_EVENTS_DEFAULT,
  WINDOW_EVENTS_MAX,
  WINDOW_WAIT_DEFAULT_MS,
  WINDOW_WAIT_MAX_MS,
  WINDOWS_PER_EVENT_MAX,
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

/** A place in an event: names between dots, such as "key" or "payload.user.id". A number is a place in a list. */
export const EventPath = z
  .string()
  .max(KEY_PATH_MAX_CHARS)
  .regex(
    /^(key|id|type|time|payload)(\.[^.\s]+)*$/,
    'a path into the event, such as "key" or "payload.userId"',
  );
export const KeyPath = z
  .union([EventPath, z.array(EventPath).min(1).max(KEY_PARTS_MAX)])
  .meta({ description: 'one path, or several that make one key together, written with | between' });
export type KeyPath = z.infer<typeof KeyPath>;

const keyed = {
  ...common,
  code,
  keyBy: z
    .union([KeyPath, z.record(ResourceName, KeyPath)])
    .default('key')
    .meta({ description: 'which events belong together; an object has a path for each stream' }),
  shards: z.number().int().min(1).max(SHARDS_MAX).default(SHARDS_DEFAULT).meta({
    description: 'objects that the keys are spread over; fixed once the processor exists',
  }),
};
const late = ResourceName.optional().meta({
  description:
    'a stream for events that came too late: each as it was, with `source.late` saying why',
});

const keyByNamesStreams = {
  test: ({
    keyBy,
    stream,
  }: {
    keyBy: KeyPath | Record<string, KeyPath>;
    stream: string | string[];
  }) =>
    typeof keyBy === 'string' ||
    Array.isArray(keyBy) ||
    [...new Set([stream].flat())].toSorted().join() === Object.keys(keyBy).toSorted().join(),
  says: { message: 'a path for each stream, and for no other', path: ['keyBy'] },
};

export const StatefulSpec = z
  .strictObject({
    kind: z.literal('stateful'),
    ...keyed,
    ttlMs: z
      .number()
      .int()
      .min(STATE_TTL_MIN_MS)
      .max(STATE_TTL_MAX_MS)
      .optional()
      .meta({ description: 'a key that was not written for so long is forgotten' }),
  })
  .refine(keyByNamesStreams.test, keyByNamesStreams.says)
  .meta({ id: 'StatefulSpec' });
export type StatefulSpec = z.infer<typeof StatefulSpec>;

export const ON_TIMEOUT = ['emit-partial', 'dead-letter', 'drop'] as const;
export const JoinRules = z.strictObject({
  types: z
    .array(z.string().min(1).max(EVENT_TYPE_MAX_CHARS))
    .min(2)
    .max(JOIN_TYPES_MAX)
    .refine((types) => new Set(types).size === types.length, { message: 'a type is there twice' }),
  timeoutMs: z
    .number()
    .int()
    .min(1)
    .max(JOIN_TIMEOUT_MAX_MS)
    .meta({ description: 'from the first arrival of a key' }),
  onTimeout: z.enum(ON_TIMEOUT),
  rememberMs: z
    .number()
    .int()
    .min(0)
    .max(JOIN_REMEMBER_MAX_MS)
    .default(JOIN_REMEMBER_DEFAULT_MS)
    .meta({
      description: 'how long a key that fired or timed out is known: what comes after it is late',
    }),
});
export type JoinRules = z.infer<typeof JoinRules>;

export const JoinSpec = z
  .strictObject({ kind: z.literal('join'), ...keyed, late, join: JoinRules })
  .refine(keyByNamesStreams.test, keyByNamesStreams.says)
  .refine((spec) => spec.types === undefined, {
    message: 'a join takes the types that it joins',
    path: ['types'],
  })
  .meta({ id: 'JoinSpec' });
export type JoinSpec = z.infer<typeof JoinSpec>;

const windowCommon = {
  graceMs: z.number().int().min(0).max(GRACE_MAX_MS).default(GRACE_DEFAULT_MS).meta({
    description: 'how far events may come out of order: a window closes this long after its end',
  }),
  idleMs: z.number().int().min(1).max(IDLE_MAX_MS).default(IDLE_DEFAULT_MS).meta({
    description:
      'a partition without new events for so long holds no window open; when all are idle, event time goes on with the clock',
  }),
  skewMs: z.number().int().min(0).max(SKEW_MAX_MS).default(SKEW_DEFAULT_MS).meta({
    description: 'events whose time is further ahead of their arrival are late ("future")',
  }),
  time: EventPath.default('time').meta({
    description:
      'the event’s time: a text such as 2026-01-31T12:00:00Z, or milliseconds since 1970',
  }),
};
const spanMs = z.number().int().min(1).max(WINDOW_WAIT_MAX_MS);
export const EventWindow = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('tumbling'),
    sizeMs: spanMs,
    slideMs: spanMs
      .optional()
      .meta({ description: 'a window begins so often: smaller than its size, they overlap' }),
    ...windowCommon,
  }),
  z.strictObject({
    type: z.literal('session'),
    gapMs: spanMs.meta({ description: 'a session ends when nothing came for so long' }),
    ...windowCommon,
  }),
]);
export type EventWindow = z.infer<typeof EventWindow>;

export const WindowSpec = z
  .strictObject({ kind: z.literal('window'), ...keyed, late, window: EventWindow })
  .refine(keyByNamesStreams.test, keyByNamesStreams.says)
  .refine(
    ({ window }) =>
      window.type === 'session' ||
      window.slideMs === undefined ||
      (window.slideMs <= window.sizeMs && window.sizeMs / window.slideMs <= WINDOWS_PER_EVENT_MAX),
    {
      message: `slideMs is at most sizeMs, and an event lies in at most ${WINDOWS_PER_EVENT_MAX} windows`,
      path: ['window', 'slideMs'],
    },
  )
  .meta({ id: 'WindowSpec' });
export type WindowSpec = z.infer<typeof WindowSpec>;

export type KeyedSpec = StatefulSpec | JoinSpec | WindowSpec;

export const PROCESSOR_KINDS = ['stateless', 'stateful', 'join', 'window', 'batch'] as const;
export type ProcessorKind = (typeof PROCESSOR_KINDS)[number];

export const ProcessorSpec = z.discriminatedUnion('kind', [
  StatelessSpec,
  StatefulSpec,
  JoinSpec,
  WindowSpec,
  BatchSpec,
]);
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

// --- Keyed processors: what can be read of their state --------------------------------------------

/** Everything up to `offset` (not included) has been applied; `end` is where the partition ends now. */
export const AppliedOffset = z.object({
  stream: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
  end: z.number().int(),
});
export type AppliedOffset = z.infer<typeof AppliedOffset>;

export const WaitingEvent = z.object({
  type: z.string(),
  stream: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
  id: z.string(),
  at: IsoTime.meta({ description: 'when it was taken in' }),
});
export const WaitingKey = z
  .object({
    key: z.string(),
    state: z.enum(['waiting', 'fired', 'timedOut']),
    since: IsoTime.meta({ description: 'of the first arrival; of the end, once it has fired' }),
    dueAt: IsoTime.nullable().meta({ description: 'when it times out' }),
    arrived: z.array(WaitingEvent),
    missing: z.array(z.string()),
  })
  .meta({ id: 'WaitingKey' });
export type WaitingKey = z.infer<typeof WaitingKey>;

export const OpenEventWindow = z
  .object({
    key: z.string(),
    start: IsoTime,
    end: IsoTime,
    closesAt: IsoTime.meta({ description: 'in event time: its end and the grace after it' }),
    events: z.number().int(),
    bytes: z.number().int(),
    state: JsonValue.optional().meta({ description: 'what `add` has made so far' }),
  })
  .meta({ id: 'OpenEventWindow' });
export type OpenEventWindow = z.infer<typeof OpenEventWindow>;

/** `GET …/state/:key`. */
export const KeyedState = z
  .object({
    key: z.string(),
    shard: z.number().int(),
    version: z.number().int(),
    state: JsonValue.meta({ description: 'stateful; null where there is none' }),
    changedAt: IsoTime.nullable(),
    expiresAt: IsoTime.nullable(),
    bytes: z.number().int(),
    waiting: WaitingKey.nullable().optional().meta({ description: 'join' }),
    windows: z.array(OpenEventWindow).optional().meta({ description: 'window' }),
    asOf: z.array(AppliedOffset),
  })
  .meta({ id: 'KeyedState' });
export type KeyedState = z.infer<typeof KeyedState>;

/** Cursors are keys, or a time and a key. */
const KeyedListQuery = ListQuery.extend({
  cursor: z
    .string()
    .max(STATE_KEY_MAX_BYTES + 100)
    .optional(),
});

export const StateQuery = KeyedListQuery.extend({
  prefix: z.string().max(STATE_KEY_MAX_BYTES).default(''),
  format: z.enum(['json', 'ndjson']).default('json').meta({
    description: 'ndjson: all of it, a line a key, as it is read',
  }),
});

export const StateEntry = z
  .object({
    key: z.string(),
    state: JsonValue.meta({ description: 'null in lists where it is larger than a list carries' }),
    bytes: z.number().int(),
    changedAt: IsoTime,
    expiresAt: IsoTime.nullable(),
  })
  .meta({ id: 'StateEntry' });
export type StateEntry = z.infer<typeof StateEntry>;

export const WaitingQuery = KeyedListQuery.extend({
  missing: z
    .string()
    .max(EVENT_TYPE_MAX_CHARS)
    .optional()
    .meta({ description: 'only keys that wait for this type' }),
});

export const OpenWindowsQuery = KeyedListQuery;

export const LateQuery = ListQuery.pick({ limit: true });

export const LATE_REASONS = ['fired', 'timed-out', 'type-taken', 'closed', 'future'] as const;
export type LateReason = (typeof LATE_REASONS)[number];
export const LateEvent = z
  .object({
    event: StreamEvent,
    stream: z.string(),
    key: z.string(),
    reason: z.enum(LATE_REASONS),
    at: IsoTime,
  })
  .meta({ id: 'LateEvent' });
export type LateEvent = z.infer<typeof LateEvent>;
