// What is put and sent: the definition of a processor, by kind, and the bodies of what is asked of one.
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
import { JsonValue, namedBy, ResourceName, StreamPoint } from './common.ts';
import { MapReduceSpec } from './job.ts';

export const ServiceSpec = z.strictObject({
  url: z
    .string()
    .max(2_000)
    .regex(/^(https?:\/\/|\/api\/services\/)/, 'an http(s) address, or a path under /api/services/')
    .meta({ description: '{key} stands for the key that is asked for' }),
});
export type ServiceSpec = z.infer<typeof ServiceSpec>;

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
  services: namedBy(z.string().min(1).max(NAME_MAX_CHARS), ServiceSpec)
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
    .union([KeyPath, namedBy(ResourceName, KeyPath)])
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

export const ReplayBody = z.strictObject({ from: StreamPoint.default('earliest') });

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
